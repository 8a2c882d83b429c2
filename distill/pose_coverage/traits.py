"""What a photograph's hand is like, by the prediction alone, and what the least covered ones have in common."""

from collections import Counter
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float

from distill.pose_coverage.pose_index import Neighbours
from distill.pose_coverage.predicted_poses import PredictedPoses
from distill.pose_coverage.renders import Renders
from synth.common.conventions import ROOT_JOINT, WRIST
from synth.dataset.statistics import palm_normal

FACING, ALONG = 0.5, 0.75
"""Shares of a unit vector along the line of sight: of the palm's normal, and of the direction from wrist to knuckles,
from which on a hand shows its palm or back, and points at or away from the camera."""
EDGE = 0.02
"""Box sides from the frame within which a joint counts as cut off."""
FEWEST = 5
"""Photographs of a kind that the page speaks of."""
Traits = dict[str, list[str]]
"""Of each trait by its name the value of every photograph."""


@dataclass(frozen=True)
class Share:
    """How often one value of one trait is seen.

    Attributes:
        trait: The trait.
        value: The value.
        count: Photographs that have it and whose views agree; they alone count in what follows.
        num_unclear: Photographs that have it and whose views differ.
        of_all: Share of all photographs.
        of_least: Share of the least covered ones.
        distance: Median distance; None of none.
    """

    trait: str
    value: str
    count: int
    num_unclear: int
    of_all: float
    of_least: float
    distance: float | None


def traits(predicted: PredictedPoses, near: Neighbours, renders: Renders) -> Traits:
    """All traits of all photographs.

    Args:
        predicted: The photographs.
        near: Their nearest renders.
        renders: The renders, which tell what the nearest ones were drawn as.
    """
    hands = predicted.lifted()
    return {
        "view": [view_of(hand) for hand in hands],
        "fingers point": [roll_of(pose) for pose in predicted.poses],
        "cut off at the frame": ["yes" if cut else "no" for cut in is_cut_off(predicted)],
        "hand": ["left" if left else "right" for left in predicted.is_left],
        "pose of the nearest renders": [most_frequent([renders.drawn_poses[r] for r in row]) for row in near.rows],
        "view of the nearest renders": [most_frequent([renders.drawn_views[r] for r in row]) for row in near.rows],
    }


def view_of(hand: Float[np.ndarray, "21 3"]) -> str:
    """From where a right hand in the camera frame is seen, in words."""
    along = hand[ROOT_JOINT] - hand[WRIST]
    along = along / max(float(np.linalg.norm(along)), 1e-9)
    if abs(along[2]) > ALONG:
        return "along the hand, fingers away" if along[2] > 0 else "along the hand, fingers near"
    facing = palm_normal(hand)[2]
    if abs(facing) < FACING:
        return "edge"
    return "palm" if facing < 0 else "back"


def roll_of(pose: Float[np.ndarray, "21 2"]) -> str:
    """Where the knuckles lie from the wrist in the picture of a right hand."""
    x, y = pose[ROOT_JOINT] - pose[WRIST]
    if abs(x) > abs(y):
        return "right (as a right hand)" if x > 0 else "left (as a right hand)"
    return "down" if y > 0 else "up"


def is_cut_off(predicted: PredictedPoses) -> Bool[np.ndarray, "photos"]:
    """Whether a joint lies outside of the photograph, or at its edge."""
    low, high = predicted.joints_px.min(1), predicted.joints_px.max(1)
    reach = EDGE * (high - low).max(1, keepdims=True)
    return ((low < reach - 0.5) | (high > predicted.sizes_px - 0.5 - reach)).any(1)


def most_frequent(values: list[str]) -> str:
    """The most frequent value, the first of several."""
    return Counter(values).most_common(1)[0][0]


def shares(
    found: Traits,
    distances: Float[np.ndarray, "photos"],
    is_clear: Bool[np.ndarray, "photos"],
    is_least: Bool[np.ndarray, "photos"],
) -> list[Share]:
    """Every value of every trait, those that the least covered have more often than others first.

    Args:
        found: Traits of the photographs.
        distances: Of each photograph.
        is_clear: Whose views agree.
        is_least: Which of these are the least covered.
    """
    rows = []
    for trait, values in found.items():
        column = np.array(values)
        for value in sorted(set(values)):
            has = column == value
            counted = has & is_clear
            count, of_least = int(counted.sum()), float(has[is_least].mean()) if is_least.any() else 0.0
            median = float(np.median(distances[counted])) if count else None
            of_all = count / max(1, int(is_clear.sum()))
            rows.append(Share(trait, value, count, int(has.sum()) - count, of_all, of_least, median))
    return sorted(rows, key=lambda row: row.of_all - row.of_least)


def in_words(rows: list[Share], most: int = 4) -> list[str]:
    """The values that mark the least covered most, one sentence each."""
    return [
        f"{row.trait}: {row.value} - {row.of_least:.0%} of the least covered quarter, {row.of_all:.0%} of all"
        for row in rows
        if row.of_least > row.of_all and row.count >= FEWEST
    ][:most]
