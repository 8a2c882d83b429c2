"""The triangles that ``torch_raster`` draws: projected, culled and cut at the near plane, in double precision.

Arrays have the coordinate on the first axis, the corner on the second and the triangle on the last, because picking
entries from one long row after the other is several times faster on a CPU.
"""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from synth.render.kernels.geometry import NEAR_M
from synth.render.kernels.zbuffer import MIN_DOUBLE_AREA


@dataclass(frozen=True)
class Triangles:
    """Triangles that face the eye and whose box holds a pixel's centre.

    Attributes:
        corners: Column, row and 1 / z (first axis) of the three corners, in double precision.
        scenes: Number of each triangle's scene within the part of the batch.
        ids: Number of its face.
    """

    corners: Float[Tensor, "3 3 triangles"]
    scenes: Int[Tensor, "triangles"]
    ids: Int[Tensor, "triangles"]


def triangles_in_view(
    verts: Float[Tensor, "batch verts 3"],
    faces: Int[Tensor, "faces 3"],
    K: Float[Tensor, "batch 3 3"],
    height: int,
    width: int,
) -> Triangles:
    """The triangles to draw, those that cross the near plane cut down to what lies behind it.

    Args:
        verts: Vertices in metres, camera frame, double precision.
        faces: Vertex ids.
        K: Intrinsics in pixels, double precision.
        height: Rows of the images.
        width: Columns of the images.
    """
    num_scenes, num_verts, num_faces = len(verts), verts.shape[1], len(faces)
    offsets = num_verts * torch.arange(num_scenes, device=verts.device)
    vert_ids = (faces.T[:, None] + offsets[:, None]).reshape(3, -1)
    corners = picked(project(verts, K), vert_ids.reshape(-1)).view(3, 3, -1)
    num_behind = (corners[2] == 0.0).sum(0)
    chosen = (_is_drawn(corners, height, width) & (num_behind == 0)).nonzero()[:, 0]
    whole = Triangles(picked(corners, chosen), chosen // num_faces, chosen % num_faces)
    crossing = ((num_behind == 1) | (num_behind == 2)).nonzero()[:, 0]
    if not len(crossing):
        return whole
    scenes = crossing // num_faces
    places = picked(verts.reshape(-1, 3).T, vert_ids[:, crossing].reshape(-1)).view(3, 3, -1)
    cut, source = _cut_at_near_plane(places, corners[:, :, crossing], K[scenes])
    drawn = _is_drawn(cut, height, width)
    source = source[drawn]
    return Triangles(
        torch.cat([whole.corners, cut[:, :, drawn]], 2),
        torch.cat([whole.scenes, scenes[source]]),
        torch.cat([whole.ids, crossing[source] % num_faces]),
    )


def project(verts_cam: Float[Tensor, "batch verts 3"], K: Float[Tensor, "batch 3 3"]) -> Float[Tensor, "3 points"]:
    """Column, row and 1 / z of the vertices of all scenes; 1 / z is 0 for one before the near plane, whose column and
    row mean nothing."""
    x, y, z = verts_cam.unbind(-1)
    fx, skew, cx, fy, cy = (K[:, i, j, None] for i, j in ((0, 0), (0, 1), (0, 2), (1, 1), (1, 2)))
    inverse = torch.where(z >= NEAR_M, 1.0 / z, 0.0)
    points = torch.stack([(fx * x + skew * y) * inverse + cx, fy * y * inverse + cy, inverse])
    return points.view(3, -1)


def picked(table: Tensor, index: Int[Tensor, "entries"]) -> Tensor:
    """The entries ``index`` of the last axis."""
    rows = table.flatten(0, -2)
    return torch.stack([row.index_select(0, index) for row in rows]).view(*table.shape[:-1], len(index))


def _is_drawn(corners: Tensor, height: int, width: int) -> Tensor:
    """Whether a triangle is finite, faces the eye and its box holds a pixel's centre."""
    x, y, _ = corners
    double_area = (x[1] - x[0]) * (y[2] - y[0]) - (y[1] - y[0]) * (x[2] - x[0])
    columns = least(x).clamp(min=0.0).ceil() < greatest(x).clamp(max=width - 0.5).ceil()
    rows = least(y).clamp(min=0.0).ceil() < greatest(y).clamp(max=height - 0.5).ceil()
    return (double_area < -MIN_DOUBLE_AREA) & (double_area > -math.inf) & columns & rows


def least(corners: Tensor) -> Tensor:
    """The least over the first axis, which is of three."""
    return torch.minimum(torch.minimum(corners[0], corners[1]), corners[2])


def greatest(corners: Tensor) -> Tensor:
    """The greatest over the first axis, which is of three."""
    return torch.maximum(torch.maximum(corners[0], corners[1]), corners[2])


def _cut_at_near_plane(places: Tensor, points: Tensor, K: Tensor) -> tuple[Tensor, Tensor]:
    """What remains of triangles that cross the near plane.

    The corners are turned round until the first is the one that is alone on its side of the plane.

    Args:
        places: Coordinates in metres (first axis) of the corners, 3 x 3 x triangles.
        points: The same, projected.
        K: Intrinsics of each triangle's scene.

    Returns:
        Projected corners of one or two triangles for each, and which triangle each of them is from.
    """
    behind = points[2] == 0.0
    one_behind = behind.sum(0) == 1
    alone = (behind == one_behind).int().argmax(0)
    order = (alone + torch.arange(3, device=alone.device)[:, None]) % 3
    places, points = (a.gather(1, order.expand(3, -1, -1)) for a in (places, points))
    one, two = (_crossing(places[:, 0], places[:, k], one_behind, K) for k in (1, 2))
    tip = torch.stack([points[:, 0], one, two], 1)[:, :, ~one_behind]
    left = torch.stack([one, points[:, 1], points[:, 2]], 1)[:, :, one_behind]
    right = torch.stack([one, points[:, 2], two], 1)[:, :, one_behind]
    tips, pairs = (~one_behind).nonzero()[:, 0], one_behind.nonzero()[:, 0]
    return torch.cat([tip, left, right], 2), torch.cat([tips, pairs, pairs])


def _crossing(one: Tensor, other: Tensor, one_is_behind: Tensor, K: Tensor) -> Tensor:
    """Where an edge meets the near plane, projected; always computed from the end in front, so that neighbours
    agree."""
    front, back = torch.where(one_is_behind, other, one), torch.where(one_is_behind, one, other)
    t = (front[2] - NEAR_M) / (front[2] - back[2])
    x, y, _ = front + t * (back - front)
    column = (K[:, 0, 0] * x + K[:, 0, 1] * y) / NEAR_M + K[:, 0, 2]
    row = K[:, 1, 1] * y / NEAR_M + K[:, 1, 2]
    return torch.stack([column, row, torch.full_like(row, 1.0 / NEAR_M)])
