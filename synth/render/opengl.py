"""The OpenGL renderer: pyrender's shader on a GPU or on Mesa. Its pixels depend on the driver; depth and segmentation
agree with the default renderer's away from silhouettes."""

from typing import Any, NamedTuple
from weakref import WeakKeyDictionary

import numpy as np
from jaxtyping import Float

from synth.render.gl_context import shared_context
from synth.render.kernels.geometry import NEAR_M, vertex_normals
from synth.render.renderer import Lights, Material, MeshTopology, RenderOutput, RenderScene
from synth.render.scene_arrays import SRGB_STEPS, TopologyArrays, check_scene, prepare_topology, srgb_tables

GL_AXES = np.array([1.0, -1.0, -1.0])
"""OpenGL looks along -z with y up."""
_GAMMA = 2.2
"""What pyrender's shader encodes its output with."""
_GL_REFLECTANCE = 0.04
_DEPTH_SLACK = 0.01


class OpenGLRenderer:
    """Renders with the context of its process.

    Colour is multi-sampled 4 times; light is the ambient's mean, its first-order part as one lamp, and the three
    directional lights, without shadow, occlusion and skin relief.
    """

    def __init__(self) -> None:
        """Make a renderer.

        Raises:
            MissingPartError: when OpenGL does not work here; the line names the packages.
        """
        self._context = shared_context()
        self._linear_of_srgb, self._srgb_of_linear = srgb_tables()
        self._topologies: WeakKeyDictionary[MeshTopology, TopologyArrays] = WeakKeyDictionary()

    def render(self, scene: RenderScene) -> RenderOutput:
        """Render one scene.

        Raises:
            ValueError: when an array of the scene has the wrong shape, an index outside its table or a value that is
                not finite.
        """
        if scene.topology not in self._topologies:
            self._topologies[scene.topology] = prepare_topology(scene.topology)
        topology = self._topologies[scene.topology]
        check_scene(scene, topology)
        width, height = scene.camera.width, scene.camera.height
        if scene.verts_cam[:, 2].max() <= NEAR_M:
            empty = np.zeros((height, width), np.float32)
            return RenderOutput(scene.background.copy(), empty, empty.astype(np.uint8))
        mesh = _Corners(self._context.pyrender, scene, topology)
        depth_m, segmentation = self._context.draw_centres(mesh.parts_world(), width, height)
        rgba = self._context.draw_colour(mesh.lit_world(), width, height)
        return RenderOutput(self._composite(rgba, scene.background), depth_m, segmentation)

    def _composite(self, rgba: np.ndarray, background: np.ndarray) -> np.ndarray:
        """Lay over the background by coverage, in linear light."""
        share = rgba[..., 3:]
        surface = (rgba[..., :3] / np.maximum(share, 1e-6)).clip(0, 1) ** _GAMMA
        mixed = surface * share + self._linear_of_srgb[background] * (1 - share)
        rgb = self._srgb_of_linear[np.round(mixed.clip(0, 1) * (SRGB_STEPS - 1)).astype(int)]
        return np.where(share > 0, rgb, background)


class _Corners:
    """The mesh with its corners spelt out, as a vertex on a seam has several texture coordinates."""

    def __init__(self, pyrender: Any, scene: RenderScene, topology: TopologyArrays) -> None:
        self._pyrender, self._scene, self._topology = pyrender, scene, topology
        self._verts = np.ascontiguousarray(scene.verts_cam, np.float64)
        self._ids = topology.faces.reshape(-1)
        self._positions = (_without_skew(self._verts, scene.camera.K) * GL_AXES)[self._ids]

    def parts_world(self) -> Any:
        """pyrender's scene with the part of each face as its colour."""
        colours = np.ones((len(self._ids), 4), np.float32)
        colours[:, :3] = np.repeat(self._topology.face_parts, 3)[:, None] / 255.0
        return self._world(np.zeros(3), self._pyrender.MetallicRoughnessMaterial(), color_0=colours)

    def lit_world(self) -> Any:
        """pyrender's scene with skin and light."""
        pyrender, lights = self._pyrender, self._scene.lights
        normals = np.zeros_like(self._verts)
        vertex_normals(self._verts, self._topology.faces, normals)
        material = pyrender.MetallicRoughnessMaterial(
            baseColorTexture=pyrender.Texture(source=self._scene.texture, source_channels="RGB"),
            metallicFactor=0.0,
            roughnessFactor=gl_roughness(self._scene.material),
        )
        sky = sky_light(lights)
        tint = np.insert(np.asarray(self._scene.vertex_tint, np.float32), 3, 1.0, axis=1)
        uv = self._topology.corner_uv.reshape(-1, 2)
        world = self._world(
            sky.mean, material, normals=(normals * GL_AXES)[self._ids], texcoord_0=uv, color_0=tint[self._ids]
        )
        directions = np.vstack([lights.directions, sky.direction])
        for direction, colour in zip(directions, np.vstack([lights.colours, sky.colour]), strict=True):
            if colour.max() > 0:
                # pyrender divides albedo by pi, our colours have that division in them.
                light = pyrender.DirectionalLight(color=colour / colour.max(), intensity=np.pi * colour.max())
                world.add(light, pose=_pose_looking_from(direction * GL_AXES))
        return world

    def _world(self, ambient: np.ndarray, material: Any, **corners: np.ndarray) -> Any:
        world = self._pyrender.Scene(bg_color=np.zeros(4), ambient_light=ambient)
        world.add(_camera(self._pyrender, self._scene))
        primitive = self._pyrender.Primitive(positions=self._positions, material=material, **corners)
        world.add(self._pyrender.Mesh([primitive]))
        return world


class SkyLight(NamedTuple):
    """Ambient light as pyrender can show it: the same from everywhere, and one lamp (linear RGB)."""

    mean: Float[np.ndarray, "3"]
    direction: Float[np.ndarray, "3"]
    colour: Float[np.ndarray, "3"]


def sky_light(lights: Lights) -> SkyLight:
    """The constant and first-order harmonics as ambient light and a lamp.

    The slope from front to back is taken at its mean over the visible half of a sphere, where the normal's part towards
    the camera is 2/3 on average: a lamp for it could stand behind the hand and cover it with a sheen. For the slope
    across the picture, max(0, cos) is about 1/4 + cos/2 (Ramamoorthi and Hanrahan 2001): a lamp of twice the slope has
    it, and gives a quarter of its strength from everywhere.
    """
    sh = np.asarray(lights.ambient_sh, float)
    across = sh[[3, 1]]
    towards = across.sum(1)
    direction = np.append(towards / max(float(np.linalg.norm(towards)), 1e-12), 0.0)
    colour = 2.0 * np.maximum(direction[:2] @ across, 0)
    return SkyLight(np.maximum(sh[0] - 2 / 3 * sh[2] - colour / 4, 0), direction, colour)


def gl_roughness(material: Material) -> float:
    """The roughness at which pyrender's highlight, whose reflectance is fixed, peaks as high as the material's.

    The peak of GGX is reflectance / roughness^4.
    """
    reflectance = max(0.08 * material.specular, 1e-6)
    return float(min(material.roughness * (_GL_REFLECTANCE / reflectance) ** 0.25, 1.0))


def _without_skew(verts: np.ndarray, K: np.ndarray) -> np.ndarray:
    """Vertices sheared so that intrinsics without skew project them to the same place."""
    sheared = verts.copy()
    sheared[:, 0] += K[0, 1] / K[0, 0] * verts[:, 1]
    return sheared


def _camera(pyrender: Any, scene: RenderScene) -> Any:
    """The camera, its pixel centres at 0.5; the depth range is kept tight, as the buffer has 24 bits for it."""
    K, z = scene.camera.K, scene.verts_cam[:, 2]
    near_m, far_m = max(NEAR_M, float(z.min()) * (1 - _DEPTH_SLACK)), float(z.max()) * (1 + _DEPTH_SLACK)
    return pyrender.IntrinsicsCamera(K[0, 0], K[1, 1], K[0, 2] + 0.5, K[1, 2] + 0.5, near_m, far_m)


def _pose_looking_from(direction: np.ndarray) -> np.ndarray:
    """A pose whose z axis is ``direction``: a light at it shines along -z."""
    aside = np.cross(direction, np.eye(3)[np.argmin(np.abs(direction))])
    aside /= np.linalg.norm(aside)
    pose = np.eye(4)
    pose[:3, :3] = np.stack([aside, np.cross(direction, aside), direction], 1)
    return pose
