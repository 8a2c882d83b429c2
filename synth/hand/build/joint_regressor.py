"""Joints as weighted sums of a few vertices near them, so that they follow every change of shape."""

import numpy as np
from jaxtyping import Bool, Float
from scipy.optimize import nnls

from synth.common.conventions import MANO_PARENTS
from synth.hand.build.shape_space import ShapeSpace

FITTED_BODIES = 220
NEAR_M, WRIST_NEAR_M = 0.016, 0.05
SUM_WEIGHT, SMALLNESS = 1e3, 3.0
"""Pull of the sum of weights to 1 and of each weight to 0, against errors in millimetres."""
SMALLEST_WEIGHT = 1e-3


def joint_regressor(space: ShapeSpace, rng: np.random.Generator) -> Float[np.ndarray, "16 verts"]:
    """Non-negative weights, each row with sum 1, fitted on the hands of the shape space."""
    hands = space.hands
    bodies = rng.choice(len(hands.verts), min(FITTED_BODIES, len(hands.verts)), replace=False)
    regressor = np.zeros((16, len(space.v_template)))
    for joint in range(16):
        near = np.flatnonzero(_near_vertices(space, joint))
        points_mm = 1e3 * hands.verts[bodies][:, near].transpose(0, 2, 1).reshape(-1, len(near))
        rows = [points_mm, np.full((1, len(near)), SUM_WEIGHT), SMALLNESS * np.eye(len(near))]
        wanted = [1e3 * hands.joints[bodies, joint].ravel(), [SUM_WEIGHT], np.zeros(len(near))]
        weights, _ = nnls(np.concatenate(rows), np.concatenate(wanted))
        weights[weights < SMALLEST_WEIGHT] = 0
        regressor[joint, near] = weights / weights.sum()
    return regressor


def _near_vertices(space: ShapeSpace, joint: int) -> Bool[np.ndarray, "verts"]:
    """Vertices about the joint: those that bend with it, or lie near."""
    hands = space.hands
    away_m = np.linalg.norm(space.v_template - hands.joints[:, joint].mean(0), axis=1)
    if joint == 0:
        near = (away_m < WRIST_NEAR_M) & (hands.weights[:, 0] > 0.9) & ~hands.pinned
    else:
        bends = (hands.weights[:, joint] > 0.05) & (hands.weights[:, MANO_PARENTS[joint]] > 0.05)
        near = bends | (away_m < NEAR_M)
    return near if near.sum() >= 12 else away_m <= np.sort(away_m)[39]
