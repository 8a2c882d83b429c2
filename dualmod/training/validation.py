"""Measuring a network while it is trained, on renders of a dataset of their own, by the code of ``evaluate``."""

import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from omegaconf import OmegaConf

import dualmod
from dualmod.checkpoints.checkpoint import save_network
from dualmod.data.image_sets import open_labelled
from dualmod.evaluate import evaluate_network
from dualmod.inference.predictor import Predictor
from dualmod.network.model import DualModalityNet
from dualmod.network.train_eval_mode import evaluating
from synth.common.config import check, option

AVERAGED_FILE = "averaged.safetensors"
MEASURED = ("pck_box@0.05", "pck_box@0.1", "pck_box@0.2", "epe_mm", "pa_mpjpe_mm")
"""Metrics of ``evaluate`` that are kept, with the side predicted and with the side given."""


@dataclass
class ValidationConfig:
    """Measuring while training."""

    data: str = option("", "dataset made by generate, with another seed than the one that is trained on")
    every: int = option(0, "steps between two measurements; there is one at the end too; 0: none at all")
    samples: int = option(0, "evenly spaced samples of it at most; 0 for all")

    def __post_init__(self) -> None:
        check(self.every >= 0, "validation.every", self.every, "0 or more")
        check(not self.every or bool(self.data), "validation.every", self.every, "0 without validation.data=FOLDER")
        check(self.samples >= 0, "validation.samples", self.samples, "0 or more")


class HasNetwork(Protocol):
    """A module of a training."""

    net: DualModalityNet


class ValidatedRun(Protocol):
    """What a validation has to know of a run's config."""

    out: str
    seed: int
    batch_size: int
    validation: ValidationConfig


class RenderValidation:
    """Errors on all samples of a dataset, and the weights that have them as ``averaged.safetensors`` of the run.

    One look at each hand, in the crop about its joints.
    """

    def __init__(self, config: ValidatedRun, notes: dict[str, Any]):
        """
        Args:
            config: The run's config, a dataclass, which the file of weights notes.
            notes: What else it should say, of the data that is trained on.

        Raises:
            FileNotFoundError: when there is no dataset in ``validation.data``.
            ValueError: when it is damaged.
        """
        self.config, self.notes, self.every = config, notes, config.validation.every
        labelled = open_labelled("", f"renders:{config.validation.data}")
        self.labelled = labelled.thinned(config.validation.samples) if config.validation.samples else labelled
        self.commit = code_commit()

    def measure(self, module: HasNetwork, step: int) -> dict[str, float]:
        """Values by name, ``views`` (samples seen) among them; the module stays as it is.

        ``validation_NAME`` is with the side predicted, ``validation_given_NAME`` with the side given.
        """
        net = module.net
        with evaluating(net):
            device = next(net.parameters()).device
            predictor = Predictor(net, device, crop_margin=net.config.crop_margin)
            found = evaluate_network(predictor, self.labelled, bootstrap=0).metrics.to_json()
        values: dict[str, float] = {"views": step * self.config.batch_size}
        for prefix, scores in (("validation", found), ("validation_given", found["given"])):
            values |= {f"{prefix}_{name}": scores[name] for name in MEASURED}
        values["validation_handedness_accuracy"] = found["handedness_accuracy"]
        self._save(net, step, values)
        return values

    def _save(self, net: DualModalityNet, step: int, values: dict[str, float]) -> None:
        notes = {
            "stage": "pretrain",
            "seed": self.config.seed,
            **self.notes,
            "commit": self.commit,
            "step": step,
            **values,
            "config": OmegaConf.to_container(OmegaConf.structured(self.config)),
        }
        save_network(Path(self.config.out).expanduser() / AVERAGED_FILE, net, notes, halved=True)


def code_commit() -> str:
    """The commit of the checkout that this code runs from; empty where it is none."""
    root = Path(dualmod.__file__).resolve().parents[1]
    asked = ["git", "-C", str(root), "rev-parse", "--show-toplevel", "HEAD"]
    try:
        top, commit = subprocess.run(asked, capture_output=True, text=True, check=True).stdout.split("\n")[:2]
    except (OSError, subprocess.CalledProcessError):
        return ""
    return commit if Path(top) == root else ""
