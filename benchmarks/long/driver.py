"""The long training itself: trunk to a milestone, branch, trunk on.

Each is a run of ``pretrain`` in a folder of its own, which resumes by itself; so does the driver, from what lies there.
"""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.long.curve import DECAYED, TRUNK, add_rows, keep_weights, notes_of, read_rows, validations
from benchmarks.long.settings import Settings, overrides
from synth.common.files import written_atomically

POLL_SECONDS = 30.0
RunStage = Callable[[str, Sequence[str], Callable[[], None]], None]
"""Runs a stage by module name with its options, and calls the function now and then and at the end."""


@dataclass(frozen=True)
class Places:
    """Folders and files of a long training.

    Attributes:
        root: The repository, which the options' paths are relative to.
        out: The run's folder, relative to ``root``.
        kept: Folder of what is committed: curve and weights.
    """

    root: Path
    out: Path
    kept: Path

    @property
    def folder(self) -> Path:
        """The run's folder."""
        return self.root / self.out

    @property
    def checkout(self) -> Path:
        """Worktree whose code trains."""
        return self.folder / "checkout"

    @property
    def start(self) -> Path:
        """The weights that the run started from, where it did not start from nothing."""
        return self.folder / "start.safetensors"

    @property
    def latest(self) -> Path:
        """The trunk's averaged weights."""
        return self.kept / "latest.safetensors"

    @property
    def decayed(self) -> Path:
        """The last branch's averaged weights."""
        return self.kept / "decayed.safetensors"

    @property
    def curve(self) -> Path:
        """One line for each validation of the trunk and each branch."""
        return self.kept / "curve.jsonl"

    def run(self, kind: str, views: int) -> Path:
        """Folder of the trunk's way to a milestone, or of the branch that leaves it there."""
        return self.folder / f"{kind}_{views:08d}"


def is_finished(settings: Settings, places: Places) -> bool:
    """Whether what is kept is the end of the trunk, and all branches are there."""
    left_at = {row.get("left_at") for row in read_rows(places.curve)}
    ended = places.latest.exists() and notes_of(places.latest)["views"] >= settings.views
    return ended and left_at >= set(settings.decayed_at)


class Driver:
    """Goes on wherever the folders say that the training is."""

    def __init__(self, settings: Settings, places: Places, commit: str, run_stage: RunStage):
        self.settings, self.places, self.commit, self.run_stage = settings, places, commit, run_stage

    def drive(self) -> None:
        """Make what is missing of the datasets, the trunk and the branches."""
        for name in ("renders", "validation"):
            self._generate(name)
        for views in self.settings.milestones:
            self._trunk(views)
            if views in self.settings.decayed_at:
                self._branch(views)

    def _generate(self, name: str) -> None:
        if not (self.places.folder / name / "manifest.json").is_file():
            options = {"out": self.places.out / name, **self.settings.generate, **getattr(self.settings, name)}
            if name == "renders" and self._start_views():
                options["seed"] = options.get("seed", 0) + self._start_views()  # what the network has not seen yet
            self.run_stage("synth.generate", overrides(options), lambda: None)

    def _trunk(self, views: int) -> None:
        folder = self.places.run(TRUNK, views)
        if views > self._start_views() and not (folder / "model.safetensors").exists():
            before = [v for v in self.settings.milestones if v < views]
            if before:
                _bring_checkpoint(self.places.run(TRUNK, before[-1]), folder)
            self._pretrain(folder, self.settings.steps(views), [], lambda: self._keep_trunk(folder))
        self._keep_trunk(folder)

    def _branch(self, views: int) -> None:
        folder, decay_steps = self.places.run(DECAYED, views), self.settings.decay_steps(views)
        if any(row.get("left_at") == views for row in read_rows(self.places.curve)) or views < self._start_views():
            return
        _bring_checkpoint(self.places.run(TRUNK, views), folder)
        options = [f"optimizer.decay_steps={decay_steps}"]
        self._pretrain(folder, self.settings.steps(views) + decay_steps, options, lambda: None)
        keep_weights(folder / "averaged.safetensors", self.places.decayed)
        ended = validations(folder / "metrics.jsonl")[-1:]
        add_rows(self.places.curve, DECAYED, ended, left_at=views, commit=self.commit)

    def _pretrain(self, folder: Path, max_steps: int, more: list[str], watch: Callable[[], None]) -> None:
        out, settings = self.places.out, self.settings
        options = {
            "data": out / "renders",
            "out": out / folder.name,
            "max_steps": max_steps,
            **settings.pretrain,
            "validation.data": out / "validation",
            "validation.every": settings.steps(settings.validate_every),
        }
        if self.places.start.exists():
            options |= {"init": out / self.places.start.name, "first_step": notes_of(self.places.start)["step"]}
        self.run_stage("dualmod.pretrain", [*overrides(options), *more], watch)

    def _keep_trunk(self, folder: Path) -> None:
        """Copy what the trunk's last validation left; the weights first, as the curve may not be ahead of them."""
        found = folder / "averaged.safetensors"
        if found.exists() and notes_of(found)["views"] > self._kept_views():
            keep_weights(found, self.places.latest)
        rows = [row for row in validations(folder / "metrics.jsonl") if row["views"] <= self._kept_views()]
        add_rows(self.places.curve, TRUNK, rows, commit=self.commit)

    def _kept_views(self) -> int:
        return notes_of(self.places.latest)["views"] if self.places.latest.exists() else 0

    def _start_views(self) -> int:
        return notes_of(self.places.start)["views"] if self.places.start.exists() else 0


def _bring_checkpoint(source: Path, folder: Path) -> None:
    """Let the run in ``folder`` go on from where that in ``source`` ended, unless it has begun."""
    found, last = source / "last.ckpt", folder / "last.ckpt"
    if found.exists() and not last.exists():
        folder.mkdir(parents=True, exist_ok=True)
        with written_atomically(last) as partial:
            partial.write_bytes(found.read_bytes())


class Stages:
    """Runs stages as processes with the code of a checkout. SIGTERM ends the one that runs, which saves, and then this
    process."""

    def __init__(self, places: Places, lock: int):
        """
        Args:
            places: The folders.
            lock: File descriptor that stages inherit: as long as one lives, the folder is in use.
        """
        self.places, self.lock = places, lock
        self._process: subprocess.Popen[bytes] | None = None
        signal.signal(signal.SIGTERM, self._end)

    def __call__(self, module: str, options: Sequence[str], watch: Callable[[], None]) -> None:
        """Run one stage.

        Raises:
            SystemExit: when it fails, or this process was told to end.
        """
        code = {"PYTHONPATH": str(self.places.checkout), "PYTHONSAFEPATH": "1"}
        quiet = {"TQDM_DISABLE": "1", "OMP_NUM_THREADS": "1", "PYTHONUNBUFFERED": "1"}
        print(time.strftime("%F %T"), module, *options, flush=True)
        self._process = subprocess.Popen(
            [sys.executable, "-m", module, *options],
            cwd=self.places.root,
            env={**os.environ, **code, **quiet},
            pass_fds=(self.lock,),
        )
        while (status := self._wait()) is None:
            watch()
        watch()
        self._process = None
        if status:
            raise SystemExit(f"{time.strftime('%F %T')} {module} ended with status {status}")

    def _wait(self) -> int | None:
        assert self._process is not None
        try:
            return self._process.wait(POLL_SECONDS)
        except subprocess.TimeoutExpired:
            return None

    def _end(self, *_: object) -> None:
        if self._process is None:
            raise SystemExit(128 + signal.SIGTERM)
        self._process.terminate()
