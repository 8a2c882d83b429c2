"""Geometry of equirectangular panoramas: which direction each pixel shows, and how much of the sphere it covers.

World frame: the middle of the panorama is +z, its right is +x, down is +y: the frame of a camera that looks there.
"""

import numpy as np
from jaxtyping import Float


def pixel_directions(height: int, width: int) -> Float[np.ndarray, "height width 3"]:
    """Unit vectors towards the pixel centres, world frame."""
    azimuth = ((np.arange(width) + 0.5) / width - 0.5) * 2 * np.pi
    elevation = (0.5 - (np.arange(height) + 0.5) / height) * np.pi
    level, rise = np.cos(elevation)[:, None], np.sin(elevation)[:, None]
    return np.stack([level * np.sin(azimuth), np.broadcast_to(-rise, (height, width)), level * np.cos(azimuth)], -1)


def pixel_solid_angles(height: int, width: int) -> Float[np.ndarray, "height 1"]:
    """Exact solid angle in steradians of each pixel of a row; they sum to 4 pi over all pixels."""
    edges = (0.5 - np.arange(height + 1) / height) * np.pi
    return ((np.sin(edges[:-1]) - np.sin(edges[1:])) * 2 * np.pi / width)[:, None]


def pixels_of(directions: Float[np.ndarray, "*n 3"], height: int, width: int) -> Float[np.ndarray, "*n 2"]:
    """Column and row, not rounded, that show the directions; these need not have unit length.

    The centre of pixel (0, 0) is at column = row = 0; columns run from -0.5 to width - 0.5 and wrap.
    """
    x, y, z = directions[..., 0], directions[..., 1], directions[..., 2]
    azimuth, elevation = np.arctan2(x, z), np.arctan2(-y, np.hypot(x, z))
    column = (azimuth / (2 * np.pi) + 0.5) * width - 0.5
    row = (0.5 - elevation / np.pi) * height - 0.5
    return np.stack([column, row], -1)
