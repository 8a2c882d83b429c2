"""What lies at the pixels that ``torch_raster`` found: barycentric weights, normals and texture colour, on tensors of
any device. All but the texture lookup is differentiable with respect to the vertices."""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int, UInt8
from torch import Tensor


@dataclass(frozen=True)
class SurfaceSamples:
    """The places where the rays through pixel centres meet their faces.

    Attributes:
        pixels: Place in the flattened batch of images.
        scenes: Number of the scene.
        face_ids: Number of the face.
        corners: Its vertex ids.
        weights: Barycentric weights on the face in space (perspective-correct), sum 1.
        points_cam: The place itself in metres, camera frame.
    """

    pixels: Int[Tensor, "samples"]
    scenes: Int[Tensor, "samples"]
    face_ids: Int[Tensor, "samples"]
    corners: Int[Tensor, "samples 3"]
    weights: Float[Tensor, "samples 3"]
    points_cam: Float[Tensor, "samples 3"]

    def interpolate(self, values: Float[Tensor, "batch verts channels"]) -> Float[Tensor, "samples channels"]:
        """A quantity of the vertices at each sample."""
        flat, offsets = values.flatten(0, 1), self.scenes * values.shape[1]
        a, b, c = (flat.index_select(0, offsets + corner) for corner in self.corners.unbind(1))
        return a * self.weights[:, :1] + b * self.weights[:, 1:2] + c * self.weights[:, 2:]


def surface_samples(
    verts_cam: Float[Tensor, "batch verts 3"],
    faces: Int[Tensor, "faces 3"],
    K: Float[Tensor, "batch 3 3"],
    face_ids: Int[Tensor, "batch height width"],
) -> SurfaceSamples:
    """Intersect the ray of each pixel that shows a face with that face (Möller and Trumbore 1997).

    Gradients flow to the vertices and to ``K`` with the visible faces held: they say how depth and colour change, not
    how the silhouette moves.

    Args:
        verts_cam: Vertices in metres, camera frame.
        faces: Vertex ids.
        K: Intrinsics in pixels.
        face_ids: The face seen at each pixel, -1 for none (``rasterise``).
    """
    scenes, rows, columns = (face_ids >= 0).nonzero(as_tuple=True)
    height, width = face_ids.shape[1:]
    pixels = (scenes * height + rows) * width + columns
    seen = face_ids.flatten().index_select(0, pixels)
    corners = faces.long().index_select(0, seen)
    flat, offsets = verts_cam.flatten(0, 1), scenes * verts_cam.shape[1]
    a, b, c = (flat.index_select(0, offsets + corner) for corner in corners.unbind(1))
    rays = _rays(K.to(verts_cam.dtype).index_select(0, scenes), columns, rows)
    first, second = b - a, c - a
    across, aside = torch.linalg.cross(rays, second), torch.linalg.cross(first, a)
    inverse = 1.0 / (first * across).sum(-1)
    weight_b, weight_c = -(a * across).sum(-1) * inverse, (rays * aside).sum(-1) * inverse
    weights = torch.stack([1.0 - weight_b - weight_c, weight_b, weight_c], -1)
    z = (weights * torch.stack([a[:, 2], b[:, 2], c[:, 2]], -1)).sum(-1)
    return SurfaceSamples(pixels, scenes, seen, corners, weights, rays * z[:, None])


def _rays(K: Tensor, columns: Tensor, rows: Tensor) -> Tensor:
    """(x, y, 1) of the ray through each pixel's centre."""
    y = (rows - K[:, 1, 2]) / K[:, 1, 1]
    x = (columns - K[:, 0, 2] - K[:, 0, 1] * y) / K[:, 0, 0]
    return torch.stack([x, y, torch.ones_like(x)], -1)


def vertex_normals(
    verts_cam: Float[Tensor, "batch verts 3"], faces: Int[Tensor, "faces 3"]
) -> Float[Tensor, "batch verts 3"]:
    """Smooth unit normals, each the area-weighted mean over the faces around the vertex.

    A vertex without area around it gets a normal that faces the camera.
    """
    a, b, c = (verts_cam[:, faces[:, k]] for k in range(3))
    face_normals = torch.linalg.cross(b - a, c - a)
    total = torch.zeros_like(verts_cam)
    for k in range(3):
        total = total.index_add(1, faces[:, k], face_normals)
    length = total.norm(dim=-1, keepdim=True)
    towards_camera = torch.tensor([0.0, 0.0, -1.0], dtype=total.dtype, device=total.device)
    return torch.where(length > 1e-14, total / length.clamp(min=1e-14), towards_camera)


def texture_colour(
    textures: UInt8[Tensor, "textures side side 3"],
    texture_ids: Int[Tensor, "samples"],
    uv: Float[Tensor, "samples 2"],
) -> Float[Tensor, "samples 3"]:
    """Bilinear lookup in linear light; v runs up, and the texture repeats."""
    side = textures.shape[1]
    column, row = uv[:, 0] * side - 0.5, (1.0 - uv[:, 1]) * side - 0.5
    left, top = column.floor(), row.floor()
    dx, dy = (column - left)[:, None], (row - top)[:, None]
    x0, y0 = left.long(), top.long()
    table = linear_of_srgb(torch.arange(256, device=uv.device, dtype=uv.dtype) / 255.0)
    flat = textures.reshape(-1, 3)
    total = torch.zeros(len(uv), 3, dtype=uv.dtype, device=uv.device)
    for y, wy in ((y0, 1.0 - dy), (y0 + 1, dy)):
        for x, wx in ((x0, 1.0 - dx), (x0 + 1, dx)):
            texels = flat.index_select(0, (texture_ids * side + y % side) * side + x % side)
            total += wy * wx * table.index_select(0, texels.flatten().int()).view(-1, 3)
    return total


def linear_of_srgb(encoded: Tensor) -> Tensor:
    """Linear value of sRGB in [0, 1] (IEC 61966-2-1)."""
    return torch.where(encoded <= 0.04045, encoded / 12.92, ((encoded + 0.055) / 1.055) ** 2.4)


def srgb_of_linear(linear: Tensor) -> Tensor:
    """sRGB of linear values in [0, 1]; differentiable at 0 too."""
    steep = 1.055 * linear.clamp(min=0.0031308) ** (1 / 2.4) - 0.055
    return torch.where(linear <= 0.0031308, 12.92 * linear, steep)
