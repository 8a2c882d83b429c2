"""The curve of the long training as ``docs/training_curve.png``, and as a table with a fit in ``docs/training.md``.

python -m benchmarks.long.plot
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float
from matplotlib.figure import Figure
from scipy.optimize import minimize_scalar

from benchmarks.long.curve import DECAYED, TRUNK, Row, read_rows
from synth.common.files import written_atomically

HERE, DOCS = Path(__file__).resolve().parent, Path(__file__).resolve().parents[2] / "docs"
START, END = "<!-- long-training:start -->", "<!-- long-training:end -->"
FITTED = "validation_given_pck_box@0.1"
COLUMNS = {
    "validation_given_pck_box@0.05": "PCK@0.05",
    FITTED: "PCK@0.1",
    "validation_given_pck_box@0.2": "PCK@0.2",
    "validation_pck_box@0.1": "PCK@0.1, side predicted",
    "validation_given_epe_mm": "EPE, mm",
}
LEAST_ROWS = 4
"""Rows that a fit of three numbers needs."""


@dataclass(frozen=True)
class PowerLaw:
    """error = factor * views ** -exponent + floor."""

    factor: float
    exponent: float
    floor: float

    def __call__(self, views: Float[np.ndarray, "rows"]) -> Float[np.ndarray, "rows"]:
        return self.factor * views**-self.exponent + self.floor


def fit_power_law(views: Float[np.ndarray, "rows"], error: Float[np.ndarray, "rows"]) -> PowerLaw:
    """Least squares of log(error - floor) against log(views), with the floor whose residual in log(error) is least.

    Args:
        views: Samples seen, positive.
        error: Errors, positive.

    Raises:
        ValueError: when there are fewer rows than ``LEAST_ROWS``, or an error is not positive.
    """
    if len(views) < LEAST_ROWS or (error <= 0).any():
        raise ValueError(f"a fit needs {LEAST_ROWS} errors above 0; there are {len(views)}")

    def at(floor: float) -> PowerLaw:
        slope, offset = np.polyfit(np.log(views), np.log(error - floor), 1)
        return PowerLaw(float(np.exp(offset)), float(-slope), floor)

    def residual(floor: float) -> float:
        return float(np.square(np.log(at(floor)(views)) - np.log(error)).sum())

    bounds = (0.0, 0.999 * float(error.min()))
    best: Any = minimize_scalar(residual, bounds=bounds, method="bounded", options={"xatol": 1e-9})
    return min((at(float(best.x)), at(0.0)), key=lambda law: residual(law.floor))


def table(rows: Sequence[Row]) -> str:
    """The branches and the trunk where they leave it, and the trunk's last row; below it the fit to the trunk."""
    trunk, branches = _kind(rows, TRUNK), _kind(rows, DECAYED)
    left_at = {row["left_at"] for row in branches}
    shown = [row for row in trunk if row["views"] in left_at or row is trunk[-1]] + branches
    lines = [f"| views | rate | {' | '.join(COLUMNS.values())} |", "|" + "---|" * (2 + len(COLUMNS))]
    for row in sorted(shown, key=lambda row: row["views"]):
        rate = "constant" if row["kind"] == TRUNK else f"to zero from {row['left_at']:,}"
        values = " | ".join(f"{row[name]:.1f}" if name.endswith("_mm") else f"{row[name]:.3f}" for name in COLUMNS)
        lines.append(f"| {row['views']:,} | {rate} | {values} |")
    return "\n".join([*lines, "", _sentence(trunk)])


def _sentence(trunk: Sequence[Row]) -> str:
    if len(trunk) < LEAST_ROWS:
        return f"A fit needs {LEAST_ROWS} validations of the trunk; there are {len(trunk)}."
    law = fit_power_law(*_errors(trunk))
    return (
        f"Fit to the trunk's {len(trunk)} validations, least squares in log(error): 1 - PCK@0.1 (side given) = "
        f"{law.factor:.3g} views^-{law.exponent:.3f} + {law.floor:.4f}."
    )


def figure(rows: Sequence[Row]) -> Figure:
    """1 - PCK@0.1 against views, both logarithmic, with the fit to the trunk."""
    drawn = Figure(figsize=(7, 4.2), layout="constrained")
    axes = drawn.add_subplot(xscale="log", yscale="log", xlabel="views", ylabel="1 - PCK@0.1 on validation renders")
    for kind, mark, label in ((TRUNK, ".", "constant rate"), (DECAYED, "D", "decayed to zero")):
        if _kind(rows, kind):
            axes.plot(*_errors(_kind(rows, kind)), mark, label=label)
    trunk = _kind(rows, TRUNK)
    if len(trunk) >= LEAST_ROWS:
        views, errors = _errors(trunk)
        law, along = fit_power_law(views, errors), np.geomspace(views.min(), 2 * views.max(), 100)
        axes.plot(along, law(along), lw=1, label=f"{law.factor:.3g} views$^{{-{law.exponent:.3f}}}$ + {law.floor:.4f}")
    axes.grid(True, which="both", lw=0.3)
    axes.legend()
    return drawn


def write(curve: Path = HERE / "curve.jsonl", docs: Path = DOCS) -> None:
    """Write the picture, and the table between the markers of ``training.md``.

    Raises:
        ValueError: when there is no curve yet, or a marker is missing.
    """
    rows = read_rows(curve)
    if not rows:
        raise ValueError(f"{curve} holds no validation yet; make long-training makes them")
    page = docs / "training.md"
    before, start, rest = page.read_text().partition(START)
    _, end, after = rest.partition(END)
    if not (start and end):
        raise ValueError(f"{page} lacks {START} or {END}; put both where the table belongs")
    picture = "![Error on validation renders against views](training_curve.png)"
    with written_atomically(docs / "training_curve.png") as partial:
        figure(rows).savefig(partial, dpi=110)
    with written_atomically(page) as partial:
        partial.write_text(f"{before}{START}\n{table(rows)}\n\n{picture}\n{END}{after}")


def _kind(rows: Sequence[Row], kind: str) -> list[Row]:
    return [row for row in rows if row["kind"] == kind]


def _errors(rows: Sequence[Row]) -> tuple[np.ndarray, np.ndarray]:
    """Views, and 1 - PCK@0.1 with the side given."""
    return np.array([float(row["views"]) for row in rows]), 1 - np.array([row[FITTED] for row in rows])


if __name__ == "__main__":
    write()
