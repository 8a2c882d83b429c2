"""Square windows over whole photos, as the boxes whose crops they are."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float


def window_boxes(size_px: Sequence[int], shares: Sequence[float], margin: float) -> Float[np.ndarray, "windows 4"]:
    """Boxes whose crops with ``margin`` are square windows over the whole photo.

    Args:
        size_px: Width and height of the photo.
        shares: Side of the windows in longer sides of the photo, one layer for each.
        margin: Side of a crop over the longer side of its box.
    """
    width, height = size_px
    layers = [share * max(width, height) for share in shares]
    boxes = [
        centred_box(np.array([x, y]), side / margin)
        for side in layers
        for y in _centres(height, side)
        for x in _centres(width, side)
    ]
    return np.stack(boxes)


def centred_box(centre_px: Float[np.ndarray, "2"], side_px: float) -> Float[np.ndarray, "4"]:
    """The square box about a point."""
    return np.concatenate([centre_px - side_px / 2, centre_px + side_px / 2])


def _centres(extent_px: int, side_px: float) -> Float[np.ndarray, "windows"]:
    """Centres of windows that reach from edge to edge of the photo and overlap by half or more."""
    if extent_px <= side_px:
        return np.array([(extent_px - 1) / 2])
    count = int(np.ceil((extent_px - side_px) / (side_px / 2) - 1e-9)) + 1
    return np.linspace(side_px / 2 - 0.5, extent_px - 0.5 - side_px / 2, count)
