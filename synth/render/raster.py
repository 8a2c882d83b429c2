"""The default renderer: a z-buffer and deferred shading in compiled Python, one thread, no GPU, no window system."""

from dataclasses import dataclass, field
from weakref import WeakKeyDictionary

import numpy as np

from synth.common.config import check
from synth.render.kernels import geometry, light_maps, occlusion, resolve, surface, zbuffer
from synth.render.renderer import MeshTopology, RenderOutput, RenderScene
from synth.render.scene_arrays import (
    TopologyArrays,
    check_scene,
    lighting_arrays,
    prepare_topology,
    sphere_directions,
    srgb_tables,
)
from synth.render.skin_relief import relief_slopes


@dataclass(eq=False)
class _Buffers:
    """Arrays that live from image to image; each is replaced when the size it is for changes."""

    shape: tuple[int, int] = (0, 0)
    num_verts: int = 0
    inverse_depth: np.ndarray = field(default_factory=lambda: np.zeros((0, 0), np.float32))
    face_ids: np.ndarray = field(default_factory=lambda: np.zeros((0, 0), np.uint32))
    linear_rgb: np.ndarray = field(default_factory=lambda: np.zeros((0, 0, 3), np.float32))
    coverage: np.ndarray = field(default_factory=lambda: np.zeros((0, 0), np.float32))
    points: np.ndarray = field(default_factory=lambda: np.zeros((0, 3)))
    light_points: np.ndarray = field(default_factory=lambda: np.zeros((0, 3)))
    normals: np.ndarray = field(default_factory=lambda: np.zeros((0, 3)))
    packed: np.ndarray = field(default_factory=lambda: np.zeros((0, 8), np.float32))
    openness: np.ndarray = field(default_factory=lambda: np.zeros(0, np.float32))
    in_view: np.ndarray = field(default_factory=lambda: np.zeros(0, np.bool_))


class RasterRenderer:
    """Renders on one CPU core; the same scene gives the same bytes in every process on the same type of CPU.

    Colour is anti-aliased by coverage; light is spherical-harmonic ambient with per-vertex occlusion, and three
    directional lights, of which the first casts a filtered shadow. Depth and segmentation are exact at pixel centres.
    """

    def __init__(
        self,
        *,
        samples_per_side: int = 3,
        shadow_map_px: int = 128,
        occlusion_directions: int = 12,
        occlusion_map_px: int = 48,
    ) -> None:
        """Make a renderer.

        Args:
            samples_per_side: Sub-samples along one side of a pixel; odd, so that one is at the centre.
            shadow_map_px: Side of the first light's shadow map; 0 for no shadow.
            occlusion_directions: Directions from which the ambient occlusion is gathered; 0 for none.
            occlusion_map_px: Side of the visibility map of each of these directions.

        Raises:
            ValueError: when a number is out of its range.
        """
        odd = samples_per_side % 2 == 1 and 1 <= samples_per_side <= 9
        check(odd, "samples_per_side", samples_per_side, "odd and between 1 and 9")
        check(shadow_map_px == 0 or shadow_map_px >= 16, "shadow_map_px", shadow_map_px, "0 or at least 16")
        check(occlusion_directions >= 0, "occlusion_directions", occlusion_directions, "0 or more")
        check(occlusion_map_px >= 16, "occlusion_map_px", occlusion_map_px, "at least 16")
        self._side = samples_per_side
        self._directions = sphere_directions(occlusion_directions)
        self._shadow_heights = np.zeros((max(shadow_map_px, 1), max(shadow_map_px, 1)), np.float32)
        self._shadow_faces = np.zeros(self._shadow_heights.shape, np.uint32)
        self._occlusion_heights = np.zeros((occlusion_map_px, occlusion_map_px), np.float32)
        self._occlusion_faces = np.zeros(self._occlusion_heights.shape, np.uint32)
        self._has_shadow = shadow_map_px > 0
        self._relief = relief_slopes()
        self._linear_of_srgb, self._srgb_of_linear = srgb_tables()
        self._topologies: WeakKeyDictionary[MeshTopology, TopologyArrays] = WeakKeyDictionary()
        self._topology: TopologyArrays
        self._buffers = _Buffers()

    def render(self, scene: RenderScene) -> RenderOutput:
        """Render one scene.

        Raises:
            ValueError: when an array of the scene has the wrong shape, an index outside its table or a value that is
                not finite.
        """
        if scene.topology not in self._topologies:
            self._topologies[scene.topology] = prepare_topology(scene.topology)
        self._topology = self._topologies[scene.topology]
        check_scene(scene, self._topology)
        width, height = scene.camera.width, scene.camera.height
        self._fit_buffers(height, width, len(scene.verts_cam))
        verts = np.ascontiguousarray(scene.verts_cam, np.float64)
        K = np.ascontiguousarray(scene.camera.K, np.float64)
        bounds = self._draw(verts, K, width, height)
        depth_m, segmentation = np.empty((height, width), np.float32), np.empty((height, width), np.uint8)
        buffers, parts = self._buffers, self._topology.face_parts
        resolve.resolve_centres(
            buffers.inverse_depth, buffers.face_ids, parts, self._side, bounds, depth_m, segmentation
        )
        rgb = np.array(scene.background, np.uint8, order="C")
        if bounds[0] < bounds[2] and bounds[1] < bounds[3]:
            self._colour(scene, verts, K, bounds, rgb)
        return RenderOutput(rgb, depth_m, segmentation)

    def _draw(self, verts: np.ndarray, K: np.ndarray, width: int, height: int) -> tuple[int, int, int, int]:
        """Fill the z-buffer; returns the pixels that the mesh may touch."""
        buffers, faces = self._buffers, self._topology.faces
        any_behind = geometry.project_vertices(verts, K, self._side, buffers.points)
        x0, y0, x1, y1 = geometry.pixel_bounds(buffers.points, any_behind, self._side, width, height)
        buffers.inverse_depth[y0 * self._side : y1 * self._side, x0 * self._side : x1 * self._side] = 0.0
        zbuffer.rasterise(buffers.points, faces, buffers.inverse_depth, buffers.face_ids)
        if any_behind:
            zbuffer.rasterise_clipped(
                verts, buffers.points, faces, K, self._side, buffers.inverse_depth, buffers.face_ids
            )  # fmt: skip
        return x0, y0, x1, y1

    def _colour(self, scene: RenderScene, verts: np.ndarray, K: np.ndarray, bounds: tuple, rgb: np.ndarray) -> None:
        buffers, topology = self._buffers, self._topology
        height, width = buffers.shape
        geometry.vertex_normals(verts, topology.faces, buffers.normals)
        light_maps.mark_in_view(buffers.points, width * self._side, height * self._side, buffers.in_view)
        self._occlude(verts)
        geometry.pack_vertices(buffers.normals, scene.vertex_tint, buffers.openness, buffers.packed)
        topology.is_plane_ready[:] = 0
        mesh = surface.Mesh(
            verts, topology.faces, topology.corner_uv, buffers.packed, topology.planes, topology.is_plane_ready
        )
        texture = np.ascontiguousarray(scene.texture)
        skin = surface.Skin(texture, self._linear_of_srgb, self._relief, np.float32(scene.material.bump))
        resolve.resolve_colour(
            buffers.inverse_depth, buffers.face_ids, self._side, bounds, np.linalg.inv(K), mesh, skin,
            self._shadow_map(scene, verts), lighting_arrays(scene),
            self._linear_of_srgb, self._srgb_of_linear, buffers.linear_rgb, buffers.coverage, rgb,
        )  # fmt: skip

    def _occlude(self, verts: np.ndarray) -> None:
        buffers = self._buffers
        if len(self._directions) == 0:
            buffers.openness[:] = 1.0
            return
        occlusion.vertex_occlusion(
            verts, buffers.normals, self._topology.faces, buffers.in_view, self._directions,
            buffers.light_points, self._occlusion_heights, self._occlusion_faces, buffers.openness,
        )  # fmt: skip

    def _shadow_map(self, scene: RenderScene, verts: np.ndarray) -> surface.ShadowMap:
        if not self._has_shadow:
            return surface.ShadowMap(self._shadow_heights, np.zeros((3, 4), np.float32), np.float32(1))
        direction = np.ascontiguousarray(scene.lights.directions[0], np.float64)
        buffers = self._buffers
        matrix, texel_m = light_maps.draw_light_map(
            verts, self._topology.faces, buffers.in_view, direction,
            buffers.light_points, self._shadow_heights, self._shadow_faces,
        )  # fmt: skip
        return surface.ShadowMap(self._shadow_heights, matrix.astype(np.float32), np.float32(texel_m))

    def _fit_buffers(self, height: int, width: int, num_verts: int) -> None:
        buffers = self._buffers
        if buffers.shape != (height, width):
            samples = (height * self._side, width * self._side)
            buffers.inverse_depth, buffers.face_ids = np.zeros(samples, np.float32), np.zeros(samples, np.uint32)
            buffers.linear_rgb = np.zeros((height, width, 3), np.float32)
            buffers.coverage = np.zeros((height, width), np.float32)
            buffers.shape = (height, width)
        if buffers.num_verts != num_verts:
            buffers.points, buffers.light_points = np.zeros((num_verts, 3)), np.zeros((num_verts, 3))
            buffers.normals, buffers.packed = np.zeros((num_verts, 3)), np.zeros((num_verts, 8), np.float32)
            buffers.openness, buffers.in_view = np.ones(num_verts, np.float32), np.zeros(num_verts, np.bool_)
            buffers.num_verts = num_verts
