"""Poses as a picture shows them, without place and size: joints as fractions of their box, of a right hand.

Two hands are near in this measure when they show the same gesture from the same side at the same roll.
"""

import numpy as np
from jaxtyping import Bool, Float

SMALLEST_SIDE = 1e-6
"""Side of a box of joints that all lie in one place."""


def box_poses(
    joints_px: Float[np.ndarray, "*n 21 2"], is_left: Bool[np.ndarray, "*n"] | bool = False
) -> Float[np.ndarray, "*n 21 2"]:
    """Joints about the centre of their tight box, in its longer sides; those of left hands are mirrored.

    Args:
        joints_px: Joints in the pixels of any picture.
        is_left: Which hands are left ones.
    """
    low, high = joints_px.min(-2, keepdims=True), joints_px.max(-2, keepdims=True)
    side = np.maximum((high - low).max(-1, keepdims=True), SMALLEST_SIDE)
    poses = (joints_px - (low + high) / 2) / side
    mirror = np.where(np.asarray(is_left)[..., None], -1.0, 1.0)
    return np.stack([poses[..., 0] * mirror, poses[..., 1]], -1).astype(np.float32)


def pose_distance(poses: Float[np.ndarray, "*n 21 2"], others: Float[np.ndarray, "*n 21 2"]) -> Float[np.ndarray, "*n"]:
    """Mean distance of the joints, in box sides."""
    return np.linalg.norm(poses - others, axis=-1).mean(-1)
