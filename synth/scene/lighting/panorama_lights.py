"""The brightest regions of a panorama as directional lights: nine harmonics show no lamp, and lamps cast shadows."""

from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Bool, Float

from synth.scene.arm.skin import LUMINANCE

MAX_LAMPS = 3
BRIGHT = 4.0
"""Radiance above this multiple of the mean over the sphere is a lamp's; what lies below stays ambient light."""
REACH_COS = np.cos(np.radians(20.0))
"""A lamp gathers what is bright within 20 degrees of its middle."""
MIN_SHARE = 0.05
"""A region that lights a surface facing it less than this share of the mean radiance is left in the ambient light."""
WINDOWS = 64
"""The search starts where a window of this fraction of the width holds the most energy."""
CENTRE_ROUNDS = 4


@dataclass(frozen=True)
class Lamps:
    """Directional lights, the strongest first; unused rows are black.

    Attributes:
        directions: Unit vectors towards them.
        colours: Linear RGB irradiance over pi on a surface that faces them.
    """

    directions: Float[np.ndarray, "3 3"]
    colours: Float[np.ndarray, "3 3"]


def split_lamps(
    radiance: Float[np.ndarray, "height width 3"],
    directions: Float[np.ndarray, "height width 3"],
    solid_angles: Float[np.ndarray, "height 1"],
) -> tuple[Lamps, Float[np.ndarray, "height width 3"]]:
    """Up to three lamps, and the radiance without them; both together light as much as before.

    Args:
        radiance: Linear RGB, at least 0.
        directions: Unit vectors of the pixels.
        solid_angles: Steradians of the pixels.
    """
    luminance = radiance @ LUMINANCE
    mean = float((luminance * solid_angles).sum() / (4 * np.pi))
    share = np.clip(1 - BRIGHT * mean / np.maximum(luminance, 1e-12), 0, 1)
    energy = luminance * share * solid_angles
    rest, found = radiance.copy(), []
    for _ in range(MAX_LAMPS):
        region = (directions @ _middle(energy, directions) > REACH_COS) & (energy > 0)
        power = ((share * solid_angles)[region][:, None] * radiance[region]).sum(0)
        if power @ LUMINANCE / np.pi < MIN_SHARE * mean:
            break
        found.append((_centroid(energy, directions, region), power / np.pi))
        rest[region] *= 1 - share[region][:, None]
        energy[region] = 0
    found.sort(key=lambda lamp: -float(lamp[1] @ LUMINANCE))
    found += [(np.array([0.0, -1.0, 0.0]), np.zeros(3))] * (MAX_LAMPS - len(found))
    return Lamps(*(np.stack(rows) for rows in zip(*found, strict=True))), rest


def _middle(energy: np.ndarray, directions: np.ndarray) -> np.ndarray:
    """The middle of the strongest region: from the window with the most energy to the centroid of what is around."""
    side = max(1, energy.shape[1] // WINDOWS)
    nearby = cv2.blur(energy, (side, side), borderType=cv2.BORDER_REFLECT)
    middle = directions[np.unravel_index(nearby.argmax(), nearby.shape)]
    for _ in range(CENTRE_ROUNDS if energy.any() else 0):
        middle = _centroid(energy, directions, directions @ middle > REACH_COS)
    return middle


def _centroid(energy: np.ndarray, directions: np.ndarray, region: Bool[np.ndarray, "height width"]) -> np.ndarray:
    total = (energy[region][:, None] * directions[region]).sum(0)
    return total / np.linalg.norm(total)
