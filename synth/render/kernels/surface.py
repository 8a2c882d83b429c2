"""What the surface is like at each sample: where it is, how it faces, its colour, and how much light reaches it."""

import math
from typing import NamedTuple

import numpy as np

from synth.render.kernels.geometry import face_plane
from synth.render.kernels.jit import inlined, kernel
from synth.render.kernels.light_maps import lit_share

BLOCK = 256
"""Samples that are shaded together."""

NORMAL, TO_EYE, ALBEDO, OPENNESS, LIT, SURFACE_ROWS = 0, 3, 6, 9, 10, 11
"""Rows of a block of surface samples."""

_OFFSET_TEXELS = 1.5
_BIAS_TEXELS = 0.5


class Mesh(NamedTuple):
    """The mesh at one pose: vertices in metres (camera frame), packed vertex data, and the planes of the faces that
    were needed so far."""

    verts: np.ndarray
    faces: np.ndarray
    corner_uv: np.ndarray
    packed: np.ndarray
    planes: np.ndarray
    is_plane_ready: np.ndarray


class Skin(NamedTuple):
    """Texture as sRGB bytes, their linear values, the slopes of the relief and its strength."""

    texture: np.ndarray
    linear_of_srgb: np.ndarray
    relief: np.ndarray
    bump: np.float32


class ShadowMap(NamedTuple):
    """Height map of the first light, the matrix into it and the metres of one texel."""

    heights: np.ndarray
    matrix: np.ndarray
    texel_m: np.float32


@kernel
def surface_block(count, rays, face_ids, mesh, skin, shadow, rows):
    """Fill ``rows`` (SURFACE_ROWS x BLOCK) for ``count`` samples with rays (x, y, 1) on known faces."""
    one, zero, tiny = np.float32(1), np.float32(0), np.float32(1e-20)
    planes, packed, uv = mesh.planes, mesh.packed, mesh.corner_uv
    for s in range(count):
        f = face_ids[s]
        if mesh.is_plane_ready[f] == 0:
            face_plane(mesh.verts, mesh.faces, f, planes)
            mesh.is_plane_ready[f] = 1
        dx, dy = rays[0, s] - planes[f, 0], rays[1, s] - planes[f, 1]
        inverse = one / (one + planes[f, 8] * dx + planes[f, 9] * dy)
        wa = min(max((planes[f, 2] + planes[f, 3] * dx + planes[f, 4] * dy) * inverse, zero), one)
        wb = min(max((planes[f, 5] + planes[f, 6] * dx + planes[f, 7] * dy) * inverse, zero), one - wa)
        wc = one - wa - wb
        z = planes[f, 10] * inverse
        x, y = rays[0, s] * z, rays[1, s] * z
        a, b, c = mesh.faces[f, 0], mesh.faces[f, 1], mesh.faces[f, 2]
        nx = wa * packed[a, 0] + wb * packed[b, 0] + wc * packed[c, 0]
        ny = wa * packed[a, 1] + wb * packed[b, 1] + wc * packed[c, 1]
        nz = wa * packed[a, 2] + wb * packed[b, 2] + wc * packed[c, 2]
        scale = one / math.sqrt(nx * nx + ny * ny + nz * nz + tiny)
        nx, ny, nz = nx * scale, ny * scale, nz * scale
        u = wa * uv[f, 0] + wb * uv[f, 2] + wc * uv[f, 4]
        v = one - (wa * uv[f, 1] + wb * uv[f, 3] + wc * uv[f, 5])
        red, green, blue = _texel(skin.texture, skin.linear_of_srgb, u, v)
        rows[6, s] = red * (wa * packed[a, 3] + wb * packed[b, 3] + wc * packed[c, 3])
        rows[7, s] = green * (wa * packed[a, 4] + wb * packed[b, 4] + wc * packed[c, 4])
        rows[8, s] = blue * (wa * packed[a, 5] + wb * packed[b, 5] + wc * packed[c, 5])
        rows[9, s] = wa * packed[a, 6] + wb * packed[b, 6] + wc * packed[c, 6]
        rows[10, s] = _lit(shadow, x, y, z, nx, ny, nz)
        facing = -(nx * x + ny * y + nz * z) / math.sqrt(x * x + y * y + z * z)
        bump = skin.bump * min(max(facing + facing, zero), one)
        rows[0, s], rows[1, s], rows[2, s] = _bumped(skin.relief, bump, u, v, nx, ny, nz)
        rows[3, s], rows[4, s], rows[5, s] = -x, -y, -z


@inlined
def _lit(shadow, x, y, z, nx, ny, nz):
    """Share of the first light that reaches a point; the point is moved off the surface first."""
    m, offset = shadow.matrix, np.float32(_OFFSET_TEXELS) * shadow.texel_m
    x, y, z = x + offset * nx, y + offset * ny, z + offset * nz
    column = m[0, 0] * x + m[0, 1] * y + m[0, 2] * z + m[0, 3]
    row = m[1, 0] * x + m[1, 1] * y + m[1, 2] * z + m[1, 3]
    height = m[2, 0] * x + m[2, 1] * y + m[2, 2] * z + m[2, 3]
    return lit_share(shadow.heights, column, row, height + np.float32(_BIAS_TEXELS) * shadow.texel_m)


@inlined
def _floor(value):
    """Rounded down without the call into the C library that ``math.floor`` becomes; -1 gives -2, which is no matter
    where the remainder is used too."""
    return int(value) - int(value < np.float32(0))


@inlined
def _texel(texture, linear_of_srgb, u, v):
    """Bilinear texture lookup in linear light; v runs down, and the texture repeats."""
    half, one = np.float32(0.5), np.float32(1)
    side = texture.shape[0]
    column, row = u * np.float32(side) - half, v * np.float32(side) - half
    left, top = _floor(column), _floor(row)
    dx, dy = column - np.float32(left), row - np.float32(top)
    x0, x1 = np.uintp(left & (side - 1)), np.uintp((left + 1) & (side - 1))
    y0, y1 = np.uintp(top & (side - 1)), np.uintp((top + 1) & (side - 1))
    w00, w01, w10, w11 = (one - dx) * (one - dy), dx * (one - dy), (one - dx) * dy, dx * dy
    lut, t = linear_of_srgb, texture
    red = w00 * lut[t[y0, x0, 0]] + w01 * lut[t[y0, x1, 0]] + w10 * lut[t[y1, x0, 0]] + w11 * lut[t[y1, x1, 0]]
    green = w00 * lut[t[y0, x0, 1]] + w01 * lut[t[y0, x1, 1]] + w10 * lut[t[y1, x0, 1]] + w11 * lut[t[y1, x1, 1]]
    blue = w00 * lut[t[y0, x0, 2]] + w01 * lut[t[y0, x1, 2]] + w10 * lut[t[y1, x0, 2]] + w11 * lut[t[y1, x1, 2]]
    return red, green, blue


@inlined
def _bumped(relief, bump, u, v, nx, ny, nz):
    """The normal tilted by the slope of the relief, in the frame of Duff et al. 2017 (not of unit length).

    The caller weakens ``bump`` where the surface is seen at a grazing angle: there one pixel spans many pores.
    """
    if bump <= np.float32(0):
        return nx, ny, nz
    one = np.float32(1)
    side = relief.shape[0]
    x = np.uintp(_floor(u * np.float32(side)) & (side - 1))
    y = np.uintp(_floor(v * np.float32(side)) & (side - 1))
    slope_u, slope_v = relief[y, x, 0] * bump, relief[y, x, 1] * bump
    sign = one if nz >= np.float32(0) else -one
    a = -one / (sign + nz)
    b = nx * ny * a
    tilted_x = nx + slope_u * (one + sign * nx * nx * a) + slope_v * b
    tilted_y = ny + slope_u * sign * b + slope_v * (sign + ny * ny * a)
    tilted_z = nz - slope_u * sign * nx - slope_v * ny
    return tilted_x, tilted_y, tilted_z
