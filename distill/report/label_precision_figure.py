"""The figure of ``label-precision``: what corrections change, and what gates gain for the share that they keep."""

import io
from collections.abc import Mapping

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from distill.report.figures import stage_colour


def precision_figure(found: Mapping[str, dict], within: float) -> bytes:
    """A PNG with a row for each set.

    Args:
        found: What ``distill.label_precision.summary`` says of each set.
        within: Distance at which a joint counts as right, in box sides.
    """
    figure = Figure(figsize=(11, 3.2 * len(found)), layout="constrained", dpi=110)
    FigureCanvasAgg(figure)
    rows = figure.subplots(len(found), 2, squeeze=False, width_ratios=(1, 1.5))
    gates = list(dict.fromkeys(gate for summary in found.values() for gate in summary["gates"]))
    for (name, summary), (bars, curves) in zip(found.items(), rows, strict=True):
        steps = summary["corrections"]
        heights = [100 * value for value in steps.values()]
        drawn = bars.bar(range(len(steps)), heights, color=[stage_colour(k) for k in range(len(steps))])
        bars.bar_label(drawn, fmt="%.1f", fontsize=8)
        bars.set_xticks(range(len(steps)), list(steps), fontsize=8, rotation=35, ha="right")
        bars.set(
            ylabel=f"joints within {within:g} box, %", title=f"{name}: corrections, {summary['num_photos']} photos"
        )
        bars.set_ylim(0, max(heights) * 1.2 + 1)
        for gate, curve in summary["gates"].items():
            colour = stage_colour(gates.index(gate) + 1)
            curves.plot(
                100 * np.array(curve["kept_share"]), 100 * np.array(curve["precision"]), color=colour, label=gate
            )
            if "usual" in curve:
                curves.plot(100 * curve["usual_share"], 100 * curve["usual"], "o", color=colour)
        curves.axhline(heights[0], color="#9aa0a6", linewidth=0.8, linestyle="--")
        curves.set(xlabel="share of photos (joints) kept, %", ylabel="right among the kept, %", title=f"{name}: gates")
        curves.set_xlim(8, 101)
        curves.legend(frameon=False, fontsize=8, loc="upper left", bbox_to_anchor=(1.0, 1.0))
    image = io.BytesIO()
    figure.savefig(image, format="png", metadata={"Software": None})
    return image.getvalue()
