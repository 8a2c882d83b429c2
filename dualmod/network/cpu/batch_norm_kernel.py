"""Batch normalisation with a clamp after it, as loops over rows of channels; compiled when they are first called.

A row is one place of one image or, where the channels are few, ``group`` places one after the other. Sums are taken in
float32 over a block of rows that stays in the cache, and in float64 over the blocks.
"""

import numpy as np
from jaxtyping import Float

from synth.render.kernels.jit import kernel

BLOCK_VALUES = 65536
"""Values of a block: a quarter of a megabyte."""
Rows = Float[np.ndarray, "rows group*channels"]
Channel = Float[np.ndarray, "channels"]
Moments = Float[np.ndarray, "2 channels"]
"""Mean and biased variance of each channel, float64."""


@kernel
def find_moments(
    rows: Rows, group: int, moments: Moments, momentum: float, running_mean: Channel, running_variance: Channel
) -> None:
    """Mean and variance over all places, into ``moments`` and the running averages."""
    wide, channels = rows.shape[1], len(running_mean)
    mean, squares = np.zeros(wide), np.zeros(wide)
    _add_rows(rows, mean, squares)
    places = len(rows) * group
    for c in range(channels):
        whole, spread = 0.0, 0.0
        for start in range(0, wide, channels):
            whole += mean[start + c] / group
        for start in range(0, wide, channels):
            spread += squares[start + c] + len(rows) * (mean[start + c] - whole) ** 2
        moments[0, c], moments[1, c] = whole, spread / places
        running_mean[c] += momentum * (whole - running_mean[c])
        running_variance[c] += momentum * (spread / (places - 1) - running_variance[c])


@kernel
def _add_rows(rows: Rows, mean: Channel, squares: Channel) -> None:
    """Mean of each column, and sum of the squared distances from it, merged over blocks (Chan et al. 1983, Eq. 2.1)."""
    count, wide = rows.shape
    block = max(1, BLOCK_VALUES // wide)
    block_mean, block_squares = np.empty(wide, np.float32), np.empty(wide, np.float32)
    for start in range(0, count, block):
        stop = min(count, start + block)
        block_mean[:], block_squares[:] = 0, 0
        for r in range(start, stop):
            row = rows[r]
            for c in range(wide):
                block_mean[c] += row[c]
        for c in range(wide):
            block_mean[c] /= np.float32(stop - start)
        for r in range(start, stop):
            row = rows[r]
            for c in range(wide):
                distance = row[c] - block_mean[c]
                block_squares[c] += distance * distance
        share = (stop - start) / stop
        for c in range(wide):
            apart = block_mean[c] - mean[c]
            mean[c] += apart * share
            squares[c] += block_squares[c] + apart * apart * share * start


@kernel
def _affine(moments: Moments, eps: float, weight: Channel, bias: Channel, wide: int) -> Float[np.ndarray, "3 wide"]:
    """Scale and shift that normalise, and the mean, of each column of a row."""
    found, channels = np.empty((3, wide), np.float32), len(weight)
    for c in range(channels):
        scale = weight[c] / np.sqrt(moments[1, c] + eps)
        for start in range(0, wide, channels):
            found[0, start + c] = scale
            found[1, start + c] = bias[c] - moments[0, c] * scale
            found[2, start + c] = moments[0, c]
    return found


@kernel
def normalise(
    rows: Rows, moments: Moments, eps: float, weight: Channel, bias: Channel,
    low: np.float32, high: np.float32, out: Rows,
) -> None:  # fmt: skip
    """Normalised rows between ``low`` and ``high``, into ``out``; what is not a number stays so."""
    found = _affine(moments, eps, weight, bias, rows.shape[1])
    _normalise_rows(rows, found[0], found[1], low, high, out)


@kernel
def _normalise_rows(
    rows: Rows, scale: Channel, shift: Channel, low: np.float32, high: np.float32, out: Rows
) -> None:  # fmt: skip
    """The loop of ``normalise``: in there the compiler does not unroll it, and it takes half as long again."""
    count, wide = rows.shape
    for r in range(count):
        row, of_out = rows[r], out[r]
        for c in range(wide):
            value = row[c] * scale[c] + shift[c]
            value = low if value < low else value
            of_out[c] = high if value > high else value


@kernel
def parameter_gradients(
    rows: Rows, gradient: Rows, moments: Moments, eps: float, weight: Channel, bias: Channel,
    low: np.float32, high: np.float32, of_weight: Channel, of_bias: Channel,
) -> None:  # fmt: skip
    """Gradients of weight and bias, from the gradient after the clamp."""
    wide, channels = rows.shape[1], len(weight)
    found = _affine(moments, eps, weight, bias, wide)
    scale, shift, mean = found[0], found[1], found[2]
    plain, moment = np.zeros(wide), np.zeros(wide)
    _add_gradients(rows, gradient, scale, shift, mean, low, high, plain, moment)
    for c in range(channels):
        total, total_moment = 0.0, 0.0
        for start in range(0, wide, channels):
            total += plain[start + c]
            total_moment += moment[start + c]
        of_bias[c] = total
        of_weight[c] = total_moment / np.sqrt(moments[1, c] + eps)


@kernel
def _add_gradients(
    rows: Rows, gradient: Rows, scale: Channel, shift: Channel, mean: Channel, low: np.float32, high: np.float32,
    plain: Channel, moment: Channel,
) -> None:  # fmt: skip
    """Add the gradient before the clamp, and that times the distance from ``mean``, of each column."""
    count, wide = rows.shape
    block = max(1, BLOCK_VALUES // wide)
    block_plain, block_moment = np.empty(wide, np.float32), np.empty(wide, np.float32)
    for start in range(0, count, block):
        block_plain[:], block_moment[:] = 0, 0
        for r in range(start, min(count, start + block)):
            row, of_row = rows[r], gradient[r]
            for c in range(wide):
                value = row[c] * scale[c] + shift[c]
                passed = np.float32(0) if value <= low or value >= high else of_row[c]
                block_plain[c] += passed
                block_moment[c] += passed * (row[c] - mean[c])
        for c in range(wide):
            plain[c] += block_plain[c]
            moment[c] += block_moment[c]


@kernel
def input_gradient(
    rows: Rows, gradient: Rows, moments: Moments, eps: float, weight: Channel, bias: Channel,
    low: np.float32, high: np.float32, of_weight: Channel, of_bias: Channel, places: int, out: Rows,
) -> None:  # fmt: skip
    """Gradient of the rows, into ``out`` (Ioffe and Szegedy 2015, section 3).

    Args:
        places: Places that the moments were found over; 0 when they were not found from these rows.
    """
    wide, channels = rows.shape[1], len(weight)
    found = _affine(moments, eps, weight, bias, wide)
    scale, shift, mean = found[0], found[1], found[2]
    offset, slope = np.zeros(wide, np.float32), np.zeros(wide, np.float32)
    if places:
        for start in range(0, wide, channels):
            for c in range(channels):
                offset[start + c] = scale[c] * of_bias[c] / places
                slope[start + c] = scale[c] * of_weight[c] / places / np.sqrt(moments[1, c] + eps)
    _gradient_rows(rows, gradient, scale, shift, mean, low, high, offset, slope, out)


@kernel
def _gradient_rows(
    rows: Rows, gradient: Rows, scale: Channel, shift: Channel, mean: Channel, low: np.float32, high: np.float32,
    offset: Channel, slope: Channel, out: Rows,
) -> None:  # fmt: skip
    """The gradient before the clamp times ``scale``, less ``offset`` and ``slope`` times the distance from ``mean``."""
    count, wide = rows.shape
    for r in range(count):
        row, of_row, of_out = rows[r], gradient[r], out[r]
        for c in range(wide):
            value = row[c] * scale[c] + shift[c]
            passed = np.float32(0) if value <= low or value >= high else of_row[c]
            of_out[c] = passed * scale[c] - offset[c] - slope[c] * (row[c] - mean[c])
