"""Ready-made noise: drawing millions of normals would cost more than rendering the image."""

import functools

import numpy as np
from jaxtyping import Float

TILE_PX = 1024
TILE_SEED = 20260101
GREY_SHARE = 0.64
"""Share of the variance that the three channels have in common: a camera's processing blurs the colour noise most."""


@functools.cache
def _tile() -> np.ndarray:
    rng = np.random.default_rng(TILE_SEED)
    grey = rng.standard_normal((TILE_PX, TILE_PX, 1), np.float32)
    colour = rng.standard_normal((TILE_PX, TILE_PX, 3), np.float32)
    return np.float32(GREY_SHARE**0.5) * grey + np.float32((1 - GREY_SHARE) ** 0.5) * colour


def noise_window(rng: np.random.Generator, height: int, width: int) -> Float[np.ndarray, "height width 3"]:
    """Standard normal values, correlated between the channels: a window at a random place of one fixed tile.

    Raises:
        ValueError: when the window is larger than the tile.
    """
    if max(height, width) > TILE_PX:
        raise ValueError(f"a noise window of {height} x {width} is larger than the tile of {TILE_PX}")
    top, left = rng.integers(TILE_PX - height + 1), rng.integers(TILE_PX - width + 1)
    return np.ascontiguousarray(_tile()[top : top + height, left : left + width])
