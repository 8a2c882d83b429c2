"""Which pixels the mesh covers and how deep: against exact ray casting, and against analytic planes."""

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from synth.geometry.camera import Camera
from synth.render.kernels import geometry, zbuffer
from synth.render.raster import RasterRenderer
from tests.synth.render import reference, scenes


@pytest.fixture(scope="module")
def plain():
    return RasterRenderer(occlusion_directions=0, shadow_map_px=0)


def test_depth_and_silhouette_equal_ray_casting_on_posed_hands(plain):
    pytest.importorskip("embreex")
    errors_mm, wrong = [], 0
    for seed in range(20):
        scene = scenes.hand_scene(seed, 128)
        depth_m = plain.render(scene).depth_m
        exact, _ = reference.cast_rays(scene.verts_cam, scene.topology.faces, scene.camera.K, 128, 128)
        wrong += int(((depth_m > 0) != (exact > 0)).sum())
        both = (depth_m > 0) & (exact > 0)
        errors_mm.append(1000 * np.abs(depth_m - exact)[both])
    errors = np.concatenate(errors_mm)
    assert len(errors) > 20 * 500
    assert wrong == 0
    assert np.median(errors) < 1e-3
    assert np.percentile(errors, 99) < 0.01


@pytest.mark.parametrize("seed", range(6))
def test_nothing_is_drawn_across_the_hole_of_an_ok_sign(seed):
    """At 512 px each pixel is as fine as a sub-sample of a small image: a stray line of samples would show."""
    pytest.importorskip("embreex")
    renderer = RasterRenderer(samples_per_side=1, occlusion_directions=0, shadow_map_px=0)
    scene = scenes.hand_scene(seed, 512, scenes.gesture("ok"))
    depth_m = renderer.render(scene).depth_m
    exact, _ = reference.cast_rays(scene.verts_cam, scene.topology.faces, scene.camera.K, 512, 512)
    assert ((depth_m > 0) != (exact > 0)).sum() == 0


def test_a_plane_has_its_depth_at_pixel_centres(plain):
    cam = scenes.camera(64, width=80)
    verts, faces = scenes.quad(0.5, 0.05)
    verts[:, 2] = 0.5 + 0.4 * verts[:, 0] - 0.2 * verts[:, 1]
    depth_m = plain.render(scenes.mesh_scene(verts, faces, cam)).depth_m
    v, u = np.nonzero(depth_m)
    rays = np.stack([u, v, np.ones_like(u)], -1) @ np.linalg.inv(cam.K).T
    expected = 0.5 / (1 - 0.4 * rays[:, 0] + 0.2 * rays[:, 1])
    assert len(u) > 500
    np.testing.assert_allclose(depth_m[v, u], expected, atol=2e-7)


def test_pixel_centres_are_at_whole_numbers(plain):
    """A square from u = 10 - eps to 20 - eps covers columns 10 to 19 and no other."""
    cam = Camera(np.array([[100.0, 0, 0], [0, 100.0, 0], [0, 0, 1]]), 40, 30)
    verts, faces = scenes.quad(1.0, 0.05, cx=0.1499, cy=0.1499)
    segmentation = plain.render(scenes.mesh_scene(verts, faces, cam, part=7)).segmentation
    rows, columns = np.nonzero(segmentation == 7)
    assert (columns.min(), columns.max(), rows.min(), rows.max()) == (10, 19, 10, 19)
    assert (segmentation > 0).sum() == 100


def test_projected_vertices_agree_with_the_camera():
    scene = scenes.hand_scene(3, 96)
    points = np.zeros((len(scene.verts_cam), 3))
    assert not geometry.project_vertices(scene.verts_cam, scene.camera.K, 3, points)
    np.testing.assert_allclose((points[:, :2] - 1) / 3, scene.camera.project(scene.verts_cam), atol=1e-9)
    np.testing.assert_allclose(points[:, 2], 1 / scene.verts_cam[:, 2])


@settings(max_examples=60, deadline=None)
@given(
    rim=hnp.arrays(float, 9, elements=st.floats(0.5, 14)),
    centre=st.tuples(st.floats(-0.4, 0.4), st.floats(-0.4, 0.4)),
    on_grid=st.booleans(),
)
def test_each_sample_of_a_fan_belongs_to_exactly_one_triangle(rim, centre, on_grid):
    angle = -np.arange(9) * 2 * np.pi / 9
    points = np.ones((10, 3))
    points[:9, :2] = 16 + rim[:, None] * np.stack([np.cos(angle), np.sin(angle)], -1)
    points[9, :2] = np.array(centre) + 16
    if on_grid:
        points[:, :2] = np.round(points[:, :2])
    fan = np.array([[i, (i + 1) % 9, 9] for i in range(9)], np.int32)
    area = np.cross(points[fan[:, 1]] - points[fan[:, 0]], points[fan[:, 2]] - points[fan[:, 0]])[:, 2]
    counted = np.zeros((33, 33), int)
    for triangle in fan[area < 0]:
        counted += _covered(points, triangle[None])
    if (area <= 0).all():
        assert counted.max() <= 1
        assert (counted > 0).sum() == _covered(points, fan).sum()
        row, column = np.rint(points[9, [1, 0]]).astype(int)
        if rim.min() > 3 and not on_grid:
            assert counted[row, column] == 1


def _covered(points: np.ndarray, faces: np.ndarray) -> np.ndarray:
    depth, ids = np.zeros((33, 33), np.float32), np.zeros((33, 33), np.int32)
    zbuffer.rasterise(points, np.ascontiguousarray(faces), depth, ids)
    return depth > 0


@settings(max_examples=300, deadline=None)
@example(values=np.array([[0.0, 1], [1, 1], [1, 1]]), sliver=1e-10)
@given(values=hnp.arrays(float, (3, 2), elements=st.floats(-1e9, 1e9)), sliver=st.floats(0, 1e-6))
def test_slivers_and_giants_stay_inside_themselves(values, sliver):
    points = np.ones((3, 3))
    points[:, :2] = values
    points[2, :2] = 0.5 * (values[0] + values[1]) + sliver
    drawn = _covered(points, np.array([[0, 1, 2]], np.int32)) | _covered(points, np.array([[0, 2, 1]], np.int32))
    rows, columns = np.nonzero(drawn)
    low, high = points[:, :2].min(0) - 1e-6, points[:, :2].max(0) + 1e-6  # doubles of 1e9 resolve 1e-7
    assert ((columns >= low[0]) & (columns <= high[0]) & (rows >= low[1]) & (rows <= high[1])).all()


def test_what_crosses_the_near_plane_is_cut_and_the_rest_stays_exact(plain):
    cam = scenes.camera(64)
    verts = np.array([[-0.5, 0.05, -1.0], [0.5, 0.05, -1.0], [0.0, 0.05, 1.5]])
    output = plain.render(scenes.mesh_scene(verts, np.array([[0, 1, 2]]), cam))
    floor = plain.render(scenes.mesh_scene(verts, np.array([[0, 2, 1]]), cam))
    depth_m = np.maximum(output.depth_m, floor.depth_m)
    rows, columns = np.nonzero(depth_m)
    rays_y = (rows - cam.K[1, 2]) / cam.K[1, 1]
    assert len(rows) > 300
    np.testing.assert_allclose(depth_m[rows, columns], 0.05 / rays_y, rtol=1e-5)
    assert np.isfinite(depth_m).all()


def test_a_mesh_behind_the_camera_leaves_the_background(plain):
    verts, faces = scenes.quad(-0.5, 0.05)
    output = plain.render(scenes.mesh_scene(verts, faces, scenes.camera(32)))
    assert not output.depth_m.any() and not output.segmentation.any() and not output.rgb.any()


def test_faces_that_turn_away_are_culled_and_closed_meshes_have_no_hole(plain):
    verts, faces = scenes.quad(0.5, 0.05)
    away = plain.render(scenes.mesh_scene(verts, faces[:, ::-1], scenes.camera(32)))
    assert not away.depth_m.any()
    verts, faces = scenes.sphere(0.05, np.array([0, 0, 0.5]))
    cam = scenes.camera(64)
    depth_m = plain.render(scenes.mesh_scene(verts, faces, cam)).depth_m
    u, v = np.meshgrid(np.arange(64), np.arange(64))
    distance_px = np.hypot(u - cam.K[0, 2], v - cam.K[1, 2])
    assert (depth_m[distance_px < 12] < 0.5).all() and (depth_m[distance_px < 12] > 0.44).all()
