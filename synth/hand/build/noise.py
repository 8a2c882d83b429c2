"""Smooth noise in space: the same number at the same point of the hand, for any picture it is painted in."""

import itertools

import numpy as np
from jaxtyping import Float, Int

LATTICE = (73856093, 19349663, 83492791)
"""Primes of the spatial hash of Teschner et al. 2003."""
SEED_STEP, MIX, BITS_31, BITS_16 = 2654435761, 1274126177, 0x7FFFFFFF, 0xFFFF
FALL_OFF = 0.55


def value_noise(
    points: Float[np.ndarray, "*shape 3"], scale_m: float, seed: int, octaves: int = 1
) -> Float[np.ndarray, "*shape"]:
    """Noise in [-1, 1]: random values at the corners of cubes, smoothly mixed between them.

    Args:
        points: Metres.
        scale_m: Side of the cubes; each further octave halves it and adds 0.55 times as much.
        seed: Another seed is another noise.
        octaves: How many are added.
    """
    total, amplitude, amplitudes = np.zeros(points.shape[:-1]), 1.0, 0.0
    for octave in range(octaves):
        total += amplitude * (_one_octave(points / (scale_m * 0.5**octave), seed) - 0.5)
        amplitudes += amplitude
        amplitude *= FALL_OFF
    return total / amplitudes * 2


def _one_octave(cells: np.ndarray, seed: int) -> np.ndarray:
    corner = np.floor(cells).astype(np.int64)
    inside = cells - corner
    share = inside * inside * (3 - 2 * inside)
    mixed = np.zeros(cells.shape[:-1])
    for step in itertools.product((0, 1), repeat=3):
        weight = np.prod(np.where(step, share, 1 - share), axis=-1)
        mixed += weight * _random_at(corner + np.array(step), seed)
    return mixed


def _random_at(corner: Int[np.ndarray, "*shape 3"], seed: int) -> np.ndarray:
    """A number in [0, 1] for each corner of the lattice."""
    x, y, z = (corner[..., axis] * prime for axis, prime in enumerate(LATTICE))
    mixed = (x ^ y ^ z ^ (seed * SEED_STEP & 0xFFFFFFFF)) & BITS_31
    mixed = ((mixed ^ (mixed >> 13)) * MIX) & BITS_31
    return ((mixed ^ (mixed >> 16)) & BITS_16) / BITS_16
