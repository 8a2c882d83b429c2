"""Evaluated stages as the report takes them: what ``evaluate`` left in one or more folders for each seed of a stage."""

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
from omegaconf import OmegaConf

from dualmod.checkpoints.checkpoint import read_notes
from dualmod.checkpoints.released import POSE_FILES
from synth.common.files import CONFIG_FILE, require_folder

METRICS_FILE = "metrics.json"
PREDICTIONS_FILE = "predictions.npz"
EVALUATION_FOLDER = "evaluation"


@dataclass(frozen=True, eq=False)
class Evaluated:
    """One stage with one seed on one dataset.

    Attributes:
        metrics: What ``metrics.json`` says of the dataset.
        predictions: Arrays of ``predictions.npz`` by name, the rows of this dataset.
        config: The evaluation's options.
        folder: Where ``evaluate`` left it.
    """

    metrics: dict[str, Any]
    predictions: dict[str, np.ndarray]
    config: dict[str, Any]
    folder: Path = Path()

    @property
    def checkpoint(self) -> Path | None:
        """The evaluated checkpoint, if it is still there."""
        given = str(self.config.get("checkpoint", ""))
        path = POSE_FILES.get(given) or self.path(given)
        return path if path.is_file() else None

    def path(self, given: str) -> Path:
        """A path of ``config``; a relative one that is not there is taken from where ``evaluate`` was run."""
        path, out = (Path(p).expanduser() for p in (given, str(self.config.get("out", ""))))
        inner = self.folder.resolve()
        is_below = bool(out.parts) and inner.parts[-len(out.parts) :] == out.parts
        if path.is_absolute() or path.exists() or not is_below:
            return path
        return inner.parents[len(out.parts) - 1] / path


@dataclass(frozen=True, eq=False)
class Stage:
    """A stage of the pipeline: its label, and what was evaluated, by seed and dataset."""

    label: str
    seeds: dict[int, dict[str, Evaluated]]

    @property
    def datasets(self) -> list[str]:
        """All datasets that a seed was evaluated on, in the order of their coming."""
        return list(dict.fromkeys(name for by_dataset in self.seeds.values() for name in by_dataset))

    def of(self, dataset: str) -> dict[int, Evaluated]:
        """The seeds that were evaluated on ``dataset``."""
        return {seed: sets[dataset] for seed, sets in self.seeds.items() if dataset in sets}

    def by_seed(self, dataset: str, metric: str, hand: str = "predicted") -> dict[int, float]:
        """The metric of each seed that has it; ``hand`` says whether the handedness was predicted or given."""
        found = {}
        for seed, evaluated in self.of(dataset).items():
            metrics = evaluated.metrics if hand == "predicted" else evaluated.metrics.get("given", {})
            if isinstance(metrics.get(metric), int | float):
                found[seed] = float(metrics[metric])
        return found

    def values(self, dataset: str, metric: str, hand: str = "predicted") -> list[float]:
        """The same without the seeds."""
        return list(self.by_seed(dataset, metric, hand).values())


def load_stages(folders: list[str], labels: list[str] | None = None) -> list[Stage]:
    """Stages in the order of their first folder; folders with one label are seeds, or datasets, of one stage.

    Args:
        folders: Outputs of ``evaluate``, or folders that hold one under ``evaluation``.
        labels: A label for each folder; by default its name.

    Raises:
        FileNotFoundError: when a folder is missing.
        ValueError: when a folder is no output of ``evaluate``, or two are the same stage, seed and dataset.
    """
    if labels and len(labels) != len(folders):
        raise ValueError(f"labels={labels} names {len(labels)} of {len(folders)} runs; give one for each")
    stages: dict[str, Stage] = {}
    for place, given in enumerate(folders):
        folder = _evaluation_folder(given)
        label = labels[place] if labels else stage_name(folder)
        evaluated = _load(folder)
        stage = stages.setdefault(label, Stage(label, {}))
        known = stage.seeds.setdefault(_seed(folder, next(iter(evaluated.values()))), {})
        twice = sorted(known.keys() & evaluated.keys())
        if twice:
            raise ValueError(
                f"runs={given}: stage {label} already has {twice[0]} with the same seed; "
                f"tell stages apart with labels=[A,B,...]"
            )
        known.update(evaluated)
    return list(stages.values())


def stage_name(folder: Path) -> str:
    """The folder's name, or its parent's when it is an ``evaluation`` folder."""
    folder = folder.resolve()
    return folder.parent.name if folder.name == EVALUATION_FOLDER else folder.name


def metric_names(stages: list[Stage], dataset: str) -> list[str]:
    """Metrics of a dataset in the order in which ``metrics.json`` has them."""
    names: dict[str, None] = {}
    for stage in stages:
        for evaluated in stage.of(dataset).values():
            names |= dict.fromkeys(evaluated.metrics.get("interval_95", {}))
    return list(names)


def _evaluation_folder(given: str) -> Path:
    folder = require_folder(given, "runs")
    inner = folder / EVALUATION_FOLDER
    return inner if (inner / METRICS_FILE).is_file() else folder


def _load(folder: Path) -> dict[str, Evaluated]:
    try:
        metrics = json.loads((folder / METRICS_FILE).read_text(encoding="utf-8"))
        config = OmegaConf.to_container(OmegaConf.load(folder / CONFIG_FILE))
        with np.load(folder / PREDICTIONS_FILE, allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in archive.files}
    except (OSError, ValueError, KeyError, BadZipFile) as error:
        raise ValueError(f"runs={folder} is no output of evaluate ({error}); run handbridge evaluate") from error
    if not metrics or not all(isinstance(m, dict) and "interval_95" in m for m in metrics.values()):
        raise ValueError(f"runs={folder}: {METRICS_FILE} has no metrics by dataset; give a folder that evaluate made")
    assert isinstance(config, dict)
    names = arrays.get("dataset", np.full(len(arrays["files"]), next(iter(metrics))))
    options = {str(key): value for key, value in config.items()}
    return {
        name: Evaluated(m, {k: v[names == name] for k, v in arrays.items()}, options, folder)
        for name, m in metrics.items()
    }


def _seed(folder: Path, evaluated: Evaluated) -> int:
    """The training's seed: from a folder called ``seed-N`` above, else from the checkpoint's notes, else 0."""
    for part in reversed(folder.resolve().parts):
        named = re.fullmatch(r"seed-(\d+)", part)
        if named:
            return int(named[1])
    if evaluated.checkpoint is None:
        return 0
    return int(read_notes(evaluated.checkpoint).get("seed", 0))
