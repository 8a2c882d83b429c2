"""A depth camera at load time: closeness as if the hand had been measured with it, at a distance drawn anew.

Sensor models work in metres and pixels of the camera. A crop has neither: it is taken for a hand of common size, so
many metres away that the crop shows about thirty centimetres.
"""

import numpy as np
from jaxtyping import Float

from dualmod.data.batch import CLOSENESS_RANGE, closeness
from synth.sensor import DepthView, sense_depth

BONE_M = 0.095
"""Length of an adult's reference bone, wrist to middle knuckle."""
DISTANCE_M = (0.3, 0.9)
CROP_M = 0.3
"""Width that a crop about a hand shows."""


def sense_closeness(
    near: Float[np.ndarray, "side side"], sensor: str, rng: np.random.Generator
) -> Float[np.ndarray, "side side"]:
    """Closeness of a crop as the depth camera ``sensor`` would have given it; 0 where it measures nothing.

    Args:
        near: True closeness (``batch.closeness``), 0 off the hand.
        sensor: One of ``synth.sensor.DEPTH_SENSORS``.
        rng: Source of all that is random.
    """
    root_m = rng.uniform(*DISTANCE_M)
    depth_m = np.where(near > 0, root_m + (0.5 - near) * CLOSENESS_RANGE * BONE_M, 0).astype(np.float32)
    focal_px = near.shape[0] * root_m / CROP_M
    return closeness(sense_depth(rng, DepthView(depth_m, focal_px), sensor), root_m, BONE_M)
