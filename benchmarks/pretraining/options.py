"""Options of ``compare``: ``TABLE KEY=VALUE ...``."""

from collections.abc import Sequence
from dataclasses import MISSING, dataclass, fields, replace
from pathlib import Path
from typing import Any

from benchmarks.pretraining.tables import TABLES
from synth.common.config import check, option

HERE = Path(__file__).resolve().parent
RENDERS = Path("runs/pretraining")
STAGES = ("", "times", "train", "table")


@dataclass(frozen=True)
class Options:
    """How a table is worked on."""

    table: str = option("", "name of a file in tables")
    seconds: float = option(0.0, "process time of a training on one core; 0: what the table says")
    seeds: tuple[int, ...] = option((), "seeds, with commas; none: the table's")
    rows: tuple[str, ...] = option((), "rows, with commas; none: all")
    data: Path = option(RENDERS / "renders", "dataset to train on")
    validation: Path = option(RENDERS / "validation", "dataset of another seed to measure on")
    out: Path = option(Path(), "folder of the trainings; none: runs/pretraining/TABLE")
    jobs: int = option(1, "trainings at a time")
    stage: str = option("", "times, train or table alone; none: all that is not there")
    rounds: int = option(15, "steps of each row that are timed")
    tables: Path = option(TABLES, "folder of the tables")
    results: Path = option(HERE / "results", "folder of the results and step times")
    page: Path = option(HERE.parents[1] / "docs" / "pretraining.md", "page with the markers of the table")

    def __post_init__(self) -> None:
        check(bool(self.table), "TABLE", self.table, "given first: compare TABLE KEY=VALUE ...")
        check(self.seconds >= 0, "seconds", self.seconds, "0 or more")
        check(all(seed >= 0 for seed in self.seeds), "seeds", self.seeds, "whole numbers from 0")
        check(self.jobs > 0, "jobs", self.jobs, "above 0")
        check(self.rounds > 0, "rounds", self.rounds, "above 0")
        check(self.stage in STAGES, "stage", self.stage, "times, train or table")


def read_options(arguments: Sequence[str]) -> Options:
    """The options of a command line.

    Raises:
        ValueError: for an unknown option, or a value that is not legal.
    """
    table, *given = arguments or [""]
    check("=" not in table, "TABLE", table, "given first: compare TABLE KEY=VALUE ...")
    defaults = {item.name: item.default for item in fields(Options) if item.default is not MISSING}
    values: dict[str, Any] = {}
    for argument in given:
        key, _, text = argument.partition("=")
        check(
            key in defaults and key != "table",
            "option",
            argument,
            f"one of {', '.join(k for k in defaults if k != 'table')}",
        )
        values[key] = _value(key, text, defaults[key])
    found = Options(table=table, **values)
    return found if found.out != Path() else replace(found, out=RENDERS / table)


def _value(key: str, text: str, default: Any) -> Any:
    """A text as the kind of value that the default is of."""
    kinds: dict[type, Any] = {int: int, float: float, str: str, Path: lambda t: Path(t).expanduser()}
    try:
        if isinstance(default, tuple):
            kind = int if key == "seeds" else str
            return tuple(kind(part) for part in text.split(",") if part)
        return next(make(text) for kind, make in kinds.items() if isinstance(default, kind))
    except ValueError:
        check(False, key, text, "whole numbers" if isinstance(default, tuple | int) else "a number")
