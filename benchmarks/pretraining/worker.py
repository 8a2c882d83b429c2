"""Takes runs from nothing to their results, several at a time and beside other sessions on the same folder."""

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from benchmarks.pretraining.other_code import code_commit
from benchmarks.pretraining.renders import open_sets
from benchmarks.pretraining.report import line
from benchmarks.pretraining.results import Results
from benchmarks.pretraining.runs import Run, Trainings, numbers
from benchmarks.pretraining.tables import Row
from distill.experiments.provenance import hardware
from dualmod.data.image_sets import LabelledImages


class Worker:
    """Takes a run from nothing to its result."""

    def __init__(self, out: Path, results: Results, data: Callable[[Row], Path]):
        """
        Args:
            out: Folder of the trainings.
            results: Where a result goes.
            data: Takes a row to its renders.
        """
        self.out, self.results, self.data = out, results, data
        self.trainings, self._measuring = Trainings(), threading.Lock()

    def work(self, runs: Sequence[Run], folders: Mapping[str, Path], made: Mapping[str, Any], jobs: int) -> list[str]:
        """Let ``jobs`` threads take the runs in their order; what went wrong.

        Args:
            runs: The runs.
            folders: Renders to measure on, by name.
            made: What tells these renders, and those that are trained on, from others.
            jobs: Runs at a time.
        """
        sets, failures = open_sets(folders) if runs else {}, []
        with ThreadPoolExecutor(jobs) as pool:
            futures = [pool.submit(self.one, run, sets, made) for run in runs]
            try:
                for future in as_completed(futures):
                    try:
                        print(future.result(), flush=True)
                    except (ValueError, OSError) as error:
                        failures.append(str(error))
            except BaseException:  # told to end: the trainings save the step that they are in
                pool.shutdown(wait=False, cancel_futures=True)
                self.trainings.stop()
                raise
        return failures

    def one(self, run: Run, sets: Mapping[str, LabelledImages], made: Mapping[str, Any]) -> str:
        """Train, measure and add it; what to print. A run that another session is at is left to that."""
        try:
            with FileLock(lock_file(self.out, f"{run.row.name}-{run.seed}"), blocking=False):
                if self.results.done(run, sets):
                    return f"{run.row.name}, seed {run.seed}: another session has done it"
                model = run.train(self.out, self.data(run.row), self.trainings)
                with self._measuring:
                    found = numbers(model, sets)
                told = {
                    "commit": run.row.commit or code_commit(),
                    "hardware": hardware(),
                    "date": time.strftime("%F %T"),
                }
                result = {"ms": run.ms, "cpu_seconds": run.cpu_seconds(self.out), **told, "numbers": found}
                self.results.add(run, result, made)
                return line(run, result)
        except Timeout:
            return f"{run.row.name}, seed {run.seed}: another session is at it"


def lock_file(out: Path, name: str) -> Path:
    """A file that one session on this folder holds."""
    folder = out / ".locks"
    folder.mkdir(parents=True, exist_ok=True)
    return folder / f"{name}.lock"
