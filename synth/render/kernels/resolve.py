"""From the z-buffer to the three images: which samples are shaded, and how they become pixels.

Depth and segmentation come from the sample at the pixel's centre alone. Colour is the mean over the covered
sub-samples, laid over the background by their share. A pixel whose sub-samples lie on one smooth surface is shaded
once; only at edges is every covered sub-sample shaded.
"""

import numpy as np

from synth.render.kernels.jit import inlined, kernel
from synth.render.kernels.shading import shade_block
from synth.render.kernels.surface import BLOCK, SURFACE_ROWS, surface_block

SRGB_STEPS = 4096

_SMOOTH_SLOPE = 4.0
"""Depth range over a pixel, in multiples of the pixel's own width on the surface, that still counts as one surface."""


@kernel
def resolve_centres(inverse_depth, face_ids, face_parts, samples_per_side, bounds, depth_m, segmentation):
    """Depth in metres and part id at the centre of each pixel within ``bounds``; 0 where there is no surface."""
    middle = samples_per_side // 2
    depth_m[:] = 0.0
    segmentation[:] = 0
    for y in range(bounds[1], bounds[3]):
        for x in range(bounds[0], bounds[2]):
            nearness = inverse_depth[y * samples_per_side + middle, x * samples_per_side + middle]
            if nearness > np.float32(0):
                depth_m[y, x] = np.float32(1) / nearness
                segmentation[y, x] = face_parts[face_ids[y * samples_per_side + middle, x * samples_per_side + middle]]


@kernel
def resolve_colour(
    inverse_depth, face_ids, samples_per_side, bounds, ray_matrix, mesh, skin, shadow, lighting,
    linear_of_srgb, srgb_of_linear, linear_rgb, coverage, rgb,
):  # fmt: skip
    """Shade and lay over the background, which ``rgb`` holds on entry.

    Args:
        ray_matrix: Inverse intrinsics: takes (u, v, 1) in pixels to the ray (x, y, 1).
        linear_rgb: Scratch, height x width x 3.
        coverage: Scratch, height x width.
        rgb: sRGB background, updated to the image.
    """
    side, middle = samples_per_side, samples_per_side // 2
    smooth = np.float32(_SMOOTH_SLOPE * ray_matrix[0, 0])
    rays = np.empty((2, BLOCK), np.float32)
    weights = np.empty(BLOCK, np.float32)
    pixels = np.empty((2, BLOCK), np.uint32)
    faces = np.empty(BLOCK, np.uint32)
    rows = np.empty((SURFACE_ROWS, BLOCK), np.float32)
    radiance = np.empty((3, BLOCK), np.float32)
    column_low = np.empty(inverse_depth.shape[1], np.float32)
    column_high = np.empty(inverse_depth.shape[1], np.float32)
    count = 0
    for y in range(bounds[1], bounds[3]):
        _column_range(inverse_depth, side, y, bounds[0] * side, bounds[2] * side, column_low, column_high)
        for x in range(bounds[0], bounds[2]):
            covered, low, high = _survey(inverse_depth, side, x, y, column_low, column_high)
            coverage[y, x] = np.float32(covered) / np.float32(side * side)
            if covered == 0:
                continue
            for k in range(3):
                linear_rgb[y, x, k] = np.float32(0)
            centre = inverse_depth[y * side + middle, x * side + middle]
            once = centre > np.float32(0) and high - low < smooth * high
            first, last = (middle, middle + 1) if once else (0, side)
            if count + side * side > BLOCK:
                surface_block(count, rays, faces, mesh, skin, shadow, rows)
                shade_block(count, rows, lighting, radiance)
                _add(count, pixels, weights, radiance, linear_rgb)
                count = 0
            for j in range(first, last):
                for i in range(first, last):
                    if inverse_depth[y * side + j, x * side + i] > np.float32(0):
                        u, v = x + (i - middle) / side, y + (j - middle) / side
                        rays[0, count] = ray_matrix[0, 0] * u + ray_matrix[0, 1] * v + ray_matrix[0, 2]
                        rays[1, count] = ray_matrix[1, 1] * v + ray_matrix[1, 2]
                        faces[count] = face_ids[y * side + j, x * side + i]
                        weights[count] = np.float32(1) if once else np.float32(1) / np.float32(covered)
                        pixels[0, count], pixels[1, count] = x, y
                        count += 1
    surface_block(count, rays, faces, mesh, skin, shadow, rows)
    shade_block(count, rows, lighting, radiance)
    _add(count, pixels, weights, radiance, linear_rgb)
    _composite(bounds, linear_rgb, coverage, linear_of_srgb, srgb_of_linear, rgb)


@kernel
def _column_range(inverse_depth, side, y, first, last, column_low, column_high):
    """Range of inverse depth over the ``side`` sub-samples above each other, for one row of pixels."""
    low, high = column_low[first:last], column_high[first:last]
    low[:] = high[:] = inverse_depth[y * side, first:last]
    for j in range(1, side):
        row = inverse_depth[y * side + j, first:last]
        for i in range(last - first):
            nearness = row[i]
            low[i] = nearness if nearness < low[i] else low[i]
            high[i] = nearness if nearness > high[i] else high[i]


@inlined
def _survey(inverse_depth, side, x, y, column_low, column_high):
    """Number of covered sub-samples of a pixel, and the range of their inverse depth."""
    low, high = column_low[x * side], column_high[x * side]
    for i in range(x * side + 1, (x + 1) * side):
        low, high = min(low, column_low[i]), max(high, column_high[i])
    covered = side * side
    if low <= np.float32(0) < high:
        covered, low = 0, high
        for j in range(side):
            for i in range(side):
                nearness = inverse_depth[y * side + j, x * side + i]
                if nearness > np.float32(0):
                    covered += 1
                    low = min(low, nearness)
    elif high <= np.float32(0):
        covered = 0
    return covered, low, high


@kernel
def _add(count, pixels, weights, radiance, linear_rgb):
    for s in range(count):
        for k in range(3):
            linear_rgb[pixels[1, s], pixels[0, s], k] += weights[s] * radiance[k, s]


@kernel
def _composite(bounds, linear_rgb, coverage, linear_of_srgb, srgb_of_linear, rgb):
    """Mix with the background in linear light and encode as sRGB."""
    one, top = np.float32(1), np.float32(SRGB_STEPS - 1)
    half = np.float32(0.5)
    for y in range(bounds[1], bounds[3]):
        for x in range(bounds[0], bounds[2]):
            share = coverage[y, x]
            if share > np.float32(0):
                for k in range(3):
                    value = linear_rgb[y, x, k] * share + linear_of_srgb[rgb[y, x, k]] * (one - share)
                    rgb[y, x, k] = srgb_of_linear[int(min(max(value, np.float32(0)), one) * top + half)]
