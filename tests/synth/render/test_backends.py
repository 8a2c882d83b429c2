"""What every renderer has to hold to: conventions, agreement with the default one, and with the projected joints."""

import dataclasses
from functools import cache

import numpy as np
import pytest
from scipy.ndimage import binary_erosion

from synth.geometry.camera import Camera
from synth.render import Lights, MeshTopology
from tests.synth.render import backends, scenes

NUM_SCENES = 50
SIZE_PX = 96


@pytest.fixture(scope="module", params=backends.NAMES)
def renderer(request):
    return backends.make(request.param)


@cache
def default_images():
    """The scenes that ``generate`` would draw, and the default renderer's images of them."""
    drawn = [scenes.sampled_scene(seed, SIZE_PX).render for seed in range(NUM_SCENES)]
    return drawn, [backends.make("raster").render(scene) for scene in drawn]


def compare(images, expected):
    """Intersection over union of the masks, share of equal part ids, depth errors in mm off the silhouettes."""
    masks = np.stack([[o.depth_m > 0 for o in each] for each in (images, expected)])
    parts = np.stack([[o.segmentation for o in each] for each in (images, expected)])
    both = masks.all(0)
    inside = np.stack([binary_erosion(m, np.ones((3, 3))) for m in both])
    errors_mm = 1000 * np.abs(np.stack([a.depth_m - b.depth_m for a, b in zip(images, expected, strict=True)]))
    return both.sum() / masks.any(0).sum(), (parts[0] == parts[1])[both].mean(), errors_mm[inside]


@pytest.mark.parametrize("name", [name for name in backends.NAMES if name != "raster"])
def test_fifty_drawn_scenes_agree_with_the_default_renderer(name):
    other = backends.make(name, **({} if name == "opengl" else {"samples_per_side": 1}))
    drawn, expected = default_images()
    images = [other.render(scene) for scene in drawn]
    iou, same_parts, errors_mm = compare(images, expected)
    assert len(errors_mm) > NUM_SCENES * 500
    assert iou > 0.999
    assert same_parts > 0.999
    assert np.median(errors_mm) < 0.001
    assert np.percentile(errors_mm, 99) < 0.05
    for image, default, scene in zip(images, expected, drawn, strict=True):
        hand = binary_erosion(default.depth_m > 0)
        assert (image.rgb.dtype, image.depth_m.dtype, image.segmentation.dtype) == (np.uint8, np.float32, np.uint8)
        assert np.abs(image.rgb[hand].astype(int) - default.rgb[hand]).mean() < 25
        beside = ~binary_erosion(default.depth_m == 0, np.ones((3, 3)), border_value=1) & (default.depth_m == 0)
        np.testing.assert_array_equal(
            image.rgb[(default.depth_m == 0) & ~beside], scene.background[(default.depth_m == 0) & ~beside]
        )


@pytest.mark.parametrize("name", ["raster", "torch", "pytorch3d"])
def test_sub_samples_change_nothing_but_colour(name):
    for scene in default_images()[0][:3]:
        one, many = (backends.make(name, samples_per_side=side).render(scene) for side in (1, 3))
        np.testing.assert_array_equal(one.segmentation, many.segmentation)
        np.testing.assert_allclose(one.depth_m, many.depth_m, atol=1e-5)
        assert 0.005 < (one.rgb != many.rgb).any(-1).mean() < 0.5


def test_pytorch3ds_own_rasteriser_agrees_too():
    other = backends.make("pytorch3d", rasterizer="pytorch3d", samples_per_side=1)
    drawn, expected = default_images()
    iou, same_parts, errors_mm = compare([other.render(scene) for scene in drawn[:4]], expected[:4])
    assert iou > 0.999 and same_parts > 0.999 and np.median(errors_mm) < 0.001


def rendered_tip(renderer, camera: Camera, tip: np.ndarray) -> np.ndarray:
    """Where the tip of a pyramid is in the picture, pixels: the place where the planes of its four sides meet, each
    fitted to 1 / z, which is linear in the picture."""
    away = tip / np.linalg.norm(tip)
    aside = np.cross(away, [0.0, 1.0, 0.0])
    aside /= np.linalg.norm(aside)
    above = np.cross(away, aside)
    base = tip + 0.03 * away + 0.05 * np.stack([aside + above, aside - above, -aside - above, -aside + above])
    faces = np.array([[0, 1 + k, 1 + (k + 1) % 4] for k in range(4)])
    scene = scenes.mesh_scene(np.vstack([tip, base]), faces, camera)
    topology = MeshTopology(faces, scene.topology.uv, faces, np.arange(1, 5, dtype=np.uint8))
    image = renderer.render(dataclasses.replace(scene, topology=topology))
    planes = []
    for part in range(1, 5):
        rows, columns = np.nonzero(image.segmentation == part)
        assert len(rows) > 20
        known = np.stack([columns, rows, np.ones(len(rows))], -1)
        planes.append(np.linalg.lstsq(known, 1.0 / image.depth_m[rows, columns].astype(float), rcond=None)[0])
    slopes_u, slopes_v, constants = np.transpose(planes)
    return np.linalg.lstsq(np.stack([slopes_u, slopes_v, -np.ones(4)], -1), -constants, rcond=None)[0][:2]


def test_projected_joints_are_where_they_are_rendered(renderer):
    errors_px = []
    for seed in range(3):
        scene = scenes.sampled_scene(seed, SIZE_PX)
        joints_px = scene.render.camera.project(scene.joints_cam)
        is_inside = ((joints_px > 12) & (joints_px < SIZE_PX - 13)).all(1)
        for joint_cam, joint_px in list(zip(scene.joints_cam[is_inside], joints_px[is_inside], strict=True))[::3]:
            errors_px.append(np.linalg.norm(rendered_tip(renderer, scene.render.camera, joint_cam) - joint_px))
    assert len(errors_px) > 15
    assert max(errors_px) < 0.05


def test_a_plane_has_its_depth_at_pixel_centres_of_any_camera(renderer):
    cam = Camera(np.array([[90.0, 4.0, 37.3], [0, 110.0, 29.1], [0, 0, 1]]), 80, 64)
    verts, faces = scenes.quad(0.5, 0.08)
    verts[:, 2] = 0.5 + 0.4 * verts[:, 0] - 0.2 * verts[:, 1]
    depth_m = renderer.render(scenes.mesh_scene(verts, faces, cam)).depth_m
    v, u = np.nonzero(depth_m)
    rays = np.stack([u, v, np.ones_like(u)], -1) @ np.linalg.inv(cam.K).T
    assert len(u) > 500
    np.testing.assert_allclose(depth_m[v, u], 0.5 / (1 - 0.4 * rays[:, 0] + 0.2 * rays[:, 1]), atol=1e-5)
    outline_px = cam.project(verts)
    assert (u.min(), v.min()) == pytest.approx(outline_px.min(0), abs=1)
    assert (u.max(), v.max()) == pytest.approx(outline_px.max(0), abs=1)


def test_pixel_centres_are_at_whole_numbers(renderer):
    cam = Camera(np.array([[100.0, 0, 0], [0, 100.0, 0], [0, 0, 1]]), 40, 30)
    verts, faces = scenes.quad(1.0, 0.05, cx=0.148, cy=0.148)
    segmentation = renderer.render(scenes.mesh_scene(verts, faces, cam, part=7)).segmentation
    rows, columns = np.nonzero(segmentation == 7)
    assert (columns.min(), columns.max(), rows.min(), rows.max()) == (10, 19, 10, 19)
    assert (segmentation > 0).sum() == 100


def test_what_crosses_the_near_plane_is_cut_and_the_rest_stays_exact(renderer):
    cam = scenes.camera(64)
    verts = np.array([[-0.5, 0.05, -1.0], [0.5, 0.05, -1.0], [0.0, 0.05, 1.5]])
    up, down = (renderer.render(scenes.mesh_scene(verts, np.array([f]), cam)) for f in ([0, 1, 2], [0, 2, 1]))
    depth_m = np.maximum(up.depth_m, down.depth_m)
    rows, columns = np.nonzero(depth_m)
    assert len(rows) > 300 and not (up.depth_m.any() and down.depth_m.any())
    np.testing.assert_allclose(depth_m[rows, columns], 0.05 * cam.K[1, 1] / (rows - cam.K[1, 2]), rtol=1e-4)


@pytest.mark.parametrize("turned", [False, True])
def test_what_lies_behind_or_turns_away_leaves_the_background(renderer, turned):
    verts, faces = scenes.quad(0.5 if turned else -0.5, 0.05)
    scene = scenes.mesh_scene(verts, faces[:, ::-1] if turned else faces, scenes.camera(32))
    output = renderer.render(dataclasses.replace(scene, background=np.full((32, 32, 3), 77, np.uint8)))
    assert not output.depth_m.any() and not output.segmentation.any() and (output.rgb == 77).all()


def test_light_comes_from_the_side_of_the_lamp(renderer):
    verts, faces = scenes.sphere(0.05, np.array([0, 0, 0.5]))
    for towards in ([-1.0, 0, -1], [1.0, 0, -1], [0, -1.0, -1], [0, 1.0, -1]):
        direction = np.array(towards) / np.sqrt(2)
        lights = Lights(np.zeros((9, 3)), np.stack([direction] * 3), np.array([[0.8] * 3, [0] * 3, [0] * 3]))
        sky = np.zeros((9, 3))
        sky[0], sky[[3, 1]] = 0.5, 0.4 * direction[:2, None]
        for light in (lights, dataclasses.replace(scenes.DARK, ambient_sh=sky)):
            image = renderer.render(scenes.mesh_scene(verts, faces, scenes.camera(48), lights=light)).rgb.sum(-1)
            rows, columns = np.nonzero(np.ones_like(image))
            centre = np.array([columns, rows]) @ image.flatten() / image.sum() - 23.5
            assert centre @ direction[:2] > 0.2
            assert abs(centre @ direction[1::-1]) < 0.5 * (centre @ direction[:2])


def test_edges_are_mixed_with_the_background_and_the_scene_is_left_alone(renderer):
    scene = scenes.hand_scene(1, 48)
    white = dataclasses.replace(scene, background=np.full((48, 48, 3), 255, np.uint8), lights=scenes.DARK)
    image = renderer.render(white)
    kept = image.rgb.copy()
    between = (image.rgb > 20) & (image.rgb < 235)
    assert 60 < between.all(-1).sum() < 600
    renderer.render(scenes.hand_scene(2, 64))
    np.testing.assert_array_equal(image.rgb, kept)
    assert (white.background == 255).all()


def test_a_scene_that_does_not_fit_is_refused(renderer):
    scene = scenes.mesh_scene(*scenes.quad(0.5, 0.05), scenes.camera(32))
    with pytest.raises(ValueError, match="verts_cam is nan or inf"):
        renderer.render(dataclasses.replace(scene, verts_cam=np.full((4, 3), np.nan)))
    renderer.render(scene)
