"""Which joints an image shows."""

import numpy as np
from jaxtyping import Bool, Float

JOINT_TOLERANCE_M = np.array(
    [
        0.028,
        0.023, 0.017, 0.013, 0.010,
        0.018, 0.013, 0.012, 0.011,
        0.023, 0.013, 0.012, 0.011,
        0.023, 0.013, 0.012, 0.011,
        0.018, 0.013, 0.012, 0.011,
    ]
)  # fmt: skip
"""How far behind the visible surface a joint may lie and still be seen, metres: joints are centres inside the flesh.

Each value is some 4 mm more than the flesh of a mean flat hand over the joint, seen on the palm or on the back.
"""


def visible_joints(
    joints_px: Float[np.ndarray, "21 2"],
    joints_depth_m: Float[np.ndarray, "21"],
    depth_m: Float[np.ndarray, "height width"],
) -> Bool[np.ndarray, "21"]:
    """Whether each joint lies in the image with no surface in front of it but its own flesh.

    Args:
        joints_px: Projected joints.
        joints_depth_m: Their z in metres.
        depth_m: Depth before the sensor; 0 where there is no surface.
    """
    height, width = depth_m.shape
    column, row = np.rint(joints_px[:, 0]).astype(int), np.rint(joints_px[:, 1]).astype(int)
    inside = (column >= 0) & (column < width) & (row >= 0) & (row < height)
    surface_m = depth_m[np.clip(row, 0, height - 1), np.clip(column, 0, width - 1)]
    hidden = (surface_m > 0) & (joints_depth_m - surface_m > JOINT_TOLERANCE_M)
    return inside & ~hidden
