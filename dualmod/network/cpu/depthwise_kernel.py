"""The weight's gradient of a depthwise convolution as a loop over places; compiled when it is first called."""

import numpy as np
from jaxtyping import Float

from synth.render.kernels.jit import kernel

PLACES = 4
"""Output places of a row that are taken at once: a tap's sums are then read and written once for all of them."""


def weight_gradient(
    maps: Float[np.ndarray, "batch in_height in_width channels"],
    gradient: Float[np.ndarray, "batch height width channels"],
    size: tuple[int, int],
    *,
    stride: tuple[int, int],
    padding: tuple[int, int],
) -> Float[np.ndarray, "channels 1 size_v size_u"]:
    """Gradient of the weight from the layer's input and the gradient of its output.

    Args:
        maps: Input, contiguous.
        gradient: Gradient of the output, contiguous.
        size: Height and width of the kernel.
        stride: Vertical and horizontal.
        padding: Rows and columns of zeros before the map; as many as the kernel needs follow it.
    """
    sums = np.zeros((*size, maps.shape[-1]), np.float32)
    _add_places(maps, gradient, stride, padding, sums)
    return np.ascontiguousarray(sums.transpose(2, 0, 1))[:, None]


@kernel
def _add_places(maps, gradient, stride, padding, sums):
    in_height, in_width = maps.shape[1:3]
    batch, height, width, channels = gradient.shape
    size_v, size_u = sums.shape[:2]
    for b in range(batch):
        for v in range(height):
            for i in range(size_v):
                row = v * stride[0] + i - padding[0]
                if row < 0 or row >= in_height:
                    continue
                for j in range(size_u):
                    shift, step = j - padding[1], stride[1]
                    first = max(0, -(shift // step))
                    last = min(width, (in_width - 1 - shift) // step + 1)
                    tap = sums[i, j]
                    whole = first + max(0, last - first) // PLACES * PLACES
                    for u in range(first, whole, PLACES):
                        start = u * step + shift
                        a0, g0 = maps[b, row, start], gradient[b, v, u]
                        a1, g1 = maps[b, row, start + step], gradient[b, v, u + 1]
                        a2, g2 = maps[b, row, start + 2 * step], gradient[b, v, u + 2]
                        a3, g3 = maps[b, row, start + 3 * step], gradient[b, v, u + 3]
                        for c in range(channels):
                            tap[c] += a0[c] * g0[c] + a1[c] * g1[c] + a2[c] * g2[c] + a3[c] * g3[c]
                    for u in range(whole, last):
                        a, g = maps[b, row, u * step + shift], gradient[b, v, u]
                        for c in range(channels):
                            tap[c] += a[c] * g[c]
