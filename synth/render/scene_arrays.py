"""Checks a scene once and lays it out for the kernels, which check nothing."""

from dataclasses import dataclass

import numpy as np

from synth.common.conventions import PART_NAMES
from synth.render.kernels.geometry import PLANE_WIDTH
from synth.render.kernels.resolve import SRGB_STEPS
from synth.render.kernels.shading import Lighting
from synth.render.renderer import MeshTopology, RenderScene


@dataclass(frozen=True, eq=False)
class TopologyArrays:
    """``MeshTopology`` in the kernels' types.

    Attributes:
        faces: Vertex ids, faces x 3; unsigned, so that compiled code need not look for negative indices.
        corner_uv: u and v of the three corners, faces x 6, float32.
        face_parts: Segmentation id of each face.
        num_verts: The fewest vertices that the faces need.
        planes: Room for each face's plane.
        is_plane_ready: Room for a flag for each face.
    """

    faces: np.ndarray
    corner_uv: np.ndarray
    face_parts: np.ndarray
    num_verts: int
    planes: np.ndarray
    is_plane_ready: np.ndarray


def prepare_topology(topology: MeshTopology) -> TopologyArrays:
    """Check and convert the fixed part of a mesh.

    Raises:
        ValueError: for arrays that do not fit together, an index outside its table or texture coordinates that are
            not finite.
    """
    faces, uv_faces = np.asarray(topology.faces), np.asarray(topology.uv_faces)
    uv, parts = np.asarray(topology.uv), np.asarray(topology.face_parts)
    _require(faces.ndim == 2 and faces.shape[1] == 3 and len(faces) > 0, "faces", faces.shape, "(faces, 3)")
    _require(uv_faces.shape == faces.shape, "uv_faces", uv_faces.shape, f"{faces.shape} like faces")
    _require(parts.shape == faces.shape[:1], "face_parts", parts.shape, f"{faces.shape[:1]}")
    _require(faces.min() >= 0, "faces", int(faces.min()), "vertex ids of 0 or more")
    in_table = uv_faces.min() >= 0 and uv_faces.max() < len(uv)
    _require(in_table, "uv_faces", f"{uv_faces.min()}..{uv_faces.max()}", f"ids below {len(uv)}")
    _require(bool(np.isfinite(uv).all()), "uv", "nan or inf", "finite")
    _require(parts.max() < len(PART_NAMES), "face_parts", int(parts.max()), f"ids below {len(PART_NAMES)}")
    return TopologyArrays(
        faces=np.ascontiguousarray(faces, np.uint32),
        corner_uv=np.ascontiguousarray(uv[uv_faces].reshape(len(faces), 6), np.float32),
        face_parts=np.ascontiguousarray(parts, np.uint8),
        num_verts=int(faces.max()) + 1,
        planes=np.zeros((len(faces), PLANE_WIDTH), np.float32),
        is_plane_ready=np.zeros(len(faces), np.uint8),
    )


def check_scene(scene: RenderScene, topology: TopologyArrays) -> None:
    """Check what changes from image to image.

    Raises:
        ValueError: one line with the array, what it is and what it has to be.
    """
    verts, camera, side = scene.verts_cam, scene.camera, scene.texture.shape[0]
    shape = verts.ndim == 2 and verts.shape[1] == 3 and len(verts) >= topology.num_verts
    _require(shape, "verts_cam", verts.shape, f"at least ({topology.num_verts}, 3)")
    _require(scene.vertex_tint.shape == verts.shape, "vertex_tint", scene.vertex_tint.shape, f"{verts.shape}")
    _require(camera.width > 0 and camera.height > 0, "camera", (camera.width, camera.height), "1 px or more")
    image = (camera.height, camera.width, 3)
    _require(scene.background.shape == image, "background", scene.background.shape, f"{image} like the camera")
    _require(scene.background.dtype == np.uint8, "background", scene.background.dtype, "uint8")
    square = scene.texture.shape == (side, side, 3) and side > 0 and side & (side - 1) == 0
    _require(square, "texture", scene.texture.shape, "(side, side, 3) with side a power of two")
    _require(scene.texture.dtype == np.uint8, "texture", scene.texture.dtype, "uint8")
    roughness = scene.material.roughness
    _require(0.0 < roughness <= 1.0, "roughness", roughness, "in (0, 1]")
    _require(camera.K[0, 0] > 0 and camera.K[1, 1] > 0, "K", camera.K.tolist(), "with positive focal lengths")
    for name in ("ambient_sh", "directions", "colours"):
        _require(bool(np.isfinite(getattr(scene.lights, name)).all()), name, "nan or inf", "finite")
    for name, values in (("verts_cam", verts), ("vertex_tint", scene.vertex_tint), ("K", camera.K)):
        _require(bool(np.isfinite(values).all()), name, "nan or inf", "finite")


def lighting_arrays(scene: RenderScene) -> Lighting:
    """Lights and reflectance in single precision."""
    lights, material = scene.lights, scene.material
    return Lighting(
        np.ascontiguousarray(lights.ambient_sh, np.float32),
        np.ascontiguousarray(lights.directions, np.float32),
        np.ascontiguousarray(lights.colours, np.float32),
        np.float32(material.roughness),
        np.float32(material.specular),
    )


def srgb_tables() -> tuple[np.ndarray, np.ndarray]:
    """Linear value of each sRGB byte (float32), and sRGB byte of ``SRGB_STEPS`` linear values (IEC 61966-2-1)."""
    encoded = np.arange(256) / 255.0
    linear = np.where(encoded <= 0.04045, encoded / 12.92, ((encoded + 0.055) / 1.055) ** 2.4)
    steps = np.arange(SRGB_STEPS) / (SRGB_STEPS - 1)
    srgb = np.where(steps <= 0.0031308, 12.92 * steps, 1.055 * steps ** (1 / 2.4) - 0.055)
    return linear.astype(np.float32), np.round(255.0 * srgb).astype(np.uint8)


def sphere_directions(count: int) -> np.ndarray:
    """``count`` unit vectors spread evenly over the sphere: a Fibonacci spiral, count x 3."""
    index = np.arange(count) + 0.5
    height = 1.0 - 2.0 * index / max(count, 1)
    radius, angle = np.sqrt(1.0 - height**2), np.pi * (1.0 + 5.0**0.5) * index
    return np.stack([radius * np.cos(angle), radius * np.sin(angle), height], -1)


def _require(condition: bool, name: str, value: object, legal: str) -> None:
    if not condition:
        raise ValueError(f"cannot render: {name} is {value} but has to be {legal}")
