"""Whether confidence tells right joints from wrong ones: a reliability diagram, and what trusting the surest gains."""

import numpy as np
from jaxtyping import Bool, Float
from matplotlib.figure import Figure

from distill.report.figures import stage_colour, svg_uri

BINS = 10
NEAR_BOX = 0.1
"""A joint is right when it is this near, in sides of the labelled box."""
Judged = tuple[Float[np.ndarray, "joints"], Bool[np.ndarray, "joints"]]
"""Confidence of joints, and whether each is right."""


def reliability(judged: Judged) -> tuple[Float[np.ndarray, "bins"], Float[np.ndarray, "bins"]]:
    """Mean confidence and share of right joints in bins of as many joints each, from the least sure to the surest."""
    confidence, right = judged
    order = np.argsort(confidence, kind="stable")
    parts = [part for part in np.array_split(order, BINS) if len(part)]
    return np.array([confidence[p].mean() for p in parts]), np.array([right[p].mean() for p in parts])


def surest_half(judged: Judged) -> dict[str, float]:
    """Share of right joints among all, and among the surer half."""
    confidence, right = judged
    order = np.argsort(-confidence, kind="stable")
    return {"right": float(right.mean()), "right_of_surest_half": float(right[order[: max(1, len(order) // 2)]].mean())}


def reliability_figure(judged: dict[str, Judged]) -> str:
    """A line for each stage: the share of right joints in tenths of the joints, from the least sure to the surest.

    Confidence comes from the width of a heatmap and is no probability, so that its rank is what can be read.

    Args:
        judged: Joints of all seeds of each stage.
    """
    figure = Figure(figsize=(4.6, 3.0), layout="constrained")
    axes = figure.subplots()
    for place, (label, joints) in enumerate(judged.items()):
        _, share = reliability(joints)
        tenths = np.arange(1, len(share) + 1)
        axes.plot(tenths, share, marker="o", markersize=3, color=stage_colour(place), label=label)
    axes.set(
        xlabel="tenth of the joints, least to most confident", ylabel=f"share within {NEAR_BOX:g} box", ylim=(0, 1)
    )
    axes.set_xticks(range(1, BINS + 1))
    axes.legend(frameon=False, fontsize=8, loc="lower right")
    return svg_uri(figure)
