"""Times the steps of rows in one interleaved run, each in a process with the code of its commit."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.pretraining.other_code import code_commit, environment, packages_of
from benchmarks.pretraining.step_times import StageTime
from benchmarks.pretraining.tables import Row, Table
from distill.experiments.provenance import hardware

WARM_UP = 3
"""Rounds that are not counted."""
TIMED_STEPS = 5000
"""Steps of the trainings whose first steps are timed; their schedule doesn't matter."""
STEPPER = Path(__file__).with_name("stepper.py")
Phase = tuple[str, int]
"""A stage of a row by its name, and one of its phases."""


class Stepper:
    """A process that makes steps with the code of one commit."""

    def __init__(self, packages: Path, rows: Mapping[str, Sequence[str]]):
        """
        Args:
            packages: Folder of ``dualmod``.
            rows: Options of ``pretrain`` by name.

        Raises:
            ValueError: when a row cannot be built.
        """
        self.process = subprocess.Popen(
            [sys.executable, str(STEPPER)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment(packages),
        )  # fmt: skip
        self.phases: dict[str, dict[int, float]] = {}
        found = self._ask(dict(rows))
        if "error" in found:
            self.close()
            raise ValueError(found["error"])
        self.phases = {name: {int(k): share for k, share in phases.items()} for name, phases in found.items()}

    def step(self, name: str, phase: int) -> float:
        """Process time of the next step, seconds."""
        return float(self._ask([name, phase]))

    def close(self) -> None:
        """End the process."""
        self.process.communicate()

    def __enter__(self) -> "Stepper":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _ask(self, question: Any) -> Any:
        assert self.process.stdin and self.process.stdout
        try:
            self.process.stdin.write(json.dumps(question) + "\n")
            self.process.stdin.flush()
        except BrokenPipeError:
            pass
        answer = self.process.stdout.readline()
        if not answer:
            raise ValueError(f"timing {question} ended its process with status {self.process.wait()}; see above")
        return json.loads(answer)


def measure(table: Table, rows: Sequence[Row], data: Callable[[Row], Path], rounds: int) -> dict[str, Any]:
    """The content of a file of times.

    Args:
        table: The table.
        rows: Rows to time.
        data: Takes a row to its renders.
        rounds: Steps that are timed of each phase of each row.

    Raises:
        ValueError: when a row cannot be built.
    """
    wanted: dict[str, dict[str, list[str]]] = {}
    for row in rows:
        for place, stage in enumerate(row.stages):
            options = [*stage.options(TIMED_STEPS), f"data={data(row)}"]
            wanted.setdefault(row.commit, {})[_stage_name(row, place)] = options
    load = os.getloadavg()[0]
    with ExitStack() as stack:
        steppers = {code: stack.enter_context(Stepper(packages_of(code), those)) for code, those in wanted.items()}
        of = {name: stepper for stepper in steppers.values() for name in stepper.phases}
        phases = [(name, phase) for name, stepper in of.items() for phase in stepper.phases[name]]
        seconds = interleaved(phases, lambda name, phase: of[name].step(name, phase), rounds)
        shares = {name: stepper.phases[name] for name, stepper in of.items()}
    return {
        "table": table.name,
        "date": time.strftime("%F %T"),
        "hardware": hardware(),
        "commit": code_commit(),
        "rounds": rounds,
        "load": [load, os.getloadavg()[0]],
        "rows": {
            row.name: [vars(_time(row, place, shares, seconds)) for place in range(len(row.stages))] for row in rows
        },
    }


def interleaved(
    phases: Sequence[Phase], step: Callable[[str, int], float], rounds: int, warm_up: int = WARM_UP
) -> dict[Phase, list[float]]:
    """Seconds of ``rounds`` steps of each phase: in every round one step of each, every other round backwards."""
    found: dict[Phase, list[float]] = {phase: [] for phase in phases}
    for number in range(warm_up + rounds):
        for phase in phases if number % 2 == 0 else reversed(phases):
            seconds = step(*phase)
            if number >= warm_up:
                found[phase].append(seconds)
    return found


def _time(
    row: Row, place: int, shares: Mapping[str, Mapping[int, float]], seconds: Mapping[Phase, Sequence[float]]
) -> StageTime:
    name = _stage_name(row, place)
    ms = {phase: 1000 * median(seconds[name, phase]) for phase in shares[name]}
    mean = sum(ms[phase] * share for phase, share in shares[name].items())
    phases = {str(phase): [round(ms[phase], 3), share] for phase, share in shares[name].items()}
    return StageTime(list(row.stages[place].pretrain), row.commit, round(mean, 3), phases)


def _stage_name(row: Row, place: int) -> str:
    """Name of a stage of a row."""
    return f"{row.name}/{place}"
