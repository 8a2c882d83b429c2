"""The edge of the photo: crops around a hand reach beyond it, and what lies there is black or one colour."""

import numpy as np
from jaxtyping import Float

MARGIN_PX_SHARE = 0.03
"""The edge keeps this share of the image's side away from the joints."""


def sample_photo_edge(
    rng: np.random.Generator, joints_px: Float[np.ndarray, "21 2"], size_px: int, share: float
) -> tuple[int, int, int, int] | None:
    """Pixels beyond the photo at the top, bottom, left and right, or None when the photo fills the image.

    One to three sides end, never so that a joint that lies in the image is cut off.
    """
    if rng.random() >= share:
        return None
    inside = joints_px[((joints_px >= 0) & (joints_px <= size_px - 1)).all(1)]
    if len(inside) == 0:
        return None
    margin = MARGIN_PX_SHARE * size_px
    low, high = inside.min(0) - margin, size_px - 1 - inside.max(0) - margin
    room = np.clip([low[1], high[1], low[0], high[0]], 0, 0.33 * size_px)
    ends = rng.random(4) < np.array([0.45, 0.35, 0.45, 0.45])
    widths = (ends * room * rng.uniform(0.2, 1.0, size=4)).astype(int)
    return tuple(widths.tolist()) if widths.any() else None


def beyond_photo(edge: tuple[int, int, int, int], size_px: int) -> np.ndarray:
    """Mask of the pixels beyond the photo, size x size."""
    top, bottom, left, right = edge
    mask = np.ones((size_px, size_px), bool)
    mask[top : size_px - bottom, left : size_px - right] = False
    return mask
