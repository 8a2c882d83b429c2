"""Whether confidence tells right joints from wrong ones: a reliability diagram, and what trusting the surest gains."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float
from matplotlib.figure import Figure

from distill.report.figures import LEGEND_ROWS, Colours, plain, svg_uri

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


def calibration(judged: Judged) -> dict[str, float | dict[str, list[float]]]:
    """The numbers of ``transfer.json``: ``surest_half``, and both rows of ``reliability`` under ``tenths``."""
    confidence, right = reliability(judged)
    return {**surest_half(judged), "tenths": {"confidence": confidence.tolist(), "right": right.tolist()}}


@dataclass(frozen=True)
class TenthsRow:
    """A stage as the page shows it: for each tenth of its joints the mean confidence and the share of right ones."""

    label: str
    colour: str
    tenths: list[tuple[float, float]]


def tenths_table(judged: Mapping[str, Judged], colours: Colours) -> list[TenthsRow]:
    """A row for each stage."""
    rows = []
    for label, joints in judged.items():
        confidence, share = reliability(joints)
        rows.append(TenthsRow(label, colours[label], list(zip(confidence.tolist(), share.tolist(), strict=True))))
    return rows


def reliability_figure(judged: Mapping[str, Judged], colours: Colours) -> str:
    """Two lines for each stage: the share of right joints in tenths of the joints, by rank and by mean confidence.

    Confidence comes from the width of a heatmap and nothing has made a probability of it. So its rank is what tells
    right from wrong (left), and the distance from the diagonal says how far it is from a probability (right).

    Args:
        judged: Joints of all seeds of each stage.
        colours: Colour of each stage.
    """
    figure = Figure(figsize=(9, 3.2), layout="constrained")
    by_rank, by_confidence = figure.subplots(1, 2)
    by_confidence.plot([0, 1], [0, 1], color="#bbbbbb", linewidth=1, linestyle="--")
    for label, joints in judged.items():
        confidence, share = reliability(joints)
        style = {"marker": "o", "markersize": 3, "color": colours[label], "label": label}
        by_rank.plot(np.arange(1, len(share) + 1), share, **style)
        by_confidence.plot(confidence, share, **style)
    ylabel = f"share within {NEAR_BOX:g} box"
    by_rank.set(xlabel="tenth of the joints, least to most confident", ylabel=ylabel, ylim=(0, 1))
    by_rank.set_xticks(range(1, BINS + 1))
    by_confidence.set(xlabel="mean confidence of the tenth", ylabel=ylabel, xlim=(0, 1), ylim=(0, 1))
    for axes in (by_rank, by_confidence):
        plain(axes)
    figure.legend(*by_rank.get_legend_handles_labels(), **LEGEND_ROWS)
    return svg_uri(figure)
