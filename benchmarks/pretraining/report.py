"""The results of a table as Markdown, between its markers in a page."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import mean, stdev
from typing import Any

from benchmarks.pretraining.renders import VALIDATION
from benchmarks.pretraining.results import Result
from benchmarks.pretraining.runs import Run
from benchmarks.pretraining.tables import Table
from distill.experiments.ablation_table import paired_difference
from synth.common.files import written_atomically

SORTED_BY = "pck_box@0.1"
BESIDE = ("pck_box@0.05", "pck_box@0.2")
Value = Callable[[Result], float]


@dataclass(frozen=True)
class Column:
    """A column of numbers; the others say how they are shown."""

    title: str
    value: Value
    factor: float = 1.0
    digits: int = 0
    has_spread: bool = True

    def cell(self, results: Sequence[Result]) -> str:
        """Mean, and standard deviation over the seeds where there are several."""
        values = [self.factor * self.value(result) for result in results]
        spread = f" ± {stdev(values):.{self.digits}f}" if len(values) > 1 and self.has_spread else ""
        return f"{mean(values):,.{self.digits}f}{spread}"


def markdown(table: Table, results: Sequence[Result], renders: Mapping[str, Any], notes: str) -> str:
    """The table: rows by PCK@0.1 with the side given, best first.

    Args:
        table: The comparison.
        results: One for each row and seed, all of the same sets.
        renders: What they were trained and measured on, by name.
        notes: Lines to stand below.
    """
    by_row: dict[str, list[Result]] = {}
    for result in sorted(results, key=lambda r: r["seed"]):
        by_row.setdefault(result["row"], []).append(result)
    headline = _measured(VALIDATION, "given", SORTED_BY)
    order = sorted(by_row, key=lambda name: -mean(headline(r) for r in by_row[name]))
    columns = _columns(results)
    base = {r["seed"]: headline(r) for r in by_row.get(table.baseline, [])}
    titles = [
        "row",
        "what it sets",
        "seeds",
        columns[0].title,
        f"against {table.baseline}",
        *(c.title for c in columns[1:]),
    ]
    lines = [table.question, "", f"| {' | '.join(titles)} |", "|" + "---|" * len(titles)]
    for name in order:
        own = by_row[name]
        against = "-" if name == table.baseline else _difference({r["seed"]: headline(r) for r in own}, base)
        cells = [f"`{name}`", table.rows[name].change or "-", str(len(own)), columns[0].cell(own), against]
        lines.append(f"| {' | '.join([*cells, *(column.cell(own) for column in columns[1:])])} |")
    return "\n".join([*lines, "", _legend(results, renders), "", notes])


def write_between_markers(page: Path, name: str, text: str) -> None:
    """Put a text between ``<!-- NAME:start -->`` and ``<!-- NAME:end -->`` of a page.

    Raises:
        ValueError: when a marker is missing.
    """
    start, end = f"<!-- {name}:start -->", f"<!-- {name}:end -->"
    before, found_start, rest = page.read_text(encoding="utf-8").partition(start)
    _, found_end, after = rest.partition(end)
    if not (found_start and found_end):
        raise ValueError(f"{page.name} lacks {start} or {end}; put both where the table belongs")
    with written_atomically(page) as partial:
        partial.write_text(f"{before}{start}\n{text}\n{end}{after}", encoding="utf-8")


def complete(results: Sequence[Result]) -> list[Result]:
    """Those that are measured on every set that any is."""
    names = {name for result in results for name in result["numbers"]}
    return [result for result in results if names <= result["numbers"].keys()]


def line(run: Run, result: Result) -> str:
    """A run in one line."""
    score = 100 * _measured(VALIDATION, "given", SORTED_BY)(result)
    spent = f"{result['cpu_seconds']:.0f} s of CPU"
    return f"{run.row.name}, seed {run.seed}: {spent}, PCK@0.1 with the side given {score:.1f}"


def _columns(results: Sequence[Result]) -> list[Column]:
    def points(title: str, name: str, side: str, metric: str) -> Column:
        return Column(title, _measured(name, side, metric), 100, 1)

    columns = [points("PCK@0.1", VALIDATION, "given", SORTED_BY)]
    columns += [points(f"@{metric.partition('@')[2]}", VALIDATION, "given", metric) for metric in BESIDE]
    for name in results[0]["numbers"] if results else ():
        prefix = "" if name == VALIDATION else f"{name}: "
        columns += [] if name == VALIDATION else [points(f"{name}: @0.1", name, "given", SORTED_BY)]
        columns.append(points(f"{prefix}@0.1, side predicted", name, "predicted", SORTED_BY))
        columns.append(Column(f"{prefix}side right", lambda r, n=name: r["numbers"][n]["handedness_accuracy"], 100, 1))
    columns.append(Column("steps", lambda r: sum(r["steps"]), has_spread=False))
    columns.append(Column("ms a step", lambda r: r["ms"], has_spread=False))
    return [*columns, Column("CPU seconds", lambda r: r["cpu_seconds"])]


def _measured(name: str, side: str, metric: str) -> Value:
    return lambda result: result["numbers"][name][side][metric]


def _difference(own: Mapping[int, float], base: Mapping[int, float]) -> str:
    found = paired_difference(own, base)
    if found is None:
        return "-"
    text = f"{100 * found.mean:+.1f}" + ("" if found.half_width is None else f" ± {100 * found.half_width:.1f}")
    return f"**{text}**" if found.is_settled else text


def _legend(results: Sequence[Result], renders: Mapping[str, Any]) -> str:
    """What the numbers are."""
    images = ", ".join(f"{found['images']} of {name}" for name, found in results[0]["numbers"].items())
    data = renders["data"]
    told = f"{data['num_samples']:,} renders of seed {data['seed']}, generator version {data['generator_version']}"
    commits = ", ".join(sorted({result["commit"][:7] + "+" * result["commit"].endswith("+") for result in results}))
    return (
        f"`pck_box` in points, side given where nothing else is said; mean ± standard deviation over the seeds. The "
        f"difference is paired by seed, ± half of its 95 % interval (Student), bold where that leaves 0 out. Trained "
        f"on {told}; measured on {images}. Steps follow from step times that were fixed beforehand; CPU seconds are "
        f"what was spent, start and end of each training among them. Commit {commits}."
    )
