"""What every renderer takes and gives. A new renderer is one file beside this one and touches nothing else."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from jaxtyping import Float, Int, UInt8

from synth.geometry.camera import Camera


@dataclass(frozen=True, eq=False)
class MeshTopology:
    """The part of a mesh that stays the same over poses; renderers cache what they derive from it.

    Attributes:
        faces: Vertex ids of each triangle, counter-clockwise seen from outside.
        uv: Texture coordinates in [0, 1], v up; a vertex on a seam has several.
        uv_faces: Ids into ``uv`` of each triangle's corners.
        face_parts: Segmentation id of each triangle (``PART_NAMES``).
    """

    faces: Int[np.ndarray, "faces 3"]
    uv: Float[np.ndarray, "corners 2"]
    uv_faces: Int[np.ndarray, "faces 3"]
    face_parts: UInt8[np.ndarray, "faces"]


@dataclass(frozen=True)
class Lights:
    """Coloured ambient light and directional lights, linear RGB.

    Attributes:
        ambient_sh: Irradiance as 9 spherical harmonics for each colour, in the camera frame, order
            1, y, z, x, xy, yz, 3zz-1, xz, xx-yy (not normalised).
        directions: Unit vectors towards each light, camera frame. The first casts the shadow.
        colours: Linear RGB of each directional light.
    """

    ambient_sh: Float[np.ndarray, "9 3"]
    directions: Float[np.ndarray, "3 3"]
    colours: Float[np.ndarray, "3 3"]


@dataclass(frozen=True)
class Material:
    """How the surface reflects: ``bump`` is the strength of the skin relief, ``roughness`` in (0, 1], ``specular``
    the strength of the highlight."""

    bump: float
    roughness: float
    specular: float


@dataclass(frozen=True)
class RenderScene:
    """All that one image shows, in the camera frame.

    Attributes:
        verts_cam: Vertices in metres, camera frame.
        topology: Faces, texture coordinates and parts.
        texture: sRGB albedo, a square whose side is a power of two.
        vertex_tint: Linear RGB factor on the albedo at each vertex.
        camera: Intrinsics and size of the image.
        lights: Ambient and directional light.
        material: How the surface reflects.
        background: sRGB image of the camera's size behind the mesh.
    """

    verts_cam: Float[np.ndarray, "verts 3"]
    topology: MeshTopology
    texture: UInt8[np.ndarray, "side side 3"]
    vertex_tint: Float[np.ndarray, "verts 3"]
    camera: Camera
    lights: Lights
    material: Material
    background: UInt8[np.ndarray, "height width 3"]


@dataclass(frozen=True)
class RenderOutput:
    """One rendered image.

    Attributes:
        rgb: sRGB image.
        depth_m: z at each pixel's centre in metres; 0 where there is no surface.
        segmentation: Part id at each pixel's centre (``PART_NAMES``); 0 where there is no surface.
    """

    rgb: UInt8[np.ndarray, "height width 3"]
    depth_m: Float[np.ndarray, "height width"]
    segmentation: UInt8[np.ndarray, "height width"]


class Renderer(Protocol):
    """A renderer of one process; it may keep buffers between images, and its output is the caller's to keep."""

    def render(self, scene: RenderScene) -> RenderOutput:
        """Render one scene."""
        ...
