"""One row with one seed: its trainings, as processes that resume, and what it is measured to be."""

import contextlib
import functools
import hashlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from benchmarks.pretraining.other_code import environment, packages_of
from benchmarks.pretraining.tables import Row
from dualmod.checkpoints.checkpoint import load_network, read_notes, save_network
from dualmod.data.image_sets import LabelledImages
from dualmod.evaluate import evaluate_network
from dualmod.inference.predictor import Predictor
from dualmod.pretrain import MODEL_FILE, PretrainConfig
from dualmod.training.validation import MEASURED
from synth.common.config import check, compose_config
from synth.common.files import written_atomically

START_FILE, SPENT_FILE, LOG_FILE = "start.safetensors", "cpu_seconds.json", "log"


@dataclass(frozen=True)
class Run:
    """One row with one seed and the steps of its stages.

    Attributes:
        row: The row.
        seed: The seed.
        steps: Steps of each stage.
        ms: Process time of an average step, milliseconds.
    """

    row: Row
    seed: int
    steps: tuple[int, ...]
    ms: float

    @property
    def identity(self) -> dict[str, Any]:
        """What its numbers belong to: the same row and seed with anything of it changed is another run."""
        options = [list(stage.pretrain) for stage in self.row.stages]
        asked = {"pretrain": options, "generate": list(self.row.generate), "of_commit": self.row.commit}
        return {"row": self.row.name, "seed": self.seed, "steps": list(self.steps), **asked}

    def folder(self, out: Path) -> Path:
        """Its folder, which no other run has."""
        told = json.dumps({**self.identity, "seed": 0}, sort_keys=True).encode()
        return out / f"{self.row.name}-{hashlib.sha256(told).hexdigest()[:8]}" / f"seed-{self.seed}"

    def options(self, place: int, data: Path) -> list[str]:
        """Options of a stage, all but ``out`` and ``init``."""
        return [*self.row.stages[place].options(self.steps[place]), f"seed={self.seed}", f"data={data}"]

    def check_options(self) -> None:
        """Check the options of all stages before any starts.

        Raises:
            ValueError: when one is not legal, or a later stage has another network than the first one but for the
                side of its input.
        """
        if self.row.commit:
            return  # its code has options of its own, and says so itself
        found = [self._composed(place).network for place in range(len(self.steps))]
        for network in found[1:]:
            same = replace(network, image_size=found[0].image_size) == found[0]
            check(same, f"rows.{self.row.name}.stages", "another network", "one network, but for network.image_size")

    def train(self, out: Path, data: Path, start: "StartProcess") -> Path:
        """Train what is not trained yet; the model of the last stage.

        Raises:
            ValueError: when a training fails; the same command resumes it.
        """
        folder, model = self.folder(out), Path()
        for place in range(len(self.steps)):
            place_out, before = folder / str(place), model
            model = place_out / MODEL_FILE
            if model.exists():
                continue
            folder.mkdir(parents=True, exist_ok=True)
            init = [f"init={self._start(before, place_out, place)}"] if place else []
            options = [*self.options(place, data), f"out={place_out}", *init]
            note = functools.partial(_note_spent, folder / SPENT_FILE)
            start(options, packages_of(self.row.commit), folder / LOG_FILE, note)
        return model

    def cpu_seconds(self, out: Path) -> float:
        """Process time that its trainings have taken, interrupted ones among them."""
        return round(sum(_spent(self.folder(out) / SPENT_FILE)), 1)

    def _composed(self, place: int) -> PretrainConfig:
        return compose_config("pretrain", PretrainConfig, [*self.options(place, Path("d")), "out=o"])

    def _start(self, before: Path, place_out: Path, place: int) -> Path:
        """The weights that a stage starts from: those of the one before, for input of this one's side."""
        path = place_out.with_name(f"{place}-{START_FILE}")
        net = load_network(before)
        net.config.image_size = self._composed(place).network.image_size
        save_network(path, net, read_notes(before))
        return path


StartProcess = Callable[[Sequence[str], Path, Path, Callable[[float], None]], None]
"""Trains with options of ``pretrain`` and the packages in a folder, adds to a log, and tells its process time."""


class Trainings:
    """Trainings as processes of their own, several at a time."""

    def __init__(self) -> None:
        self._running: set[int] = set()

    def __call__(self, options: Sequence[str], packages: Path, log: Path, note: Callable[[float], None]) -> None:
        """Run one.

        Raises:
            ValueError: when it fails.
        """
        words, env = [sys.executable, "-m", "dualmod.pretrain", *options], environment(packages)
        with log.open("a") as lines:
            process = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=lines, stderr=lines, env=env)
        self._running.add(process.pid)
        _, status, usage = os.wait4(process.pid, 0)  # of the process and all that it has waited for
        self._running.discard(process.pid)
        process.returncode = os.waitstatus_to_exitcode(status)
        note(usage.ru_utime + usage.ru_stime)
        if process.returncode:
            last = log.read_text(errors="replace").strip().splitlines()[-1:] or ["it said nothing"]
            raise ValueError(f"a training ended with status {process.returncode}: {last[0]} (all of it: {log})")

    def stop(self) -> None:
        """Tell all to end; each saves the step that it is in."""
        for pid in list(self._running):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGTERM)


def numbers(model: Path, sets: Mapping[str, LabelledImages]) -> dict[str, dict[str, Any]]:
    """What ``evaluate`` measures of a network on each set: one look, the network's own margin.

    ``predicted`` is with the side that the network predicts, ``given`` with the side given.
    """
    predictor = Predictor(load_network(model), torch.device("cpu"))
    found = {}
    for name, labelled in sets.items():
        metrics = evaluate_network(predictor, labelled, bootstrap=0).metrics.to_json()
        scores = {
            side: {m: part[m] for m in MEASURED} for side, part in (("predicted", metrics), ("given", metrics["given"]))
        }
        found[name] = {"images": len(labelled), "handedness_accuracy": metrics["handedness_accuracy"], **scores}
    return found


def _note_spent(path: Path, seconds: float) -> None:
    with written_atomically(path) as partial_file:
        partial_file.write_text(json.dumps([*_spent(path), round(seconds, 2)]))


def _spent(path: Path) -> list[float]:
    return json.loads(path.read_text()) if path.exists() else []
