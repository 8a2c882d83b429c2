"""How long a step of each row takes, measured in one interleaved run; how many steps a row has follows from it.

Rule: all rows of a table have equal compute, fixed beforehand. Seconds that a training has taken are reported, and
decide nothing.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.pretraining.tables import Row, Stage
from synth.common.config import check
from synth.common.files import require_file, written_atomically


@dataclass(frozen=True)
class StageTime:
    """The step of one stage.

    Attributes:
        pretrain: The options that were timed.
        commit: Commit whose code was timed; empty: that of the file.
        ms: Process time of an average step, milliseconds: of the medians of its phases by their shares.
        phases: Median of each phase in milliseconds by its number, and its share of the steps.
        scaled: What ``ms`` was multiplied with, where the row was timed later beside the baseline.
    """

    pretrain: list[str]
    commit: str
    ms: float
    phases: dict[str, list[float]]
    scaled: float = 1.0

    def is_of(self, row: Row, stage: Stage) -> bool:
        """Whether it is the time of this stage as it is now."""
        return self.pretrain == list(stage.pretrain) and self.commit == row.commit


def beside_baseline(before: Mapping[str, Any], now: Mapping[str, Any], baseline: str) -> dict[str, Any]:
    """Add rows that were timed later to earlier times: what counts is how they compare with the baseline beside them.

    Args:
        before: Content of a file of times.
        now: Content of another one, with the baseline among its rows; rows of ``before`` give way to its rows.
        baseline: Name of the row that both have timed.

    Raises:
        ValueError: when the baseline of both is not the same.
    """
    old, new = (content["rows"].get(baseline, []) for content in (before, now))
    same = bool(old) and [s["pretrain"] for s in old] == [s["pretrain"] for s in new]
    check(same, "rows", baseline, "the baseline that was timed before; time all rows anew: stage=times without rows")
    factor = old[0]["ms"] / new[0]["ms"]
    added = {
        name: [{**s, "ms": round(factor * s["ms"], 3), "scaled": round(factor, 4)} for s in stages]
        for name, stages in now["rows"].items()
        if name != baseline
    }
    return {**before, "rows": {**before["rows"], **added}}


def read_times(path: Path) -> dict[str, list[StageTime]]:
    """The times of each row in a file.

    Raises:
        FileNotFoundError: when there is no such file.
        ValueError: when it holds no times.
    """
    try:
        rows = json.loads(require_file(path, "times").read_text(encoding="utf-8"))["rows"]
        return {name: [StageTime(**stage) for stage in stages] for name, stages in rows.items()}
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{path} holds no step times ({error}); measure them anew: stage=times") from error


def write_times(path: Path, times: Mapping[str, Any]) -> None:
    """Leave what ``timing.measure`` found in a file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with written_atomically(path) as partial:
        partial.write_text(json.dumps(times, indent=1) + "\n", encoding="utf-8")


def steps_of(row: Row, times: Mapping[str, Sequence[StageTime]], seconds: float) -> list[int]:
    """Steps of each stage of a row, so that it takes ``seconds``.

    Raises:
        ValueError: when the row was not timed, or is another one now.
    """
    found = times.get(row.name, ())
    if len(found) != len(row.stages) or not all(t.is_of(row, s) for t, s in zip(found, row.stages, strict=True)):
        state = "was timed with other options" if found else "has no step time"
        raise ValueError(f"row {row.name} {state}; time it on a quiet machine: stage=times rows={row.name}")
    if row.steps:
        return [row.steps]
    return [max(1, round(1000 * seconds * s.share / t.ms)) for s, t in zip(row.stages, found, strict=True)]
