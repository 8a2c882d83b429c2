"""Which triangle is seen at each pixel's centre, for a batch of meshes at once: tensors in, tensors out, on CPU or
CUDA, without compiled code of its own.

The coverage is that of ``kernels.zbuffer``, in the same double precision: each edge crosses a row of pixels at one x,
so that of two triangles with a common edge exactly one holds a pixel. Triangles are expanded to rows and rows to
pixels by ``repeat_interleave``; the nearest triangle wins by ``scatter_reduce`` over keys whose upper half is the
nearness. Colour is ``torch_renderer``'s.
"""

import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from synth.render.kernels.zbuffer import LEVEL
from synth.render.torch_backend.triangle_setup import Triangles, greatest, least, picked, triangles_in_view

MAX_ITEMS = 1 << 20
"""Triangles, rows or pixels that are held at once; one takes a few hundred bytes."""
_ID_BITS = 32
_LAST_ID = (1 << _ID_BITS) - 1


@dataclass(frozen=True)
class VisibleFaces:
    """What is seen at each pixel's centre.

    Attributes:
        face_ids: The triangle, -1 where there is none.
        depth_m: z in metres, 0 where there is no surface.
    """

    face_ids: Int[Tensor, "batch height width"]
    depth_m: Float[Tensor, "batch height width"]


def rasterise(
    verts_cam: Float[Tensor, "batch verts 3"],
    faces: Int[Tensor, "faces 3"],
    K: Float[Tensor, "batch 3 3"],
    height: int,
    width: int,
    *,
    max_items: int = MAX_ITEMS,
) -> VisibleFaces:
    """The nearest triangle at the centre of each pixel; clockwise ones in the y-down picture face away and are culled.

    What lies nearer than ``NEAR_M`` is cut off. Nothing is differentiable here: ``torch_surface.surface_samples`` gives
    weights and places with gradients. A triangle with a corner that is not finite is not drawn.

    Args:
        verts_cam: Vertices in metres, camera frame, on any device.
        faces: Vertex ids, the same for the whole batch, counter-clockwise seen from outside.
        K: Intrinsics in pixels, the centre of pixel (0, 0) at u = v = 0.
        height: Rows of the images.
        width: Columns of the images.
        max_items: Bound on the memory beside the result: triangles, rows or pixels held at once (and at least one
            scene's triangles).

    Raises:
        ValueError: for shapes that do not fit together.
    """
    _check(verts_cam, faces, K, height, width)
    keys = torch.zeros(len(verts_cam) * height * width, dtype=torch.int64, device=verts_cam.device)
    with torch.no_grad():
        step = max(1, max_items // max(1, len(faces)))
        for first in range(0, len(verts_cam), step):
            part = slice(first, first + step)
            verts, intrinsics = verts_cam[part].double(), K[part].double()
            triangles = triangles_in_view(verts, faces, intrinsics, height, width)
            scene_keys = keys[first * height * width :]
            for row in _rows(triangles, height, width, max_items):
                _draw(row, scene_keys, max_items)
    keys = keys.view(len(verts_cam), height, width)
    nearness = (keys >> _ID_BITS).int().view(torch.float32)
    seen = keys > 0
    return VisibleFaces(
        torch.where(seen, _LAST_ID - (keys & _LAST_ID), -1),
        torch.where(seen, 1.0 / nearness, 0.0),
    )


@dataclass(frozen=True)
class _Rows:
    """The part of each triangle on one row of pixels.

    Attributes:
        counts: Pixels on it.
        starts: Place of the first one in the batch of images.
        nearness: 1 / z there, and ``steps`` from one pixel to the next, single precision.
        low: The least 1 / z of the triangle's corners, and ``high`` the greatest.
        id_keys: Lower half of the key; the smaller face id wins a tie.
    """

    counts: Int[Tensor, "rows"]
    starts: Int[Tensor, "rows"]
    nearness: Float[Tensor, "rows"]
    steps: Float[Tensor, "rows"]
    low: Float[Tensor, "rows"]
    high: Float[Tensor, "rows"]
    id_keys: Int[Tensor, "rows"]


def _rows(triangles: Triangles, height: int, width: int, max_items: int) -> Iterator[_Rows]:
    x, y, w = triangles.corners
    first_row = least(y).clamp(min=0.0).ceil()
    stop_row = greatest(y).clamp(max=height - 0.5).ceil()
    edges, grad_x, grad_y = _edges(x, y), *_gradients(x, y, w)
    lines = torch.stack([first_row, x[0], y[0], w[0], grad_x, grad_y])
    limits = torch.stack([least(w), greatest(w), grad_x]).float()
    owners = torch.stack([triangles.scenes * (height * width), _LAST_ID - triangles.ids])
    for owner, place in _expanded((stop_row - first_row).long(), max_items):
        row, x0, y0, w0, dw_dx, dw_dy = picked(lines, owner)
        row = row + place
        start, stop = _span(edges, owner, row)
        first = start.clamp(0.0, width).ceil()
        low, high, steps = picked(limits, owner)
        images, id_keys = picked(owners, owner)
        yield _Rows(
            counts=(stop.clamp(0.0, width - 0.5).ceil() - first).clamp(min=0.0).long(),
            starts=images + (row * width + first).long(),
            nearness=(w0 + dw_dx * (first - x0) + dw_dy * (row - y0)).float(),
            steps=steps,
            low=low,
            high=high,
            id_keys=id_keys,
        )


def _gradients(x: Tensor, y: Tensor, w: Tensor) -> tuple[Tensor, Tensor]:
    """Change of 1 / z from one column and from one row to the next."""
    bx, by, bw = (a[1] - a[0] for a in (x, y, w))
    cx, cy, cw = (a[2] - a[0] for a in (x, y, w))
    inverse = 1.0 / (bx * cy - by * cx)
    return (bw * cy - cw * by) * inverse, (cw * bx - bw * cx) * inverse


def _edges(x: Tensor, y: Tensor) -> Float[Tensor, "3 4 triangles"]:
    """Each edge as a line x(row) from its upper end: x there where it bounds spans on the left, else minus infinity;
    likewise on the right; its row; its slope.

    Inside lies to the right of an edge that runs down the picture and to the left of one that runs up; a level edge
    bounds nothing.
    """
    next_x, next_y = x.roll(-1, 0), y.roll(-1, 0)
    down, level = y < next_y, (y - next_y).abs() < LEVEL
    upper_x = torch.where(down, x, next_x)
    left = torch.where(down & ~level, upper_x, -math.inf)
    right = torch.where(down | level, math.inf, upper_x)
    slope = torch.where(level, 0.0, (next_x - x) / (next_y - y))
    return torch.stack([left, right, torch.where(down, y, next_y), slope], 1)


def _span(edges: Tensor, owner: Tensor, row: Tensor) -> tuple[Tensor, Tensor]:
    """Where each row's span starts and stops, columns."""
    starts, stops = [], []
    for edge in edges:
        left, right, top, slope = picked(edge, owner)
        run = (row - top) * slope
        starts.append(left + run)
        stops.append(right + run)
    return greatest(torch.stack(starts)), least(torch.stack(stops))


def _draw(rows: _Rows, keys: Tensor, max_items: int) -> None:
    """Write the pixels of all rows into the z-buffer."""
    values = torch.stack([rows.nearness, rows.steps, rows.low, rows.high])
    places = torch.stack([rows.starts, rows.id_keys])
    for owner, place in _expanded(rows.counts, max_items):
        first, step, low, high = picked(values, owner)
        starts, id_keys = picked(places, owner)
        nearness = torch.minimum(torch.maximum(first + place.float() * step, low), high)
        key = (nearness.view(torch.int32).long() << _ID_BITS) | id_keys
        keys.scatter_reduce_(0, starts + place, key, "amax")


def _expanded(counts: Int[Tensor, "items"], max_items: int) -> Iterator[tuple[Tensor, Tensor]]:
    """``counts[i]`` entries for each item i: the item and the entry's place in it, in pieces of about ``max_items``."""
    ends = counts.cumsum(0)
    begins = ends - counts
    total = int(ends[-1]) if len(ends) else 0
    cuts = torch.arange(max_items, max(total, max_items), max_items, device=counts.device)
    bounds = [0, *torch.searchsorted(ends, cuts).tolist(), len(counts)]
    for first, last in itertools.pairwise(bounds):
        if first == last:
            continue
        begin, end = (0, total) if len(bounds) == 2 else (int(begins[first]), int(ends[last - 1]))
        owner = torch.repeat_interleave(counts[first:last], output_size=end - begin) + first
        yield owner, torch.arange(begin, end, device=counts.device) - begins.index_select(0, owner)


def _check(verts: Tensor, faces: Tensor, K: Tensor, height: int, width: int) -> None:
    legal = verts.ndim == 3 and verts.shape[2] == 3 and faces.ndim == 2 and faces.shape[1] == 3
    if not legal or K.shape != (len(verts), 3, 3) or height < 1 or width < 1:
        raise ValueError(
            f"cannot rasterise: verts_cam {tuple(verts.shape)}, faces {tuple(faces.shape)}, K {tuple(K.shape)}, "
            f"{height} x {width} px have to be (batch, verts, 3), (faces, 3), (batch, 3, 3), 1 px or more"
        )
