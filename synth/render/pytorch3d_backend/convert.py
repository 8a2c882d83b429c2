"""A batch of scenes in pytorch3d's terms: meshes, cameras, fragments, lights and materials.

pytorch3d's camera frame has x to the left and y up, so points and directions of ours are turned by ``FLIP``.
"""

from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import normalize

from synth.common.optional import import_optional, install_extra
from synth.render.kernels.geometry import NEAR_M
from synth.render.torch_backend.interpolate import linear_of_srgb, surface_samples
from synth.render.torch_backend.lighting import LightBatch, irradiance
from synth.render.torch_backend.rasterize import rasterise
from synth.render.torch_backend.scene_batch import SceneBatch

FLIP = (-1.0, -1.0, 1.0)
SIGMA_TAILS = 9.21024
"""log(1 / 1e-4 - 1): squared distance, in units of sigma, at which a soft edge has faded to 1e-4 (Liu et al. 2019)."""


@dataclass(frozen=True)
class PyTorch3D:
    """The parts of pytorch3d that are used; it is optional, so nothing imports it by name."""

    renderer: Any
    shading: Any
    structures: Any
    ops: Any


def load_pytorch3d() -> PyTorch3D:
    """Import pytorch3d.

    Raises:
        MissingPartError: when it is not installed, or its compiled part does not fit this torch.
    """
    names = ("pytorch3d.renderer", "pytorch3d.renderer.mesh.shading", "pytorch3d.structures", "pytorch3d.ops")
    wish = {"wanted_by": "renderer=pytorch3d", "mend": install_extra("pytorch3d")}
    return PyTorch3D(*(import_optional(name, **wish) for name in names))


def meshes(p3d: PyTorch3D, batch: SceneBatch) -> Any:
    """``Meshes`` with the textures of the scenes in linear light."""
    verts_cam, num_faces = batch.verts_cam, len(batch.faces)
    count = len(verts_cam)
    maps = linear_of_srgb(batch.textures.to(verts_cam.dtype) / 255.0)[batch.texture_ids]
    corner_ids = torch.arange(3 * num_faces, device=verts_cam.device).view(1, num_faces, 3)
    textures = p3d.renderer.TexturesUV(
        maps=maps,
        faces_uvs=corner_ids.expand(count, -1, -1),
        verts_uvs=batch.corner_uv.reshape(1, -1, 2).expand(count, -1, -1),
        align_corners=False,
    )
    return p3d.structures.Meshes(verts_cam * verts_cam.new_tensor(FLIP), batch.faces.expand(count, -1, -1), textures)


def cameras(p3d: PyTorch3D, K: Float[Tensor, "batch 3 3"], height: int, width: int) -> Any:
    """``PerspectiveCameras`` with the intrinsics but their skew; pytorch3d's pixel centres are at 0.5."""
    K = K.float()
    return p3d.renderer.PerspectiveCameras(
        focal_length=torch.stack([K[:, 0, 0], K[:, 1, 1]], -1),
        principal_point=K[:, :2, 2] + 0.5,
        image_size=torch.tensor([[height, width]], device=K.device).expand(len(K), -1),
        in_ndc=False,
        device=K.device,
    )


def own_fragments(p3d: PyTorch3D, verts_cam: Tensor, faces: Tensor, K: Tensor, height: int, width: int) -> Any:
    """``Fragments`` of our rasteriser, one face for each pixel, which differ from ``MeshRasterizer``'s only in
    ``dists``: -1, deep inside, everywhere, because the distance to the silhouette is not known here."""
    face_ids = rasterise(verts_cam, faces, K, height, width).face_ids
    samples = surface_samples(verts_cam, faces, K, face_ids)
    count = face_ids.numel()
    weights = verts_cam.new_full((count, 3), -1.0).index_copy(0, samples.pixels, samples.weights)
    z = verts_cam.new_full((count,), -1.0).index_copy(0, samples.pixels, samples.points_cam[:, 2])
    first_face = len(faces) * torch.arange(len(verts_cam), device=faces.device)[:, None, None]
    return p3d.renderer.mesh.rasterizer.Fragments(
        pix_to_face=torch.where(face_ids >= 0, face_ids + first_face, -1)[..., None],
        zbuf=z.view(*face_ids.shape, 1),
        bary_coords=weights.view(*face_ids.shape, 1, 3),
        dists=torch.full_like(face_ids, -1, dtype=verts_cam.dtype)[..., None],
    )


def their_fragments(
    p3d: PyTorch3D,
    verts_cam: Tensor,
    faces: Tensor,
    K: Tensor,
    height: int,
    width: int,
    *,
    blur_radius: float = 0.0,
    faces_per_pixel: int = 1,
    cull: bool = True,
) -> Any:
    """``Fragments`` of ``MeshRasterizer``. Skew, which its camera lacks, is put into the vertices.

    Args:
        p3d: pytorch3d.
        verts_cam: Vertices in metres, camera frame.
        faces: Vertex ids.
        K: Intrinsics in pixels.
        height: Rows of the images.
        width: Columns of the images.
        blur_radius: Squared distance up to which a face counts for a pixel outside it; the shorter side of an image
            is 2 units long.
        faces_per_pixel: The nearest faces to keep.
        cull: Leave out the faces that turn away.
    """
    skew = (K[:, 0, 1] / K[:, 0, 0]).to(verts_cam.dtype)[:, None]
    x, y, z = verts_cam.unbind(-1)
    sheared = torch.stack([x + skew * y, y, z], -1)
    settings = p3d.renderer.RasterizationSettings(
        image_size=(height, width),
        blur_radius=blur_radius,
        faces_per_pixel=faces_per_pixel,
        perspective_correct=True,
        cull_backfaces=cull,
        z_clip_value=NEAR_M,
    )
    bare = p3d.structures.Meshes(sheared * verts_cam.new_tensor(FLIP), faces.expand(len(verts_cam), -1, -1))
    return p3d.renderer.MeshRasterizer(cameras(p3d, K, height, width), settings)(bare)


class SceneLights:
    """Ambient light and all lamps of a batch behind the interface of pytorch3d's lights, which know one lamp each."""

    def __init__(self, p3d: PyTorch3D, lights: LightBatch) -> None:
        self._lighting, self._lights = p3d.renderer.lighting, lights
        self._directions = lights.directions * lights.directions.new_tensor(FLIP)
        self.ambient_color = torch.zeros_like(lights.colours[:, 0])
        """Zero: the ambient light depends on the normal and is counted with the diffuse."""

    def diffuse(self, normals: Float[Tensor, "batch ... 3"], points: Tensor | None = None) -> Tensor:
        """Light that reaches a surface; pytorch3d's cosine law for the lamps."""
        scenes = torch.arange(len(normals), device=normals.device).repeat_interleave(normals[0, ..., 0].numel())
        ours = normalize(normals, dim=-1).reshape(-1, 3) * normals.new_tensor(FLIP)
        total = irradiance(self._lights.ambient_sh, scenes, ours).view(normals.shape)
        for k in range(self._directions.shape[1]):
            total = total + self._lighting.diffuse(normals, self._lights.colours[:, k], self._directions[:, k])
        return total

    def specular(self, normals: Tensor, points: Tensor, camera_position: Tensor, shininess: Tensor) -> Tensor:
        """pytorch3d's highlight, summed over the lamps."""
        total = torch.zeros_like(points)
        for k in range(self._directions.shape[1]):
            total = total + self._lighting.specular(
                points, normals, self._directions[:, k], self._lights.colours[:, k], camera_position, shininess
            )
        return total


def materials(p3d: PyTorch3D, lights: LightBatch) -> Any:
    """``Materials`` whose highlight is as wide and, at its peak, as strong as GGX's of the same roughness: with alpha =
    roughness^2, reflectance / (4 alpha^2) and, for the angle from the mirror direction, the power (2 / alpha^2 - 2) / 4
    (Walter et al. 2007; Fisher and Woo 1994)."""
    alpha2 = lights.roughness.clamp(min=0.05) ** 4
    strength = 0.08 * lights.specular / (4.0 * alpha2)
    return p3d.renderer.Materials(
        specular_color=strength[:, None].expand(-1, 3), shininess=0.5 * (1.0 / alpha2 - 1.0), device=alpha2.device
    )
