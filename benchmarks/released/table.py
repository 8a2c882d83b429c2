"""The released network at two margins of the crop, from stored evaluations, as a table in ``docs/model_card.md``.

    python benchmarks/released/table.py [FOLDER_OF_EVALUATION ...]

Evaluations that are named are stored in ``docs/numbers/released_margins.json`` first, by their margin.
"""

import json
import sys
from pathlib import Path
from typing import Any

from synth.common.files import written_atomically

DOCS = Path(__file__).resolve().parents[2] / "docs"
STORED, PAGE = DOCS / "numbers" / "released_margins.json", DOCS / "model_card.md"
START, END = "<!-- margins:start -->", "<!-- margins:end -->"
LEFT_OUT = ("per_joint", "freihand")
"""Parts of an evaluation that no table shows."""


def store(folders: list[Path]) -> None:
    """Keep the evaluations in these folders, each under the margin that it was made with."""
    kept = json.loads(STORED.read_text()) if STORED.exists() else {}
    for folder in folders:
        found = json.loads((folder / "metrics.json").read_text())
        margins = {numbers["crop_margin"] for numbers in found.values()}
        if len(margins) != 1:
            raise ValueError(f"{folder} holds evaluations at the margins {sorted(margins)}; give one margin a folder")
        rows = kept.setdefault(f"{margins.pop():g}", {})
        rows.update({name: _shown(numbers) for name, numbers in found.items()})
    with written_atomically(STORED) as partial:
        partial.write_text(json.dumps(kept, indent=1, sort_keys=True) + "\n")


def _shown(numbers: dict[str, Any]) -> dict[str, Any]:
    plain = {key: value for key, value in numbers.items() if key not in LEFT_OUT}
    return {key: _shown(value) if key == "given" else value for key, value in plain.items()}


def table(stored: dict[str, dict[str, Any]]) -> str:
    """One row for each set, and a column for each margin and distance."""
    margins = sorted(stored, key=float, reverse=True)
    distances = ("pck_box@0.1", "pck_box@0.2")
    columns = [(d, m) for d in distances for m in margins]
    heads = [f"{distance.removeprefix('pck_box')}, margin {margin}" for distance, margin in columns]
    lines = [f"| set | images, blocks | {' | '.join(heads)} |", "|" + "---|" * (2 + len(heads))]
    for name in sorted(stored[margins[0]], key=lambda name: (name == "renders", name)):
        numbers = stored[margins[0]][name]
        cells = [_interval(stored[margin][name], distance) for distance, margin in columns]
        lines.append(f"| `{name}` | {numbers['num_images']}, {numbers['num_blocks']} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _interval(numbers: dict[str, Any], key: str) -> str:
    low, high = numbers["interval_95"][key]
    return f"{numbers[key]:.3f} ({low:.3f} to {high:.3f})"


def main(folders: list[Path]) -> None:
    """Store what is given, and write the table between the markers."""
    if folders:
        store(folders)
    before, start, rest = PAGE.read_text().partition(START)
    _, end, after = rest.partition(END)
    if not (start and end):
        raise ValueError(f"{PAGE} lacks {START} or {END}; put both where the table belongs")
    with written_atomically(PAGE) as partial:
        partial.write_text(f"{before}{START}\n{table(json.loads(STORED.read_text()))}\n{END}{after}")


if __name__ == "__main__":
    main([Path(folder) for folder in sys.argv[1:]])
