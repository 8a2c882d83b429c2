"""What a comparison is: its question, its rows, and what each of them sets. Read from ``tables/NAME.yaml``.

A row is a list of options of ``pretrain``, or a mapping: ``pretrain`` (such a list), ``stages`` (trainings one after
the other, each with its ``share`` of the seconds), ``generate`` (options of a dataset of its own), or ``commit`` and
``steps`` (the code of another commit for so many steps, whatever time they take).
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

import yaml

from synth.common.config import check

TABLES = Path(__file__).resolve().parent / "tables"
BASE = ("device=cpu", "threads=1", "loader_workers=1", "cache_gb=1")
"""Options of every training, unless the table says otherwise."""
SET_BY_COMPARE = ("data", "out", "seed", "init", "first_step", "max_steps", "overwrite")
NOT_TIMED = ("engine.accumulate", "engine.precision", "engine.compile", "engine.sync_batchnorm", "validation.every")
"""Options of ``pretrain`` that a row leaves alone: the steps that are timed know nothing of them."""
STEPS = re.compile(r"\bSTEPS/(\d+)\b")
"""In the value of an option: so many parts of the steps of its training."""
NAME = re.compile(r"[A-Za-z0-9][\w.-]*")


@dataclass(frozen=True)
class Stage:
    """One training of a row.

    Attributes:
        pretrain: Options of ``pretrain``, those of all rows among them; ``STEPS/5`` is a fifth of its steps.
        share: Its share of the row's seconds.
    """

    pretrain: tuple[str, ...]
    share: float = 1.0

    def options(self, steps: int) -> list[str]:
        """The options of a training of so many steps."""
        found = [STEPS.sub(lambda part: str(max(1, steps // int(part[1]))), option) for option in self.pretrain]
        return [*found, f"max_steps={steps}"]


@dataclass(frozen=True)
class Row:
    """One row.

    Attributes:
        name: Its name.
        stages: Its trainings, each but the first from the weights of the one before.
        change: What it sets beside what all rows set, in words for the table.
        generate: Options of ``generate`` in which its renders differ from the table's; empty: they are the table's.
        commit: Commit whose code trains; empty: this code.
        steps: Its steps, where they are not those that take the table's seconds.
    """

    name: str
    stages: tuple[Stage, ...]
    change: str = ""
    generate: tuple[str, ...] = ()
    commit: str = ""
    steps: int = 0

    def __post_init__(self) -> None:
        check(bool(NAME.fullmatch(self.name)), "rows", self.name, "named in letters, digits, _, - and dots")
        shares = [stage.share for stage in self.stages]
        legal = all(share > 0 for share in shares) and abs(sum(shares) - 1) < 1e-6
        check(legal, f"rows.{self.name}.stages", shares, "shares above 0 whose sum is 1")
        check(
            (self.steps > 0) == bool(self.commit),
            f"rows.{self.name}.steps",
            self.steps,
            "given with commit, and above 0",
        )
        check(not self.commit or len(shares) == 1, f"rows.{self.name}.stages", len(shares), "one with commit")
        for option in (option for stage in self.stages for option in stage.pretrain):
            key = key_of(option)
            check(key not in (*SET_BY_COMPARE, *NOT_TIMED), f"rows.{self.name}", key, "left out: compare sets it")


@dataclass(frozen=True)
class Table:
    """One comparison.

    Attributes:
        name: Its name.
        question: What it is to answer, in one line.
        baseline: Row that the others are compared with.
        rows: Its rows by name.
        seconds: Process time of a training on one core.
        seeds: Seeds of the trainings.
        sets: Further renders to measure on, by name: options of ``generate`` in which they differ from validation.
        parts: Rows that are shown in a table of their own, beside the baseline, by its name.
    """

    name: str
    question: str
    baseline: str
    rows: dict[str, Row]
    seconds: float = 600
    seeds: tuple[int, ...] = (0,)
    sets: dict[str, tuple[str, ...]] = field(default_factory=dict)
    parts: dict[str, tuple[str, ...]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        check(self.baseline in self.rows, "baseline", self.baseline, f"one of {', '.join(self.rows)}")
        check(self.seconds > 0, "seconds", self.seconds, "above 0")

        for part, names in self.parts.items():
            unknown = [name for name in names if name not in self.rows or name == self.baseline]
            check(not unknown, f"parts.{part}", unknown, "rows beside the baseline")

    @property
    def shown(self) -> dict[str, tuple[str, ...]]:
        """Rows of each table that is written: this one's without those of its parts, and the parts."""
        apart = {name for names in self.parts.values() for name in names}
        own = tuple(name for name in self.rows if name not in apart)
        return {self.name: own, **{part: (self.baseline, *names) for part, names in self.parts.items()}}

    def chosen(self, names: Sequence[str]) -> list[Row]:
        """The rows of these names in the table's order; all when there is no name.

        Raises:
            ValueError: for an unknown name.
        """
        for name in names:
            check(name in self.rows, "rows", name, f"one of {', '.join(self.rows)}")
        return [row for name, row in self.rows.items() if not names or name in names]


def read_table(name: str, folder: Path = TABLES) -> Table:
    """The table of that name.

    Raises:
        ValueError: when there is none, or its file does not hold a table.
    """
    path = folder / f"{name}.yaml"
    known = sorted(file.stem for file in folder.glob("*.yaml"))
    check(name in known, "TABLE", name, f"one of {', '.join(known)}")
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
        common = content.pop("pretrain", [])
        rows = {str(key): _row(str(key), common, given) for key, given in content.pop("rows").items()}
        sets = {key: tuple(options) for key, options in content.pop("sets", {}).items()}
        parts = {key: tuple(names) for key, names in content.pop("parts", {}).items()}
        seeds = tuple(content.pop("seeds", (0,)))
        return Table(name=name, rows=rows, sets=sets, parts=parts, seeds=seeds, **content)
    except (yaml.YAMLError, TypeError, KeyError, AttributeError) as error:
        raise ValueError(f"{path.name} does not hold a table of benchmarks/pretraining: {error}") from error


def merged(*parts: Iterable[str]) -> tuple[str, ...]:
    """Options of all parts; a later one takes the place of an earlier one with the same key."""
    return tuple({key_of(option): option for part in parts for option in part}.values())


def key_of(option: str) -> str:
    """The key of ``KEY=VALUE``."""
    return option.partition("=")[0]


def _row(name: str, common: Sequence[str], given: Any) -> Row:
    """A row as the file has it: a list of options, or a mapping."""
    given = {"pretrain": given or []} if not isinstance(given, Mapping) else dict(given)
    stages = given.pop("stages", [{"pretrain": given.pop("pretrain", [])}])
    generate = tuple(given.pop("generate", ()))
    unknown = given.keys() - {item.name for item in fields(Row)}
    check(not unknown, f"rows.{name}", ", ".join(sorted(unknown)), "pretrain, stages, generate, commit or steps")
    made = tuple(Stage(merged(BASE, common, s["pretrain"]), float(s.get("share", 1))) for s in stages)
    return Row(name, made, _change(stages, generate, given.get("commit", "")), generate, **given)


def _change(stages: Sequence[Mapping[str, Any]], generate: Sequence[str], commit: str) -> str:
    """What a row sets, in Markdown; empty where it sets nothing."""
    told = [" ".join(f"`{option}`" for option in stage["pretrain"]) for stage in stages]
    if len(stages) > 1:
        parts = zip(told, stages, strict=True)
        told = [", then ".join(f"{text or 'nothing'} for {100 * stage['share']:g} %" for text, stage in parts)]
    renders = " ".join(f"`{option}`" for option in generate)
    return "; ".join(part for part in (f"commit {commit[:7]}" * bool(commit), renders, *told) if part)
