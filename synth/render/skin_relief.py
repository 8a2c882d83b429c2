"""The fine relief of skin as a repeating map of slopes. It is made once, from a fixed seed, and belongs to the look of
the renderer, not to any one scene."""

import numpy as np
from jaxtyping import Float

RELIEF_SIDE = 512
_SEED = 20250305


def relief_slopes(side: int = RELIEF_SIDE) -> Float[np.ndarray, "side side 2"]:
    """Slopes along u and down v of a random height map: round pores and finer furrows, mixed, repeating at the border.

    Args:
        side: Texels along one side, a power of two.

    Returns:
        Slopes with standard deviation about 0.5, single precision.
    """
    rng = np.random.default_rng(_SEED)
    pores = _smoothed(rng.standard_normal((side, side)), 1.3, 1.3)
    furrows = _smoothed(rng.standard_normal((side, side)), 3.0, 0.8)
    height = pores / pores.std() + furrows / furrows.std()
    height /= height.std()
    along_u = 0.5 * (np.roll(height, -1, 1) - np.roll(height, 1, 1))
    down_v = 0.5 * (np.roll(height, -1, 0) - np.roll(height, 1, 0))
    return np.ascontiguousarray(np.stack([along_u, down_v], -1), np.float32)


def _smoothed(values: np.ndarray, sigma_u: float, sigma_v: float) -> np.ndarray:
    """Gaussian blur with wrap-around, as a product in the frequency domain."""
    frequency = np.fft.fftfreq(values.shape[0])
    response = np.exp(-2 * np.pi**2 * ((sigma_v * frequency[:, None]) ** 2 + (sigma_u * frequency[None, :]) ** 2))
    return np.fft.ifft2(np.fft.fft2(values) * response).real
