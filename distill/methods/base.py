"""What every method of adaptation is: losses on unlabelled photos beside the supervision by renders.

The training shell (``distill.adapt``) adds these losses to those of the renders and calls ``after_step``. What a method
has to keep over a restart are its submodules (teachers, adversarial heads) and its gates: both go into ``state_dict``.
"""

import abc
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool
from torch import Tensor, nn

from distill.pseudo_labels.quantile_threshold import QuantileGate
from distill.targets.fourier_style import exchange_style
from distill.targets.views import TargetBatch, ViewsConfig
from dualmod.data.batch import HandBatch
from dualmod.inference.predictor import choose, right_probability
from dualmod.network.model import DualModalityNet
from dualmod.network.prediction import Prediction
from dualmod.pretraining.objective import MethodConfig
from synth.common.config import check, option

TEACHER, START = HAND_FROM = ("teacher", "start")
WINDOW = 2048
"""Photos that a quantile of doubt is taken over."""


@dataclass(frozen=True)
class Setting:
    """What a method is told about the run: its seed and its length in steps."""

    seed: int
    max_steps: int


@dataclass
class MethodOptions:
    """Options of every method, the control included."""

    name: str = option("", "the method's file in distill/methods; set by method=CHOICE")
    source: MethodConfig = option(MethodConfig(), "supervision by synthetic images that is kept on")

    def __post_init__(self) -> None:
        own = type(self).__module__.rpartition(".")[2]
        check(self.name in ("", own), "method.name", self.name, f"{own} here; choose with method=CHOICE")
        self.name = own

    def build(self, net: DualModalityNet, setting: Setting) -> "Method | None":
        """The method for a start network; None where no photo is learned from."""
        return None


@dataclass
class TargetOptions(MethodOptions):
    """Options of every method that learns from photos."""

    hand_from: str = option(TEACHER, "who decides left or right: the teacher in each step, or once the start network")
    sure_hands_share: float = option(0.7, "share of the photos to learn from: those most surely left or right")
    style_share: float = option(0.0, "share of images that take the style of the other domain (amplitude spectrum)")
    style_radius: float = option(0.1, "frequencies that style is made of, in cycles per pixel, at most 0.5")

    def __post_init__(self) -> None:
        super().__post_init__()
        check(self.hand_from in HAND_FROM, "method.hand_from", self.hand_from, f"one of {', '.join(HAND_FROM)}")
        check(0 < self.sure_hands_share <= 1, "method.sure_hands_share", self.sure_hands_share, "in (0, 1]")
        check(0 <= self.style_share <= 1, "method.style_share", self.style_share, "0 to 1")
        check(0 < self.style_radius <= 0.5, "method.style_radius", self.style_radius, "above 0 and at most 0.5")

    def views(self) -> ViewsConfig:
        """What batches of photos have to hold beside the weak and the strong view."""
        return ViewsConfig()


class Method(nn.Module, abc.ABC):
    """A method that learns from photos."""

    teacher: DualModalityNet | None

    def __init__(self, options: TargetOptions, setting: Setting):
        super().__init__()
        self.common, self.setting = options, setting
        self.register_module("teacher", None)
        self.gates = {"hands": QuantileGate(options.sure_hands_share, WINDOW)}

    @abc.abstractmethod
    def losses(self, net: DualModalityNet, source: HandBatch, target: TargetBatch, step: int) -> Mapping[str, Tensor]:
        """Weighted loss terms on the photos by name; names that start with ``_`` are only logged.

        Args:
            net: The student.
            source: The first view of the step's renders, with labels.
            target: The photos.
            step: Number of the step.
        """

    def after_step(self, net: DualModalityNet, step: int) -> None:
        """Called when the optimizer has moved ``net``."""
        if self.teacher is not None:
            follow(self.teacher, net, self.decay(step))

    def decay(self, step: int) -> float:
        """Decay of the averaged teacher at a step."""
        return 0.0

    def restyled(
        self, views: tuple[HandBatch, ...], target: TargetBatch, step: int
    ) -> tuple[tuple[HandBatch, ...], TargetBatch]:
        """Renders in the photos' style and strong views in the renders', each in a share of the images."""
        if self.common.style_share == 0:
            return views, target
        generator = self.generator(step, 0)
        return exchange_style(views, target, self.common.style_share, self.common.style_radius, generator)

    def right_hands(
        self, looker: DualModalityNet, target: TargetBatch
    ) -> tuple[TargetBatch, Prediction, Bool[Tensor, "batch"]]:
        """The photos with those mirrored that show a left hand, ``looker``'s plain prediction on their weak views, and
        whether the side is sure enough: a hand taken for the other one teaches the mirror image of its pose.

        Where the network sees both sides, no photo is mirrored and none has to be sure.
        """
        with torch.no_grad():
            if looker.config.sides == "both":
                return target, looker(target.weak), torch.ones_like(target.right, dtype=torch.bool)
            if self.common.hand_from == START:
                right = target.right
                target = target.mirrored(right < 0.5)
                first = looker(target.weak)
            else:
                plain, flipped = looker(target.weak), looker(target.weak.flip(-1))
                right = right_probability(plain, flipped)
                target = target.mirrored(right < 0.5)
                first = choose(plain, flipped, right < 0.5)
        sure, _ = self.gates["hands"](-(right - 0.5).abs())
        return target, first, sure

    def generator(self, step: int, stream: int) -> torch.Generator:
        """Random numbers of one step: the same after a restart."""
        seed = np.random.SeedSequence([self.setting.seed, step, stream]).generate_state(1)[0]
        return torch.Generator().manual_seed(int(seed))

    def get_extra_state(self) -> dict[str, Any]:
        """The gates, for checkpoints."""
        return {name: gate.state_dict() for name, gate in self.gates.items()}

    def set_extra_state(self, state: Mapping[str, Any]) -> None:
        """Go on from ``get_extra_state``."""
        for name, gate in self.gates.items():
            gate.load_state_dict(state[name])


@torch.no_grad()
def follow(teacher: nn.Module, net: nn.Module, decay: float) -> None:
    """One step of the running mean of weights; buffers are taken over."""
    for mean, live in zip(teacher.parameters(), net.parameters(), strict=True):
        mean.lerp_(live, 1 - decay)
    for mean, live in zip(teacher.buffers(), net.buffers(), strict=True):
        mean.copy_(live)
