"""Which triangle is seen at each sample. Coverage is watertight: of two triangles with a common edge, a sample on or
beside that edge belongs to exactly one.

Each edge crosses a row of samples at one x, computed from its upper end in strict double precision, so both triangles
find the same number; a span runs from ceil(left) to ceil(right) - 1. There is no tolerance: with one, a sliver seen
edge-on paints samples far outside itself.
"""

import math

import numpy as np

from synth.render.kernels.geometry import NEAR_M
from synth.render.kernels.jit import exact_kernel, inlined

MIN_DOUBLE_AREA = 1e-12
"""In squared samples; a smaller triangle holds no sample and its depth gradient would overflow."""

LEVEL = 1e-30
"""In samples; an edge that rises by less has no slope that could be computed. So small that a triangle with two level
edges is below ``MIN_DOUBLE_AREA``: any other has an edge that bounds each side."""


@exact_kernel
def rasterise(points, faces, inverse_depth, face_ids):
    """Draw all triangles into a z-buffer; clockwise ones in the y-down picture face away and are culled.

    Args:
        points: Column, row and nearness of each vertex, verts x 3. Nearness is linear in the picture (1 / z, or height
            towards the light); triangles with a corner at nearness 0 are left to ``rasterise_clipped``.
        faces: Vertex ids, faces x 3.
        inverse_depth: Updated: nearness at each sample, 0 where empty.
        face_ids: Updated: the triangle at each sample.
    """
    chosen = np.empty(faces.shape[0], np.uint32)
    count = _select(points, faces, inverse_depth.shape[1], inverse_depth.shape[0], chosen)
    for k in range(count):
        i = chosen[k]
        _fill(points, faces[i, 0], faces[i, 1], faces[i, 2], i, inverse_depth, face_ids)


@exact_kernel
def _select(points, faces, width, height, chosen):
    """The faces that face the eye and whose box holds a sample; free of branches, as half would be mispredicted."""
    count = 0
    for i in range(faces.shape[0]):
        a, b, c = faces[i, 0], faces[i, 1], faces[i, 2]
        ax, ay, bx, by, cx, cy = points[a, 0], points[a, 1], points[b, 0], points[b, 1], points[c, 0], points[c, 1]
        double_area = (bx - ax) * (cy - ay) - (by - ay) * (cx - ax)
        columns = np.ceil(max(min(ax, bx, cx), 0.0)) < np.ceil(min(max(ax, bx, cx), width - 0.5))
        rows = np.ceil(max(min(ay, by, cy), 0.0)) < np.ceil(min(max(ay, by, cy), height - 0.5))
        in_front = min(points[a, 2], points[b, 2], points[c, 2]) > 0.0
        chosen[count] = i
        count += (double_area < -MIN_DOUBLE_AREA) & columns & rows & in_front
    return count


@exact_kernel
def rasterise_clipped(verts, points, faces, K, samples_per_side, inverse_depth, face_ids):
    """Draw the triangles that cross the near plane: what lies behind is cut off, which leaves one or two triangles."""
    cut, chosen = np.empty((4, 3)), np.empty(1, np.uint32)
    fan = np.array([[0, 1, 2], [0, 2, 3]], np.uint32)
    for i in range(faces.shape[0]):
        behind = 0
        for k in range(3):
            behind += points[faces[i, k], 2] == 0.0
        if behind == 0 or behind == 3:
            continue
        corners = 0
        for k in range(3):
            here, following = faces[i, k], faces[i, (k + 1) % 3]
            if points[here, 2] > 0.0:
                for j in range(3):
                    cut[corners, j] = points[here, j]
                corners += 1
            if (points[here, 2] > 0.0) != (points[following, 2] > 0.0):
                _cross_near(verts, points, here, following, K, samples_per_side, cut[corners])
                corners += 1
        for k in range(1, corners - 1):
            if _select(cut, fan[k - 1 : k], inverse_depth.shape[1], inverse_depth.shape[0], chosen):
                _fill(cut, 0, k, k + 1, i, inverse_depth, face_ids)


@exact_kernel
def _cross_near(verts, points, one, other, K, samples_per_side, point):
    """Where an edge meets the near plane; always computed from the end in front, so that neighbours agree."""
    front, back = (one, other) if points[one, 2] > 0.0 else (other, one)
    t = (verts[front, 2] - NEAR_M) / (verts[front, 2] - verts[back, 2])
    x = verts[front, 0] + t * (verts[back, 0] - verts[front, 0])
    y = verts[front, 1] + t * (verts[back, 1] - verts[front, 1])
    point[0] = ((K[0, 0] * x + K[0, 1] * y) / NEAR_M + K[0, 2] + 0.5) * samples_per_side - 0.5
    point[1] = (K[1, 1] * y / NEAR_M + K[1, 2] + 0.5) * samples_per_side - 0.5
    point[2] = 1.0 / NEAR_M


@inlined
def _fill(points, a, b, c, face, inverse_depth, face_ids):
    """Draw one triangle that turns counter-clockwise in the picture; on each row its span is bounded by all edges."""
    height, width = inverse_depth.shape
    ax, ay, aw = points[a, 0], points[a, 1], points[a, 2]
    bx, by, bw = points[b, 0], points[b, 1], points[b, 2]
    cx, cy, cw = points[c, 0], points[c, 1], points[c, 2]
    area_inverse = 1.0 / ((bx - ax) * (cy - ay) - (by - ay) * (cx - ax))
    grad_x = ((bw - aw) * (cy - ay) - (cw - aw) * (by - ay)) * area_inverse
    grad_y = ((cw - aw) * (bx - ax) - (bw - aw) * (cx - ax)) * area_inverse
    low, high, step = np.float32(min(aw, bw, cw)), np.float32(max(aw, bw, cw)), np.float32(grad_x)
    abx, aby, ab_slope, ab_left, ab_right = _edge(ax, ay, bx, by)
    bcx, bcy, bc_slope, bc_left, bc_right = _edge(bx, by, cx, cy)
    cax, cay, ca_slope, ca_left, ca_right = _edge(cx, cy, ax, ay)
    first_row = math.ceil(max(min(ay, by, cy), 0.0))
    stop_row = math.ceil(min(max(ay, by, cy), height - 0.5))
    for row in range(first_row, stop_row):
        ab = abx + (row - aby) * ab_slope
        bc = bcx + (row - bcy) * bc_slope
        ca = cax + (row - cay) * ca_slope
        start = max(max(ab + ab_left, bc + bc_left), ca + ca_left)
        stop = min(min(ab + ab_right, bc + bc_right), ca + ca_right)
        first = math.ceil(min(max(start, 0.0), width))
        end = math.ceil(min(max(stop, 0.0), width - 0.5))
        nearness = np.float32(aw + grad_x * (first - ax) + grad_y * (row - ay))
        y, x = np.uintp(row), np.uintp(first)
        for k in range(np.uintp(max(end - first, 0))):
            here = min(max(nearness + np.float32(k) * step, low), high)
            if here > inverse_depth[y, x + k]:
                inverse_depth[y, x + k] = here
                face_ids[y, x + k] = face


@inlined
def _edge(px, py, qx, qy):
    """Upper end and slope dx/dy of an edge, and what to add to a crossing so that it bounds the span on one side only.

    Inside lies to the right of an edge that runs down the picture and to the left of one that runs up; a level edge
    bounds nothing.
    """
    down = py < qy
    level = abs(py - qy) < LEVEL
    slope = 0.0 if level else (qx - px) / (qy - py)
    left = 0.0 if down and not level else -math.inf
    right = math.inf if down or level else 0.0
    return (px if down else qx), (py if down else qy), slope, left, right
