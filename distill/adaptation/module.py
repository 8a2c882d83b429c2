"""A step of adaptation: supervision by renders, the losses of a method on photos, and a look at how the run goes."""

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from distill.adaptation.config import AdaptConfig
from distill.methods import Setting
from distill.monitoring.collapse import Alarms
from dualmod.network.model import DualModalityNet
from dualmod.pretraining.objective import objective
from dualmod.training.module import TrainingModule


class AdaptModule(TrainingModule):
    """Supervision by renders, and the losses of a method on photos."""

    net: DualModalityNet

    def __init__(self, net: DualModalityNet, config: AdaptConfig, alarms: Alarms | None = None):
        batch_size = config.source_batch_size + config.target_batch_size
        super().__init__(config.optimizer.for_batch(batch_size), config.max_steps)
        self.net, self.config, self.alarms = net, config, alarms
        self.frozen_statistics = config.frozen_statistics
        self.method = config.method.build(net, Setting(config.seed, config.max_steps))

    def losses(self, batch: Any, step: int) -> Mapping[str, Tensor]:
        views, target = batch
        if self.method is None:
            return objective(self.net, views, self.config.method.source)
        views, target = self.method.restyled(views, target, step)
        terms = objective(self.net, views, self.config.method.source)
        return {**terms, **self.method.losses(self.net, views[0], target, step)}

    def after_step(self) -> None:
        if self.method is None:
            return
        self.method.after_step(self.net, self.global_step - 1)
        if self.alarms is not None and self.global_step % self.config.alarm.every == 0:
            readings = self.alarms.look(self.net, self.method.teacher, self.global_step)
            self.log_dict({f"watch_{name}": value for name, value in vars(readings).items()})

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        if self.alarms is not None:
            checkpoint["alarms"] = self.alarms.state_dict()

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        if self.alarms is not None:
            self.alarms.load_state_dict(checkpoint["alarms"])
