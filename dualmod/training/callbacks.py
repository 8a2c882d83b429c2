"""What a training writes while it runs: metrics in JSON lines, a progress bar, and the time spent waiting for data."""

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

import lightning
from lightning.pytorch.callbacks import Callback, TQDMProgressBar
from lightning.pytorch.profilers import Profiler

FETCH = "train_dataloader_next"
"""End of the name under which Lightning profiles the wait for a batch."""


class WaitTimer(Profiler):
    """Time that the training loop waited for batches, from the end of its first step on.

    The first step is left out: while it runs, loader processes start and code is compiled.
    """

    def __init__(self) -> None:
        super().__init__()
        self._fetch_started = self._first_step_ended = self._waited = self._left_out = 0.0

    def start(self, action_name: str) -> None:
        if action_name.endswith(FETCH):
            self._fetch_started = time.perf_counter()

    def stop(self, action_name: str) -> None:
        if action_name.endswith(FETCH) and self._first_step_ended:
            self._waited += time.perf_counter() - self._fetch_started

    def step_ended(self) -> None:
        """Told at the end of every step."""
        self._first_step_ended = self._first_step_ended or time.perf_counter()

    def leave_out(self, seconds: float) -> None:
        """Count this much time since the first step neither as waiting nor as training: a validation took it."""
        self._left_out += seconds

    @property
    def share(self) -> float:
        """Waiting as a share of the time since the first step; 0 when there was only one."""
        since = time.perf_counter() - self._first_step_ended - self._left_out if self._first_step_ended else 0.0
        return self._waited / since if since > 0 else 0.0


class Validation(Protocol):
    """Something that measures a network while it is trained."""

    every: int

    def measure(self, module: Any, step: int) -> dict[str, float]:
        """Values by name of a module's weights after ``step`` steps; changes nothing of the module."""
        ...


class JsonLines(Callback):
    """Writes the logged values of every ``every`` steps to ``metrics.jsonl``, and the time spent."""

    def __init__(self, path: Path, every: int, timer: WaitTimer):
        self.path, self.every, self.timer, self.start = path, every, timer, time.perf_counter()

    def on_train_start(self, trainer: lightning.Trainer, pl_module: Any) -> None:
        self.start = time.perf_counter()
        if self.path.exists() and trainer.is_global_zero:  # what an interrupted run wrote after its last checkpoint
            kept = [line for line in self.path.read_text().splitlines() if _step_of(line) <= pl_module.step]
            self.path.write_text("".join(line + "\n" for line in kept))

    def on_train_batch_end(
        self, trainer: lightning.Trainer, pl_module: Any, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        if not ends_step(trainer, batch_idx):
            return
        self.timer.step_ended()
        due = trainer.global_step % self.every == 0 or trainer.global_step == trainer.max_steps
        if not (due and trainer.is_global_zero):
            return
        # Lightning keeps the last value of a term that a later phase of the run no longer has
        now = {k: v for k, v in trainer.callback_metrics.items() if k not in pl_module.retired}
        values = {k: round(float(v), 6) for k, v in now.items()}
        times = {"seconds": round(time.perf_counter() - self.start, 2), "data_share": round(self.timer.share, 4)}
        with self.path.open("a") as lines:
            lines.write(json.dumps({"step": pl_module.step, **times, **values}) + "\n")


class Validator(Callback):
    """Measures the weights that the run would leave now, at every so many steps and at the end.

    Nothing of the training moves: neither weights, statistics and modes nor a random state.
    """

    def __init__(self, path: Path, validation: Validation, timer: WaitTimer, averaged: Callable[[Any], Any]):
        """
        Args:
            path: The run's ``metrics.jsonl``, which gets a line.
            validation: What measures.
            timer: Is told how long it took.
            averaged: Takes the trained module to the one whose weights count.
        """
        self.path, self.validation, self.timer, self.averaged = path, validation, timer, averaged
        self.start = time.perf_counter()

    def on_train_batch_end(
        self, trainer: lightning.Trainer, pl_module: Any, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        if not (ends_step(trainer, batch_idx) and trainer.is_global_zero):
            return
        if pl_module.step % self.validation.every and pl_module.step != pl_module.max_steps:
            return
        started = time.perf_counter()
        values = self.validation.measure(self.averaged(pl_module), pl_module.step)
        self.timer.leave_out(time.perf_counter() - started)
        times = {"seconds": round(time.perf_counter() - self.start, 2), "cpu_seconds": round(time.process_time(), 2)}
        with self.path.open("a") as lines:
            lines.write(json.dumps({"step": pl_module.step, **times, **values}) + "\n")


def ends_step(trainer: lightning.Trainer, batch_idx: int) -> bool:
    """Whether this micro-batch is the last one of its step."""
    return (batch_idx + 1) % trainer.accumulate_grad_batches == 0


def _step_of(line: str) -> int:
    try:
        return int(json.loads(line)["step"])
    except (ValueError, KeyError):  # the last line of a killed run may be cut short
        return 1 << 62


class Progress(TQDMProgressBar):
    """One bar over all steps."""

    def __init__(self, description: str):
        super().__init__(refresh_rate=5)
        self.description = description

    def init_train_tqdm(self) -> Any:
        bar = super().init_train_tqdm()
        bar.set_description(self.description)
        return bar

    def on_train_start(self, trainer: lightning.Trainer, *args: Any) -> None:
        """Lightning names the total when an epoch starts; a run that goes on is in the midst of one."""
        super().on_train_start(trainer, *args)
        bar, parts = self.train_progress_bar, trainer.accumulate_grad_batches
        bar.reset(trainer.max_steps * parts)
        bar.initial = bar.n = trainer.global_step * parts

    def on_train_epoch_start(self, trainer: lightning.Trainer, *args: Any) -> None:
        super().on_train_epoch_start(trainer, *args)
        self.train_progress_bar.set_description(self.description)

    def get_metrics(self, *args: Any) -> dict[str, Any]:
        """What stands beside the bar; the logger's version is a folder's name here."""
        return {name: value for name, value in super().get_metrics(*args).items() if name != "v_num"}
