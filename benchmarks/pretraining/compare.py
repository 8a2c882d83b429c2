"""Compare ways to pre-train at equal compute, by what a table in ``tables`` asks.

python -m benchmarks.pretraining.compare TABLE [KEY=VALUE ...]

It times the steps of all rows in one interleaved run, which fixes how many steps each has; trains every row with every
seed; measures them on renders; and writes the table. What is there already is not done again.
"""

import json
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

import torch
from filelock import FileLock

from benchmarks.pretraining import renders
from benchmarks.pretraining.options import Options, read_options
from benchmarks.pretraining.report import complete, markdown, write_between_markers
from benchmarks.pretraining.results import Results, of_runs
from benchmarks.pretraining.runs import Run
from benchmarks.pretraining.step_times import (
    StageTime,
    beside_baseline,
    read_times,
    steps_of,
    write_times,
)
from benchmarks.pretraining.tables import Row, Table, read_table
from benchmarks.pretraining.timing import measure
from benchmarks.pretraining.worker import Worker, lock_file
from synth.common.files import require_folder

QUIET_LOAD = 0.7
"""Processes that run, on the mean of the minute before, up to which step times can be trusted."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what is not done yet; 1 and one line for what a user can cause."""
    torch.set_num_threads(1)
    try:
        options = read_options(sys.argv[1:] if arguments is None else arguments)
        comparison = Comparison(options, read_table(options.table, options.tables))
        comparison.run()
    except (ValueError, OSError) as error:
        sys.stderr.write(f"compare: {' '.join(str(error).split())}\n")
        return 1
    return 0


class Comparison:
    """One table with the options of a command."""

    def __init__(self, options: Options, table: Table):
        """
        Raises:
            ValueError: when ``rows`` names a row that the table has not.
        """
        self.options, self.table = options, table
        self.rows = table.chosen(options.rows)
        self.seeds = options.seeds or table.seeds
        self.seconds = options.seconds or table.seconds
        self.results = Results(options.results / f"{table.name}.json", table.name)
        self.times_file = options.results / f"{table.name}.times.json"

    def run(self) -> None:
        """The stages that were asked for.

        Raises:
            FileNotFoundError: when renders are missing.
            ValueError: when an option, the times or the results don't fit, or a training failed.
        """
        stage = self.options.stage
        if stage != "table":
            require_folder(self.options.data, "data")
        if stage in ("", "train"):
            require_folder(self.options.validation, "validation")
        if stage == "times" or (not stage and not self.times_file.exists()):
            self.time_steps()
        if stage in ("", "train"):
            self.train()
        if stage in ("", "table"):
            self.write_table()

    def time_steps(self) -> None:
        """Time all rows anew or, where some are named, add these to what was timed before."""
        extends = bool(self.options.rows) and self.times_file.exists()
        rows = [row for name, row in self.table.rows.items() if row in self.rows or name == self.table.baseline]
        found = measure(self.table, rows, self.data, self.options.rounds)
        if found["load"][0] > QUIET_LOAD:
            print(f"the machine was not quiet (load {found['load'][0]:.1f} before): time again when it is", flush=True)
        if extends:
            found = beside_baseline(json.loads(self.times_file.read_text()), found, self.table.baseline)
        write_times(self.times_file, found)
        for name, stages in found["rows"].items():
            print(f"{name}: {' + '.join(format(stage['ms'], '.1f') for stage in stages)} ms a step", flush=True)

    def train(self) -> None:
        """Train and measure every run that has no result yet, seed by seed.

        Raises:
            ValueError: when some failed; the others are there.
        """
        times = read_times(self.times_file)
        runs = [run for seed in self.seeds for run in self._runs(times, self.rows, seed)]
        for run in runs:
            run.check_options()
        with self._making_renders():
            folders = renders.measured_on(self.table, self.options.validation, self.options.jobs)
        made = {name: renders.facts(folder) for name, folder in {"data": self.options.data, **folders}.items()}
        self.results.check_renders(made)
        waiting = [run for run in runs if not self.results.done(run, folders)]
        print(f"{len(runs) - len(waiting)} of {len(runs)} runs are there", flush=True)
        worker = Worker(self.options.out, self.results, self.data)
        failures = worker.work(waiting, folders, made, self.options.jobs)
        if failures:
            raise ValueError("; ".join(failures))

    def write_table(self) -> None:
        """Write the table between its markers, and print it.

        Raises:
            ValueError: when there is no result of the table as it is now.
        """
        times = read_times(self.times_file)
        found = self.results.read()
        rows = [row for row in self.table.rows.values() if row.name in times]
        runs = [run for seed in sorted({r["seed"] for r in found}) for run in self._runs(times, rows, seed)]
        kept = complete(of_runs(found, runs))
        if not kept:
            raise ValueError(
                f"{self.results.path.name} holds no result of the table as it is now; stage=train makes them"
            )
        seeds = tuple(sorted({result["seed"] for result in kept}))
        notes = self._notes(seeds, len(found) - len(kept))
        for name, shown in self.table.shown.items():
            of_rows = [result for result in kept if result["row"] in shown]
            if name != self.table.name and all(result["row"] == self.table.baseline for result in of_rows):
                continue  # nothing stands beside the baseline yet
            text = markdown(self.table, of_rows, self.results.renders(), notes)
            write_between_markers(self.options.page, name, text)
            print(text, flush=True)

    def _notes(self, seeds: tuple[int, ...], left_out: int) -> str:
        """The command, and what stands beside the numbers."""
        told = json.loads(self.times_file.read_text())
        machine = f"{told['hardware']}, commit {told['commit'][:7]}, {told['rounds']} rounds"
        outdated = f" {left_out} results of earlier options are left out." if left_out else ""
        command = f"python -m benchmarks.pretraining.compare {self.table.name}"
        given = f" seconds={self.options.seconds:g}" if self.options.seconds else ""
        given += f" seeds={','.join(map(str, seeds))}" if seeds != self.table.seeds else ""
        times = f"{self.seconds:.0f} s of one core for each training. Step times of {told['date'][:10]}: {machine}."
        return f"{times}{outdated}\n\n```sh\n{command}{given}\n```"

    def _runs(self, times: dict[str, list[StageTime]], rows: Sequence[Row], seed: int) -> list[Run]:
        found = []
        for row in rows:
            steps = steps_of(row, times, self.seconds)
            total = sum(n * time.ms for n, time in zip(steps, times[row.name], strict=True))
            found.append(Run(row, seed, tuple(steps), round(total / sum(steps), 2)))
        return found

    def data(self, row: Row) -> Path:
        """The renders that a row trains on, made when they are not there yet."""
        with self._making_renders():
            return renders.renders_of(row, self.options.data, self.options.jobs)

    def _making_renders(self) -> FileLock:
        return FileLock(lock_file(self.options.out, "renders"))


def _end(*_: object) -> None:
    raise SystemExit(128 + signal.SIGTERM)


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, _end)
    raise SystemExit(main())
