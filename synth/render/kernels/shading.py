"""How much light leaves the surface towards the eye. The formulas stand once, as scalar functions of one sample; the
block loop copies its rows into a local array first, because only then does the compiler turn it into SIMD code."""

import math
from typing import NamedTuple

import numpy as np

from synth.render.kernels.jit import inlined, kernel
from synth.render.kernels.surface import BLOCK, SURFACE_ROWS

WRAP = (0.35, 0.18, 0.12)
"""How far light wraps round the edge of the lit side in red, green and blue: blood lets red go farthest."""


class Lighting(NamedTuple):
    """Lights and reflectance as single-precision arrays and numbers (``Lights`` and ``Material``)."""

    ambient_sh: np.ndarray
    directions: np.ndarray
    colours: np.ndarray
    roughness: np.float32
    specular: np.float32


@inlined
def irradiance(sh, channel, nx, ny, nz):
    """Ambient light from nine spherical harmonics (Ramamoorthi and Hanrahan 2001, Eq. 13, constants folded in)."""
    one, three, zero = np.float32(1), np.float32(3), np.float32(0)
    linear = sh[0, channel] + sh[1, channel] * ny + sh[2, channel] * nz + sh[3, channel] * nx
    mixed = sh[4, channel] * nx * ny + sh[5, channel] * ny * nz + sh[7, channel] * nx * nz
    squares = sh[6, channel] * (three * nz * nz - one) + sh[8, channel] * (nx * nx - ny * ny)
    return max(linear + mixed + squares, zero)


@inlined
def interreflected(openness, albedo):
    """Openness with the light that bounces inside a crease added (Jimenez et al. 2016, the multi-bounce fit)."""
    a = np.float32(2.0404) * albedo - np.float32(0.3324)
    b = np.float32(-4.7951) * albedo + np.float32(0.6417)
    c = np.float32(2.7552) * albedo + np.float32(0.6903)
    return max(openness, ((openness * a + b) * openness + c) * openness)


@inlined
def wrapped(cosine, wrap, lit):
    """Diffuse term that wraps round the terminator and leaks into shadow, both by ``wrap`` (d'Eon and Luebke 2007)."""
    one, half, zero = np.float32(1), np.float32(0.5), np.float32(0)
    reach = one + wrap
    return max(cosine + wrap, zero) / (reach * reach) * (lit + (one - lit) * half * wrap)


@inlined
def fresnel(f0, cosine):
    """Schlick 1994, Eq. 15."""
    rest = np.float32(1) - cosine
    square = rest * rest
    return f0 + (np.float32(1) - f0) * square * square * rest


@inlined
def mirrored_sky(f0, roughness, cosine):
    """Share of the sky that a rough surface mirrors; its rise at grazing angles weakens with roughness (a polynomial
    in the manner of Karis 2014)."""
    rest, smoothness = np.float32(1) - cosine, np.float32(1) - roughness
    square = rest * rest
    return f0 + smoothness * smoothness * smoothness * square * square * rest


@inlined
def highlight(nx, ny, nz, ex, ey, ez, lx, ly, lz, cos_eye, cos_light, roughness, f0):
    """GGX highlight times pi and the light's cosine (Walter et al. 2007; visibility as in Karis 2013)."""
    one, zero, tiny, quarter = np.float32(1), np.float32(0), np.float32(1e-12), np.float32(0.25)
    hx, hy, hz = lx + ex, ly + ey, lz + ez
    length2 = hx * hx + hy * hy + hz * hz + tiny
    along = nx * hx + ny * hy + nz * hz
    alpha = roughness * roughness
    alpha2 = alpha * alpha
    spread = along * along / length2 * (alpha2 - one) + one
    lit = max(cos_light, zero)
    k = alpha * np.float32(0.5)
    visible = quarter / ((lit * (one - k) + k) * (cos_eye * (one - k) + k))
    cos_half = (lx * hx + ly * hy + lz * hz) / math.sqrt(length2)
    return alpha2 / (spread * spread) * visible * fresnel(f0, max(cos_half, zero)) * lit


@kernel
def shade_block(count, rows, lighting, radiance):
    """Linear RGB, clipped at 1, of ``count`` surface samples.

    Args:
        rows: Surface samples, SURFACE_ROWS x BLOCK; normals and eye vectors need not have unit length.
        radiance: Written, 3 x BLOCK.
    """
    one, zero, tiny = np.float32(1), np.float32(0), np.float32(1e-20)
    sh, directions, colours = lighting.ambient_sh, lighting.directions, lighting.colours
    roughness, f0 = lighting.roughness, np.float32(0.08) * lighting.specular
    r = np.empty((SURFACE_ROWS, BLOCK), np.float32)
    diffuse = np.empty((3, BLOCK), np.float32)
    glossy = np.empty((3, BLOCK), np.float32)
    cos_eye = np.empty(BLOCK, np.float32)
    for k in range(SURFACE_ROWS):
        for s in range(count):
            r[k, s] = rows[k, s]
    for s in range(count):
        scale = one / math.sqrt(r[0, s] * r[0, s] + r[1, s] * r[1, s] + r[2, s] * r[2, s] + tiny)
        r[0, s], r[1, s], r[2, s] = r[0, s] * scale, r[1, s] * scale, r[2, s] * scale
        scale = one / math.sqrt(r[3, s] * r[3, s] + r[4, s] * r[4, s] + r[5, s] * r[5, s] + tiny)
        r[3, s], r[4, s], r[5, s] = r[3, s] * scale, r[4, s] * scale, r[5, s] * scale
        cos_eye[s] = max(r[0, s] * r[3, s] + r[1, s] * r[4, s] + r[2, s] * r[5, s], np.float32(0.05))
    for c in range(3):
        mean = sh[0, c]
        for s in range(count):
            ambient = irradiance(sh, c, r[0, s], r[1, s], r[2, s])
            diffuse[c, s] = ambient * interreflected(r[9, s], r[6 + c, s])
            glossy[c, s] = max(mean, zero) * mirrored_sky(f0, roughness, cos_eye[s]) * r[9, s]
    for light in range(3):
        lx, ly, lz = directions[light, 0], directions[light, 1], directions[light, 2]
        red, green, blue = colours[light, 0], colours[light, 1], colours[light, 2]
        if red + green + blue <= zero:
            continue
        row = 10 if light == 0 else 9
        for s in range(count):
            nx, ny, nz = r[0, s], r[1, s], r[2, s]
            cosine = nx * lx + ny * ly + nz * lz
            lit = r[row, s]
            diffuse[0, s] += red * wrapped(cosine, np.float32(WRAP[0]), lit)
            diffuse[1, s] += green * wrapped(cosine, np.float32(WRAP[1]), lit)
            diffuse[2, s] += blue * wrapped(cosine, np.float32(WRAP[2]), lit)
            shine = lit * highlight(
                nx, ny, nz, r[3, s], r[4, s], r[5, s], lx, ly, lz, cos_eye[s], cosine, roughness, f0
            )  # fmt: skip
            glossy[0, s] += red * shine
            glossy[1, s] += green * shine
            glossy[2, s] += blue * shine
    for c in range(3):
        for s in range(count):
            radiance[c, s] = min(r[6 + c, s] * diffuse[c, s] + glossy[c, s], one)
