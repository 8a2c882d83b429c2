"""Ambient occlusion at the vertices: how much of the sky above each one the rest of the mesh leaves open."""

import numpy as np

from synth.render.kernels.jit import kernel
from synth.render.kernels.light_maps import draw_light_map

_OFFSET_TEXELS = 0.75
_BIAS_TEXELS = 0.35
_MAX_AWAY = 0.7
"""Cosine between ray and normal up to which a vertex may still be a corner of a face that is seen."""


@kernel
def vertex_occlusion(verts, normals, faces, in_view, directions, light_points, light_map, face_ids, openness):
    """Cosine-weighted share of ``directions`` that see each vertex, from one small light map for each direction.

    The point that is looked up stands a little off the surface, along the normal, so that a surface does not hide
    itself.

    Args:
        directions: Unit vectors spread over the whole sphere, directions x 3.
        openness: Written, one number for each vertex: 1 for a vertex with nothing in front, 0 for a closed one. A
            vertex that no visible pixel can belong to gets 1.
    """
    total = np.zeros(verts.shape[0])
    seen = np.zeros(verts.shape[0])
    needed = np.empty(verts.shape[0], np.uint32)
    count = _facing(verts, normals, in_view, needed)
    for d in range(directions.shape[0]):
        direction = directions[d]
        matrix, texel_m = draw_light_map(verts, faces, in_view, direction, light_points, light_map, face_ids)
        _look_up(matrix, texel_m, light_points, light_map, normals, needed[:count], total, seen)
    for i in range(verts.shape[0]):
        openness[i] = np.float32(seen[i] / total[i]) if total[i] > 0.0 else np.float32(1)


@kernel
def _facing(verts, normals, in_view, needed):
    """The vertices that a visible face may touch: in view, and turned away by no more than a face can bend."""
    count = 0
    for i in range(verts.shape[0]):
        x, y, z = verts[i, 0], verts[i, 1], verts[i, 2]
        away = normals[i, 0] * x + normals[i, 1] * y + normals[i, 2] * z
        if in_view[i] and away < _MAX_AWAY * np.sqrt(x * x + y * y + z * z):
            needed[count] = i
            count += 1
    return count


@kernel
def _look_up(matrix, texel_m, light_points, light_map, normals, needed, total, seen):
    """Add one direction: its cosine to ``total``, and the share of the four nearest texels left open to ``seen``."""
    offset, bias, last = _OFFSET_TEXELS * texel_m, _BIAS_TEXELS * texel_m, light_map.shape[0] - 1.0
    xx, xy, xz = matrix[0, 0] * offset, matrix[0, 1] * offset, matrix[0, 2] * offset
    yx, yy, yz = matrix[1, 0] * offset, matrix[1, 1] * offset, matrix[1, 2] * offset
    lx, ly, lz = matrix[2, 0], matrix[2, 1], matrix[2, 2]
    for i in needed:
        nx, ny, nz = normals[i, 0], normals[i, 1], normals[i, 2]
        cosine = nx * lx + ny * ly + nz * lz
        if cosine <= 0.0:
            continue
        column = light_points[i, 0] + xx * nx + xy * ny + xz * nz
        row = light_points[i, 1] + yx * nx + yy * ny + yz * nz
        height = light_points[i, 2] + offset * cosine + bias
        column, row = min(max(column, 0.0), last - 1e-6), min(max(row, 0.0), last - 1e-6)
        x, y = int(column), int(row)
        dx, dy = column - x, row - y
        x0, x1, y0, y1 = np.uintp(x), np.uintp(x + 1), np.uintp(y), np.uintp(y + 1)
        upper_left, upper_right = light_map[y0, x0] <= height, light_map[y0, x1] <= height
        lower_left, lower_right = light_map[y1, x0] <= height, light_map[y1, x1] <= height
        upper, lower = (1.0 - dx) * upper_left + dx * upper_right, (1.0 - dx) * lower_left + dx * lower_right
        total[i] += cosine
        seen[i] += cosine * ((1.0 - dy) * upper + dy * lower)
