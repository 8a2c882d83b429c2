"""Many scenes of one mesh as tensors: what the batched renderers take. A pipeline that poses hands on a GPU fills it
itself; ``batch_scenes`` makes one from ``RenderScene``s."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int, UInt8
from torch import Tensor

from synth.render.renderer import RenderScene
from synth.render.scene_arrays import check_scene, prepare_topology
from synth.render.torch_backend.lighting import LightBatch


@dataclass(frozen=True)
class SceneBatch:
    """Scenes with the same faces and images of the same size, in the camera frame; all tensors on one device.

    Attributes:
        verts_cam: Vertices in metres.
        faces: Vertex ids, counter-clockwise seen from outside.
        corner_uv: Texture coordinates of each face's corners, v up.
        face_parts: Segmentation id of each face (``PART_NAMES``).
        textures: sRGB albedo pictures, each used by any number of scenes.
        texture_ids: The picture of each scene.
        vertex_tint: Linear RGB factor on the albedo.
        K: Intrinsics in pixels, the centre of pixel (0, 0) at u = v = 0.
        lights: Light and reflectance.
        background: sRGB images behind the mesh; they set the size.
    """

    verts_cam: Float[Tensor, "batch verts 3"]
    faces: Int[Tensor, "faces 3"]
    corner_uv: Float[Tensor, "faces 3 2"]
    face_parts: UInt8[Tensor, "batch faces"]
    textures: UInt8[Tensor, "textures side side 3"]
    texture_ids: Int[Tensor, "batch"]
    vertex_tint: Float[Tensor, "batch verts 3"]
    K: Float[Tensor, "batch 3 3"]
    lights: LightBatch
    background: UInt8[Tensor, "batch height width 3"]

    @property
    def image_size(self) -> tuple[int, int]:
        """Height and width in pixels."""
        return self.background.shape[1], self.background.shape[2]

    def part(self, scenes: slice) -> "SceneBatch":
        """Some of the scenes."""
        return self._mapped(lambda tensor: tensor[scenes], ("faces", "corner_uv", "textures"))

    def to(self, device: str | torch.device) -> "SceneBatch":
        """The same on another device."""
        return self._mapped(lambda tensor: tensor.to(device), ())

    def _mapped(self, change: Callable[[Tensor], Tensor], kept: tuple[str, ...]) -> "SceneBatch":
        own = (f.name for f in fields(self) if f.name not in (*kept, "lights"))
        return replace(self, **{k: change(getattr(self, k)) for k in own}, lights=self.lights.mapped(change))


def batch_scenes(scenes: Sequence[RenderScene], device: str | torch.device = "cpu") -> SceneBatch:
    """Scenes as tensors; floating point in single precision, but ``K`` in double.

    Raises:
        ValueError: when an array of a scene does not fit, or the scenes differ in mesh, texture or image size.
    """
    checked = {id(s.topology): prepare_topology(s.topology) for s in scenes}
    topologies = [checked[id(s.topology)] for s in scenes]
    for scene, topology in zip(scenes, topologies, strict=True):
        check_scene(scene, topology)
    first = topologies[0]
    same_mesh = all(
        np.array_equal(t.faces, first.faces) and np.array_equal(t.corner_uv, first.corner_uv) for t in checked.values()
    )
    pictures = {id(s.texture): s.texture for s in scenes}
    sizes = {(s.verts_cam.shape, s.background.shape, s.texture.shape) for s in scenes}
    if not same_mesh or len(sizes) > 1:
        raise ValueError("scenes of one batch have to share faces, uv and the sizes of mesh, texture and image")
    lights, materials = [s.lights for s in scenes], [s.material for s in scenes]
    batch = SceneBatch(
        verts_cam=_stack([s.verts_cam for s in scenes], np.float32),
        faces=torch.from_numpy(first.faces.astype(np.int64)),
        corner_uv=torch.from_numpy(first.corner_uv.reshape(-1, 3, 2)),
        face_parts=_stack([t.face_parts for t in topologies], np.uint8),
        textures=_stack(list(pictures.values()), np.uint8),
        texture_ids=torch.tensor([list(pictures).index(id(s.texture)) for s in scenes]),
        vertex_tint=_stack([s.vertex_tint for s in scenes], np.float32),
        K=_stack([s.camera.K for s in scenes], np.float64),
        lights=LightBatch(
            ambient_sh=_stack([li.ambient_sh for li in lights], np.float32),
            directions=_stack([li.directions for li in lights], np.float32),
            colours=_stack([li.colours for li in lights], np.float32),
            roughness=_stack([m.roughness for m in materials], np.float32),
            specular=_stack([m.specular for m in materials], np.float32),
        ),
        background=_stack([s.background for s in scenes], np.uint8),
    )
    return batch.to(device)


def _stack(arrays: Sequence[Any], dtype: type) -> Tensor:
    return torch.from_numpy(np.stack([np.asarray(a, dtype) for a in arrays]))
