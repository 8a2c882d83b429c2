"""Figures of the transfer report as SVG in data URIs: PCK curves and errors by joint."""

import base64
import io
from collections.abc import Mapping
from typing import Any

import numpy as np
from jaxtyping import Float
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

from distill.report.compare import Errors
from synth.common.conventions import JOINT_NAMES, ROOT_JOINT

COLOURS = (
    "#9aa0a6", "#4c78a8", "#e0a030", "#2a9d5c", "#c2559b", "#7b5134", "#444444", "#d1495b", "#17a2b8", "#6a4fb3",
    "#a3b02a", "#f28e6b",
)  # fmt: skip
LEGEND_ROWS: Any = {"loc": "outside upper left", "ncols": 6, "frameon": False, "fontsize": 8}
"""A legend above the axes, so that ten stages hide no line."""
Colours = Mapping[str, str]
"""The colour of each stage, by its label."""
BOX_THRESHOLDS = np.linspace(0, 0.2, 41)
MM_THRESHOLDS = np.linspace(0, 50, 51)
STYLE: Any = {"svg.fonttype": "none", "font.family": "sans-serif", "font.size": 9, "svg.hashsalt": "handbridge"}


def stage_colour(place: int) -> str:
    """The colour of the stage with number ``place`` in every figure and table."""
    return COLOURS[place % len(COLOURS)]


def pck_curves(errors: dict[str, list[Errors]], colours: Colours) -> str:
    """PCK over the box and, with 3D labels, over millimetres: mean over the seeds, their range as a band.

    Args:
        errors: For each stage the errors of its seeds.
        colours: Colour of each stage.
    """
    in_3d = any(np.isfinite(e.mm).any() for seeds in errors.values() for e in seeds)
    figure = Figure(figsize=(9 if in_3d else 4.6, 3.2), layout="constrained")
    axes = figure.subplots(1, 2 if in_3d else 1, squeeze=False)[0]
    for label, seeds in errors.items():
        in_boxes = [pck(e.boxes[e.seen], BOX_THRESHOLDS) for e in seeds]
        _curve(axes[0], BOX_THRESHOLDS, np.stack(in_boxes), label, colours[label])
        if in_3d:
            in_mm = [pck(e.mm[np.isfinite(e.mm)], MM_THRESHOLDS) for e in seeds]
            _curve(axes[1], MM_THRESHOLDS, np.stack(in_mm), label, colours[label])
    axes[0].set(xlabel="threshold, box sides", ylabel="PCK", xlim=(0, 0.2), ylim=(0, 1))
    axes[0].set_xticks([0, 0.05, 0.1, 0.15, 0.2])
    if in_3d:
        axes[1].set(xlabel="threshold, mm (root on the truth)", ylabel="3D PCK", xlim=(0, 50), ylim=(0, 1))
    figure.legend(*axes[0].get_legend_handles_labels(), **(LEGEND_ROWS | {"ncols": 6 if in_3d else 3}))
    return svg_uri(figure)


def joint_bars(per_joint: dict[str, Float[np.ndarray, "21"]], unit: str, colours: Colours) -> str:
    """One bar for each joint and stage; joints without a value stay empty, and so does the root in root-relative 3D."""
    figure = Figure(figsize=(9, 2.9), layout="constrained")
    axes = figure.subplots()
    width = 0.8 / max(len(per_joint), 1)
    for place, (label, values) in enumerate(per_joint.items()):
        left = np.arange(len(values)) - 0.4 + (place + 0.5) * width
        axes.bar(left, np.nan_to_num(values), width, color=colours[label], label=label)
    names = [name.replace("_", " ") for name in JOINT_NAMES]
    if all(values[ROOT_JOINT] == 0 for values in per_joint.values()):
        names[ROOT_JOINT] += " (root)"
    axes.set_xticks(np.arange(len(names)), names, rotation=55, ha="right", fontsize=8)
    axes.set(ylabel=unit, xlim=(-0.6, len(names) - 0.4))
    figure.legend(*axes.get_legend_handles_labels(), **LEGEND_ROWS)
    plain(axes)
    return svg_uri(figure)


def pck(errors: np.ndarray, thresholds: np.ndarray) -> np.ndarray:
    """Share of errors at or under each threshold; NaN where there is none."""
    if not len(errors):
        return np.full(len(thresholds), np.nan)
    return np.searchsorted(np.sort(errors), thresholds, side="right") / len(errors)


def svg_uri(figure: Figure) -> str:
    """The figure as an SVG image in a data URI; the same figure gives the same text."""
    buffer = io.BytesIO()
    with rc_context(STYLE):
        FigureCanvasSVG(figure).print_svg(buffer, metadata={"Date": None})
    return "data:image/svg+xml;base64," + base64.b64encode(buffer.getvalue()).decode()


def _curve(axes: Axes, thresholds: np.ndarray, curves: np.ndarray, label: str, colour: str) -> None:
    axes.plot(thresholds, curves.mean(0), color=colour, label=label, linewidth=1.8)
    if len(curves) > 1:
        axes.fill_between(thresholds, curves.min(0), curves.max(0), color=colour, alpha=0.18, linewidth=0)
    plain(axes)


def plain(axes: Axes) -> None:
    """No frame at the top and the right, and faint lines to read heights by."""
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(True, axis="y", color="#e6e6e6", linewidth=0.7)
    axes.set_axisbelow(True)
