"""Views a second of one core in today's step of ``source_only`` and in that of an older commit, for docs/speed.md.

python -m benchmarks.pretraining.step_speed DATA      time the steps, keep the times, and write the table
python -m benchmarks.pretraining.step_speed           write the table from the times that are kept

DATA is a dataset made by ``generate``. All steps are timed in one interleaved run, each by the code of its commit.
"""

import json
import sys
from collections.abc import Sequence
from pathlib import Path

import torch

from benchmarks.pretraining.options import HERE
from benchmarks.pretraining.report import write_between_markers
from benchmarks.pretraining.step_times import write_times
from benchmarks.pretraining.tables import BASE, Row, Stage, Table, merged
from benchmarks.pretraining.timing import measure
from synth.common.files import require_folder

COMMIT = "668d95cdbb63097ebeb0cecdf4e313c925f11244"
COMMON = ("preset=laptop", "network=laptop", "method=source_only")
FIVE_STAGES = ("network.rgb.stages=5", "network.depth.stages=5")
VIEWS = 32
"""Rows of a step: as many samples today, half as many in two views then."""
ROWS = {
    f"commit {COMMIT[:7]}": ("older", COMMIT, ("batch_size=16",)),
    "today, that network (five stages)": ("five_stages", "", ("batch_size=32", *FIVE_STAGES)),
    "today, `network=laptop` (four stages)": ("laptop", "", ("batch_size=32",)),
}
TIMES, PAGE = HERE / "results" / "step_speed.times.json", HERE.parents[1] / "docs" / "speed.md"
ROUNDS = 25


def time_steps(data: Path) -> None:
    """Time the rows and keep their times.

    Raises:
        ValueError: when a step cannot be built.
    """
    rows = [_row(*spec) for spec in ROWS.values()]
    table = Table("step_speed", "", rows[0].name, {row.name: row for row in rows})
    write_times(TIMES, measure(table, rows, lambda row: data, ROUNDS))


def markdown() -> str:
    """The table from the times that are kept."""
    told = json.loads(TIMES.read_text(encoding="utf-8"))
    lines = ["| step of `source_only`, 96 px, 32 views, one core | ms | views a second | |", "|---|---|---|---|"]
    first = told["rows"]["older"][0]["ms"]
    for title, (name, *_) in ROWS.items():
        ms = told["rows"][name][0]["ms"]
        lines.append(f"| {title} | {ms:.0f} | {1000 * VIEWS / ms:.0f} | x {first / ms:.2f} |")
    machine = (
        f"{told['hardware']}, commit {told['commit'][:7]}, process time of one thread, medians of {told['rounds']}"
    )
    return "\n".join([*lines, "", f"Measured on {told['date'][:10]}: {machine} steps in one interleaved run."])


def main(arguments: Sequence[str] | None = None) -> int:
    """Time where a dataset is given, and write the table; 1 and one line for what a user can cause."""
    torch.set_num_threads(1)
    given = list(sys.argv[1:] if arguments is None else arguments)
    try:
        if given:
            time_steps(require_folder(Path(given[0]), "DATA"))
        write_between_markers(PAGE, "step", markdown())
    except (ValueError, OSError) as error:
        sys.stderr.write(f"step_speed: {' '.join(str(error).split())}\n")
        return 1
    return 0


def _row(name: str, commit: str, options: Sequence[str]) -> Row:
    return Row(name, (Stage(merged(BASE, COMMON, options)),), commit=commit, steps=bool(commit) * 1)


if __name__ == "__main__":
    raise SystemExit(main())
