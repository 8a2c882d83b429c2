"""Collapse alarms: readings without labels that say a run has gone wrong, and which of its states was best.

Every ``every`` steps the readings of ``watch.Watch`` are compared with those of the start network on the same photos
and on renders. What a threshold is relative to stands beside it in ``AlarmConfig``. The best state is the one of least
disagreement between views over the spread of the poses: agreement alone would prize a network that sees one pose only.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from torch import Tensor

from distill.monitoring.health import Readings, Watch
from dualmod.network.model import DualModalityNet
from synth.common.config import check, option


@dataclass
class AlarmConfig:
    """When a run is stopped; each threshold is about the start network or the first steps."""

    on: bool = option(True, "watch the run")
    every: int = option(10, "steps between two looks")
    photos: int = option(48, "photos that are looked at")
    sure_share: float = option(0.4, "least share of photos surer than the 2 % least sure renders, at the start as well")
    kept_share: float = option(0.3, "least share of photos that the start's gate keeps, of that at the start")
    spread: float = option(0.35, "least spread of poses over the photos, of that over renders at the start")
    teacher_gap: float = option(3.0, "largest gap of teacher and student, in disagreements of views at the start")
    disagreement: float = option(2.5, "largest disagreement of views, of that at the start")
    bone_drift: float = option(0.5, "largest mean |log| of bone lengths over those of the start")
    right_share: float = option(0.35, "largest change of the share of right hands from the start")

    def __post_init__(self) -> None:
        for key in ("every", "photos"):
            check(getattr(self, key) > 0, f"alarm.{key}", getattr(self, key), "positive")
        for item in fields(self)[3:]:
            check(getattr(self, item.name) >= 0, f"alarm.{item.name}", getattr(self, item.name), "0 or more")


class CollapseError(ValueError):
    """A run that was stopped by an alarm; the message says which, when and what to do."""


@dataclass
class BestState:
    """The state of least criterion so far.

    Attributes:
        step: Steps that it has seen; 0 is the start network.
        criterion: ``criterion`` of its readings.
        weights: The network's, on the CPU.
    """

    step: int
    criterion: float
    weights: dict[str, Tensor]


class Alarms:
    """Looks at a run from time to time, and keeps its best state."""

    def __init__(self, config: AlarmConfig, watch: Watch, net: DualModalityNet):
        self.config, self.watch = config, watch
        self.best = BestState(0, criterion(watch.start), _weights(net))

    def look(self, net: DualModalityNet, teacher: DualModalityNet | None, step: int) -> Readings:
        """Readings after ``step`` steps.

        Raises:
            CollapseError: when one is past its threshold; ``best`` then holds the state to keep.
        """
        readings = self.watch(net, teacher)
        alarms = self.tripped(readings)
        if alarms:
            raise CollapseError(
                f"collapse alarm at step {step}: {'; '.join(alarms)}. model.safetensors holds the best state without "
                f"labels, of step {self.best.step}; lower optimizer.learning_rate, or look at the photos of target "
                f"(alarm.on=false goes on regardless)"
            )
        found = criterion(readings)
        if found < self.best.criterion:
            self.best = BestState(step, found, _weights(net))
        return readings

    def tripped(self, now: Readings) -> list[str]:
        """A note for each reading that is past its threshold."""
        config, start = self.config, self.watch.start
        rules = [
            ("share of photos that look like a hand", now.sure_share, config.sure_share, False),
            ("kept share", now.kept_share, config.kept_share * start.kept_share, False),
            ("spread of the poses", now.spread, config.spread * self.watch.render_spread, False),
            ("teacher-student gap", now.teacher_gap, config.teacher_gap * start.disagreement, True),
            ("disagreement of views", now.disagreement, config.disagreement * start.disagreement, True),
            ("bone-length drift", now.bone_drift, config.bone_drift, True),
            ("change of the share of right hands", abs(now.right_share - start.right_share), config.right_share, True),
        ]
        return [
            f"{name} {value:.3f}, {'at most' if is_upper else 'at least'} {bound:.3f}"
            for name, value, bound, is_upper in rules
            if not (value <= bound if is_upper else value >= bound)
        ]

    def state_dict(self) -> dict[str, Any]:
        """What resuming needs."""
        return {"best": vars(self.best)}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from ``state_dict``."""
        self.best = BestState(**state["best"])


def criterion(readings: Readings) -> float:
    """Disagreement of the views over the spread of the poses: less is better."""
    return readings.disagreement / max(readings.spread, 1e-6)


def _weights(net: DualModalityNet) -> dict[str, Tensor]:
    return {name: value.detach().cpu().clone() for name, value in net.state_dict().items()}
