"""Options of adaptation: those of every method, and those of the method that is chosen."""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from distill.alarms import AlarmConfig
from distill.methods import MethodOptions, chosen, options_class
from distill.methods.self_distillation import Options as SelfDistillationOptions
from distill.photos import BALANCES, PHOTO
from dualmod.data.augment import AugmentConfig
from dualmod.training_module import OptimizerConfig
from synth.config import check, option, required


@dataclass
class AdaptConfig:
    """Adapt a pre-trained network to unlabelled photographs."""

    checkpoint: str = required("model.safetensors of a pre-training")
    source: str = required("folder of the synthetic dataset that stays in the training")
    target: str = required("folder of photos, or several of them or names of real sets with commas")
    out: str = required("folder for the checkpoint and the logs")
    target_root: str = option("", "folder that holds the real sets named in target")
    target_balance: str = option(PHOTO, "of several targets: each photo as likely (photo), or each set (set)")
    seed: int = option(0, "seed of order and augmentation")
    max_steps: int = option(200, "optimisation steps")
    source_batch_size: int = option(24, "synthetic samples in a step, each in two views")
    target_batch_size: int = option(16, "photos in a step; the control takes half as many more synthetic samples")
    holdout: float = option(0.04, "share of the dataset that is kept out for testing")
    frozen_statistics: bool = option(True, "keep the normalisation statistics of the start checkpoint")
    save_every: int = option(50, "steps between checkpoints to resume from")
    loader_workers: int = option(1, "processes that read and augment")
    cache_gb: float = option(4.0, "largest size in GB of the decoded dataset kept in memory")
    device: str = option("auto", "auto, cpu or cuda")
    threads: int = option(0, "CPU threads of torch; 0 takes all cores")
    overwrite: bool = option(False, "delete what another run left in out")
    method: MethodOptions = option(SelfDistillationOptions(), "the method")
    alarm: AlarmConfig = option(AlarmConfig(), "what stops a run that goes wrong")
    optimizer: OptimizerConfig = option(OptimizerConfig(learning_rate=4e-4, warmup_steps=20), "the optimizer")
    augment: AugmentConfig = option(AugmentConfig(), "augmentation of the views")

    def __post_init__(self) -> None:
        for key in ("max_steps", "save_every", "target_batch_size"):
            check(getattr(self, key) > 0, key, getattr(self, key), "positive")
        check(self.source_batch_size > 1, "source_batch_size", self.source_batch_size, "2 or more")
        check(self.target_batch_size % 2 == 0, "target_batch_size", self.target_batch_size, "even")
        check(self.loader_workers >= 0, "loader_workers", self.loader_workers, "0 or more")
        check(0 < self.holdout < 1, "holdout", self.holdout, "between 0 and 1")
        known = self.target_balance in BALANCES
        check(known, "target_balance", self.target_balance, f"one of {', '.join(BALANCES)}")

    @classmethod
    def chosen(cls, overrides: Sequence[str]) -> type["AdaptConfig"]:
        """This config with the options of the method that ``overrides`` choose.

        Raises:
            ValueError: when there is no such method.
        """
        options = options_class(chosen(overrides))
        own = [("method", options, option(options(), "the method"))]
        make: Any = dataclasses.make_dataclass  # its fields are made of the method, so no checker knows them
        return make("AdaptConfig", own, bases=(cls,), namespace={"__doc__": cls.__doc__})
