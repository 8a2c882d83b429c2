"""What a long training is: the options of its datasets and stages, and where its branches leave it."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from synth.common.config import check
from synth.common.files import require_file
from synth.common.nested import flat

FREE = ("workers", "threads", "loader_workers", "cache_gb", "save_every")
"""Options that may change on the way: they change no result."""


@dataclass(frozen=True)
class Settings:
    """One long training: a trunk at a constant rate, and branches from it that are decayed to zero.

    Attributes:
        commit: Commit whose code trains; empty: not said.
        views: Samples that the trunk sees.
        decayed_at: Views of the trunk at which a branch leaves it.
        decay_share: Views of a branch, as a share of those of the trunk where it leaves.
        validate_every: Views between validations of the trunk.
        generate: Options of ``generate`` for both datasets, by full key.
        renders: Options of the dataset that is trained on.
        validation: Options of the dataset that is validated on.
        pretrain: Options of ``pretrain``.
    """

    commit: str
    views: int
    decayed_at: list[int]
    decay_share: float
    validate_every: int
    generate: dict[str, Any]
    renders: dict[str, Any]
    validation: dict[str, Any]
    pretrain: dict[str, Any]

    def __post_init__(self) -> None:
        check(isinstance(self.pretrain.get("batch_size"), int), "pretrain.batch_size",
              self.pretrain.get("batch_size"), "given, a whole number")  # fmt: skip
        for key, value in (("views", self.views), ("validate_every", self.validate_every)):
            check(value > 0 and value % self.batch_size == 0, key, value, f"a multiple of the batch, {self.batch_size}")
        for value in self.decayed_at:
            legal = 0 < value <= self.views and value % self.batch_size == 0
            check(legal, "decayed_at", value, f"up to views and a multiple of the batch, {self.batch_size}")
        check(0 < self.decay_share <= 1, "decay_share", self.decay_share, "in (0, 1]")
        seeds = [part.get("seed", 0) for part in (self.renders, self.validation)]
        check(seeds[0] != seeds[1], "validation.seed", seeds[1], "another seed than that of renders")

    @property
    def batch_size(self) -> int:
        """Samples in a step."""
        return self.pretrain["batch_size"]

    @property
    def milestones(self) -> list[int]:
        """Views at which the trunk stops for a branch, or ends."""
        return sorted({*self.decayed_at, self.views})

    def steps(self, views: int) -> int:
        """Steps of so many views."""
        return views // self.batch_size

    def decay_steps(self, views: int) -> int:
        """Steps of the branch that leaves the trunk after so many views."""
        return max(1, round(self.decay_share * self.steps(views)))

    def kept(self) -> dict[str, Any]:
        """All that may not change on the way, by full key."""
        options = dict(flat({key: value for key, value in vars(self).items() if key != "commit"}))
        return {key: value for key, value in options.items() if key.rpartition(".")[2] not in FREE}


def read_settings(path: Path) -> Settings:
    """The settings in a YAML file.

    Raises:
        FileNotFoundError: when there is no such file.
        ValueError: when it is no YAML, lacks something, or holds what is unknown or not legal.
    """
    try:
        return Settings(**yaml.safe_load(require_file(path, "config").read_text()))
    except (yaml.YAMLError, TypeError) as error:
        raise ValueError(f"config={path} does not hold the settings of a long training: {error}") from error


def overrides(options: Mapping[str, Any]) -> list[str]:
    """Options as they are written on the command line."""
    return [f"{key}={_written(value)}" for key, value in flat(options)]


def _written(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return f"[{','.join(map(_written, value))}]" if isinstance(value, list) else str(value)
