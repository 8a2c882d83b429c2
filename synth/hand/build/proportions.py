"""Sizes: bone lengths towards published means, and the variation between people that the source lacks."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from synth.common.conventions import MANO_JOINT_NAMES
from synth.hand.build.cut import Hands
from synth.hand.build.rest_pose import TIP_FINGERS

SCALE = 0.93
"""Brings hand lengths to those of ANSUR (about 194 mm for men, 180 mm for women)."""
STRETCH = {
    "index": (1.13, 1.0, 0.86),
    "middle": (1.0, 0.95, 0.95),
    "little": (1.04, 1.05, 1.0),
    "ring": (1.0, 0.93, 1.0),
    "thumb": (1.0, 1.08, 0.92),
}
"""Of each segment, towards the means of Buryanov & Kotiuk 2010."""
FINGER_SIGMA, SEGMENT_SIGMA, GIRTH_SIGMA = 0.022, 0.012, 0.03
WIDTH_SIGMA, THICKNESS_SIGMA = 0.03, 0.035
WRIST_M = np.array([0.095, 0.006, 0.006])
"""Where the wrist joint lies, as in MANO: the origin is then near the middle finger's knuckle."""


def with_human_proportions(hands: Hands, rng: np.random.Generator) -> Hands:
    """Hands at rest with corrected segment lengths and random fingers, palms and thicknesses."""
    count = len(hands.verts)
    scaled = hands.moved(*(SCALE * points for points in (hands.verts, hands.joints, hands.tips)))
    for finger in ("index", "middle", "little", "ring", "thumb"):
        lengths = np.exp(rng.normal(0, FINGER_SIGMA, (count, 1))) * np.exp(rng.normal(0, SEGMENT_SIGMA, (count, 3)))
        girth = np.exp(rng.normal(0, GIRTH_SIGMA, count))
        scaled = stretched(scaled, finger, np.array(STRETCH[finger]) * lengths, girth)
    width, thickness = np.exp(rng.normal(0, WIDTH_SIGMA, count)), np.exp(rng.normal(0, THICKNESS_SIGMA, count))
    factors = np.stack([np.ones(count), thickness, width], axis=1)[:, None]
    shifts = WRIST_M - factors * scaled.joints[:, :1]
    return scaled.moved(*(factors * points + shifts for points in (scaled.verts, scaled.joints, scaled.tips)))


def stretched(
    hands: Hands, finger: str, factors: Float[np.ndarray, "bodies 3"], girth: Float[np.ndarray, "bodies"]
) -> Hands:
    """Hands with one finger's three segments ``factors`` as long and ``girth`` as thick; its base stays.

    Skinning weights hand over from one segment to the next. Girth sets in over the first segment, so that no step
    appears at the palm.
    """
    base, tip = MANO_JOINT_NAMES.index(f"{finger}1"), TIP_FINGERS.index(finger)
    points = np.concatenate([hands.joints[:, base : base + 3], hands.tips[:, tip : tip + 1]], axis=1)
    bones = _bones(points)
    added = np.zeros_like(hands.verts)
    shift = np.zeros((len(points), 3))
    for segment in range(3):
        weight = hands.weights[:, base + segment]
        direction = bones.directions[:, segment]
        offsets = hands.verts - points[:, segment, None]
        along = np.einsum("nvk,nk->nv", offsets, direction)
        around = offsets - along[..., None] * direction[:, None]
        held = np.where(along > 0, along, along * weight)  # what lies behind the joint is palm
        share = np.clip(along / bones.lengths[:, segment, None] + 0.2, 0, 1) if segment == 0 else np.ones_like(along)
        longer = ((factors[:, segment, None] - 1) * held)[..., None] * direction[:, None]
        thicker = ((girth[:, None] - 1) * share)[..., None] * around
        added += weight[:, None] * (shift[:, None] + longer + thicker)
        shift = shift + ((factors[:, segment] - 1) * bones.lengths[:, segment])[:, None] * direction
    moved = _with_lengths(points[:, 0], bones, factors)
    joints, tips = hands.joints.copy(), hands.tips.copy()
    joints[:, base + 1 : base + 3], tips[:, tip] = moved[:, 1:3], moved[:, 3]
    return hands.moved(hands.verts + added, joints, tips)


@dataclass(frozen=True, eq=False)
class _Bones:
    directions: Float[np.ndarray, "bodies 3 3"]
    lengths: Float[np.ndarray, "bodies 3"]


def _bones(points: Float[np.ndarray, "bodies 4 3"]) -> _Bones:
    bones = np.diff(points, axis=1)
    lengths = np.linalg.norm(bones, axis=2)
    return _Bones(bones / lengths[..., None], lengths)


def _with_lengths(start: np.ndarray, bones: _Bones, factors: np.ndarray) -> Float[np.ndarray, "bodies 4 3"]:
    steps = bones.directions * (bones.lengths * factors)[..., None]
    return np.concatenate([start[:, None], start[:, None] + np.cumsum(steps, axis=1)], axis=1)
