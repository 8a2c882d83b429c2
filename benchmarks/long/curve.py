"""What a long training leaves in the repository: the curve of its validations, and its weights."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from safetensors import safe_open
from safetensors.numpy import save

from synth.common.files import written_atomically

TRUNK, DECAYED = "trunk", "decayed"
PATHS = ("data", "out", "init")
"""Options of ``pretrain`` that name places on one machine."""
Row = dict[str, Any]


def read_rows(path: Path) -> list[Row]:
    """The complete lines of a file of JSON lines; none where there is no file."""
    if not path.exists():
        return []
    return [row for line in path.read_text().splitlines() if (row := _row(line)) is not None]


def validations(metrics: Path) -> list[Row]:
    """The validations in a run's ``metrics.jsonl``."""
    return [row for row in read_rows(metrics) if "views" in row]


def add_rows(curve: Path, kind: str, rows: Iterable[Row], **notes: Any) -> list[Row]:
    """Append validations that the curve does not have yet; those that were added."""
    known = {(row["kind"], row["views"]) for row in read_rows(curve)}
    added = [
        {"kind": kind, **{key: value for key, value in row.items() if key != "step"}, **notes}
        for row in rows
        if (kind, row["views"]) not in known
    ]
    if added:
        with curve.open("a") as lines:
            lines.writelines(json.dumps(row) + "\n" for row in added)
    return added


def cpu_seconds_spent(trunk: Iterable[Row]) -> list[float]:
    """Process time of the trunk up to each of its rows; each process counts from its own start."""
    clocks = ("seconds", "cpu_seconds")
    total, before, found = 0.0, dict.fromkeys(clocks, 0.0), []
    for row in trunk:
        goes_on = all(row[clock] >= before[clock] for clock in clocks)
        total += row["cpu_seconds"] - goes_on * before["cpu_seconds"]
        before = row
        found.append(total)
    return found


def forget_after(curve: Path, views: int) -> None:
    """Leave out trunk rows beyond ``views``: the weights that had them are gone."""
    kept = [row for row in read_rows(curve) if row["kind"] != TRUNK or row["views"] <= views]
    if curve.exists():
        with written_atomically(curve) as partial:
            partial.write_text("".join(json.dumps(row) + "\n" for row in kept))


def notes_of(path: Path) -> dict[str, Any]:
    """What ``pretrain`` noted in a file of weights, read without torch.

    Raises:
        ValueError: when the file is damaged or holds no notes of a long training.
    """
    try:
        with safe_open(path, framework="numpy") as opened:
            notes = json.loads((opened.metadata() or {})["notes"])
        return {**notes, "step": int(notes["step"]), "views": int(notes["views"]), "commit": str(notes["commit"])}
    except Exception as error:
        raise ValueError(f"{path} holds no weights of a long training ({error}); delete or restore it") from error


def keep_weights(source: Path, target: Path) -> None:
    """Copy a file of weights without the paths of this machine; ``target`` is never half-written."""
    with safe_open(source, framework="numpy") as opened:
        metadata = dict(opened.metadata())
        tensors = {name: opened.get_tensor(name) for name in opened.keys()}  # noqa: SIM118 (it is no dict)
    notes = json.loads(metadata["notes"])
    config = {key: value for key, value in notes["config"].items() if key not in PATHS}
    config["validation"] = {key: value for key, value in notes["config"]["validation"].items() if key not in PATHS}
    metadata["notes"] = json.dumps({**notes, "config": config})
    with written_atomically(target) as partial:
        partial.write_bytes(save(tensors, metadata))


def _row(line: str) -> Row | None:
    try:
        return json.loads(line)
    except ValueError:  # the last line of a killed run may be cut short
        return None
