"""What a light at infinity sees: an orthographic z-buffer over the part of the mesh in view, and its lookups."""

import math

import numpy as np

from synth.render.kernels.jit import exact_kernel, inlined, kernel
from synth.render.kernels.zbuffer import rasterise

_MARGIN_TEXELS = 3.0
_VIEW_MARGIN = 0.25
"""How far outside the image, in image sides, a vertex still counts as in view: its shadow may fall into it."""


@kernel
def mark_in_view(points, columns, rows, in_view):
    """Flag the vertices that project into the widened image; a long forearm must not use up the texels."""
    for i in range(points.shape[0]):
        inside_x = -_VIEW_MARGIN * columns < points[i, 0] < (1.0 + _VIEW_MARGIN) * columns
        inside_y = -_VIEW_MARGIN * rows < points[i, 1] < (1.0 + _VIEW_MARGIN) * rows
        in_view[i] = points[i, 2] > 0.0 and inside_x and inside_y


@exact_kernel
def draw_light_map(verts, faces, in_view, direction, light_points, light_map, face_ids):
    """Draw the mesh as seen from a light at infinity.

    Args:
        direction: Unit vector towards the light.
        light_points: Written: column, row and height of each vertex in the map.
        light_map: Written: height at each texel, side x side, 0 where empty.
        face_ids: Scratch of the map's size.

    Returns:
        The 3 x 4 matrix from the camera frame to (column, row, height in metres), and the metres of one texel.
    """
    matrix, texel_m = _fit(verts, in_view, direction, light_map.shape[0])
    for i in range(verts.shape[0]):
        x, y, z = verts[i, 0], verts[i, 1], verts[i, 2]
        for k in range(3):
            light_points[i, k] = matrix[k, 0] * x + matrix[k, 1] * y + matrix[k, 2] * z + matrix[k, 3]
    light_map[:] = 0.0
    rasterise(light_points, faces, light_map, face_ids)
    return matrix, texel_m


@exact_kernel
def _fit(verts, in_view, direction, side):
    matrix = np.zeros((3, 4))
    _axes(direction, matrix)
    low, high = np.full(3, math.inf), np.full(3, -math.inf)
    for i in range(verts.shape[0]):
        if in_view[i]:
            for k in range(3):
                value = matrix[k, 0] * verts[i, 0] + matrix[k, 1] * verts[i, 1] + matrix[k, 2] * verts[i, 2]
                low[k], high[k] = min(low[k], value), max(high[k], value)
    if low[0] > high[0]:
        low[:], high[:] = 0.0, 1.0
    extent = max(high[0] - low[0], high[1] - low[1], 1e-6)
    texel_m = extent / (side - 2.0 * _MARGIN_TEXELS)
    for k in range(2):
        middle = 0.5 * (low[k] + high[k])
        matrix[k, 3] = -middle
        for j in range(4):
            matrix[k, j] /= texel_m
        matrix[k, 3] += 0.5 * (side - 1.0)
    matrix[2, 3] = 1.0 - low[2]
    return matrix, texel_m


@exact_kernel
def _axes(direction, matrix):
    """Rows x, y and the light's direction; x cross y points away from the light, as in a y-down picture."""
    lx, ly, lz = direction[0], direction[1], direction[2]
    if abs(ly) < 0.9:
        length = math.sqrt(lx * lx + lz * lz)
        matrix[0, 0], matrix[0, 1], matrix[0, 2] = lz / length, 0.0, -lx / length
    else:
        length = math.sqrt(ly * ly + lz * lz)
        matrix[0, 0], matrix[0, 1], matrix[0, 2] = 0.0, -lz / length, ly / length
    x, y, z = matrix[0, 0], matrix[0, 1], matrix[0, 2]
    matrix[1, 0], matrix[1, 1], matrix[1, 2] = y * lz - z * ly, z * lx - x * lz, x * ly - y * lx
    matrix[2, 0], matrix[2, 1], matrix[2, 2] = lx, ly, lz


@inlined
def lit_share(light_map, column, row, height):
    """Share of the texels around a point that leave it lit: a 4 x 4 tent of comparisons (percentage-closer filtering,
    Reeves et al. 1987), 1 outside the map."""
    zero, one, ninth = np.float32(0), np.float32(1), np.float32(1 / 9)
    last = np.float32(light_map.shape[0] - 2)
    if not (column >= one and row >= one and column < last and row < last):
        return one
    x, y = int(column), int(row)
    dx, dy = column - np.float32(x), row - np.float32(y)
    x0, x1, x2, x3 = np.uintp(x - 1), np.uintp(x), np.uintp(x + 1), np.uintp(x + 2)
    m, hidden = light_map, zero
    for j in range(4):
        k = np.uintp(y - 1 + j)
        weight = (one - dy) if j == 0 else (dy if j == 3 else one)
        middle = np.float32(m[k, x1] > height) + np.float32(m[k, x2] > height)
        ends = (one - dx) * np.float32(m[k, x0] > height) + dx * np.float32(m[k, x3] > height)
        hidden += weight * (middle + ends)
    return one - hidden * ninth
