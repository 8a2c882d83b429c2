"""Colour: kernels against slow references, and light that must come out as arithmetic says."""

import dataclasses

import numpy as np
import pytest

from synth.render import Lights, Material
from synth.render.kernels import shading, surface
from synth.render.raster import RasterRenderer
from synth.render.scene_arrays import lighting_arrays, sphere_directions, srgb_tables
from synth.render.skin_relief import relief_slopes
from tests.synth.render import reference, scenes


def unit(vectors: np.ndarray) -> np.ndarray:
    return vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)


def test_shade_block_equals_the_slow_reference():
    rng = np.random.default_rng(0)
    scene = scenes.hand_scene(0, 32)
    count = 200
    rows = np.zeros((surface.SURFACE_ROWS, surface.BLOCK), np.float32)
    eye = unit(rng.normal(size=(count, 3)))
    normal = unit(eye + 0.8 * unit(rng.normal(size=(count, 3))))
    albedo, openness, lit = rng.uniform(0, 0.9, (count, 3)), rng.random(count), rng.random(count)
    rows[:, :count] = np.concatenate([3 * normal.T, 0.5 * eye.T, albedo.T, openness[None], lit[None]])
    found = np.zeros((3, surface.BLOCK), np.float32)
    shading.shade_block(count, rows, lighting_arrays(scene), found)
    for i in range(count):
        expected = reference.radiance(
            normal[i], eye[i], albedo[i], openness[i], lit[i], scene.lights, scene.material
        )  # fmt: skip
        np.testing.assert_allclose(found[:, i], expected, rtol=2e-4, atol=2e-5)


def test_single_pixels_equal_the_slow_reference():
    pytest.importorskip("embreex")
    renderer = RasterRenderer(samples_per_side=1, occlusion_directions=0, shadow_map_px=0)
    scene = scenes.hand_scene(5, 96)
    output = renderer.render(scene)
    _, faces = reference.cast_rays(scene.verts_cam, scene.topology.faces, scene.camera.K, 96, 96)
    normals = reference.smooth_normals(scene.verts_cam, scene.topology.faces.astype(int))
    rows, columns = np.nonzero(faces >= 0)
    worst = []
    for i in range(0, len(rows), len(rows) // 80):
        v, u = rows[i], columns[i]
        worst.append(np.abs(output.rgb[v, u] - reference.pixel(scene, normals, faces[v, u], u, v)).max())
    assert len(worst) >= 80
    assert np.median(worst) < 1.0
    assert np.mean(np.array(worst) > 2.0) <= 0.03


def test_texture_is_read_bilinearly_in_linear_light_and_repeats():
    rng = np.random.default_rng(1)
    texture = rng.integers(0, 256, (8, 8, 3)).astype(np.uint8)
    table, _ = srgb_tables()
    texel = surface._texel
    for u, v in [(0.3, 0.7), (0.0, 0.0), (1.0, 1.0), (-0.4, 1.6), (0.999, 0.001)]:
        found = texel(texture, table, np.float32(u), np.float32(1 - v))
        np.testing.assert_allclose(found, reference.bilinear(texture, u, v), atol=1e-5)


def test_flat_light_on_a_grey_plane_gives_albedo_times_light():
    verts, faces = scenes.quad(0.5, 0.2)
    scene = scenes.mesh_scene(verts, faces, scenes.camera(32), lights=scenes.flat_light(0.8))
    rgb = RasterRenderer().render(scene).rgb
    expected = reference.encoded(reference.linear(188) * 0.8)
    assert np.abs(rgb.astype(int) - expected).max() <= 1


def test_edges_mix_with_the_background_in_linear_light_by_coverage():
    cam = scenes.camera(16, focal_px=100.0)
    verts, faces = scenes.quad(1.0, 1.0)
    verts[[0, 3], 0] = (5 + 0.5 - cam.K[0, 2] - 1 / 3) / 100.0
    scene = scenes.mesh_scene(verts, faces, cam)
    scene = dataclasses.replace(scene, background=np.full((16, 16, 3), 40, np.uint8))
    row = RasterRenderer(occlusion_directions=0).render(scene).rgb[8, :, 0]
    full, back = reference.linear(188) * 0.8, reference.linear(40)
    assert row[4] == 40
    assert row[5] == pytest.approx(reference.encoded(full / 3 + back * 2 / 3), abs=1)
    assert row[6] == pytest.approx(reference.encoded(full), abs=1)


def test_a_sphere_is_open_everywhere_and_the_floor_of_a_pit_is_not():
    renderer = RasterRenderer()
    verts, faces = scenes.sphere(0.05, np.array([0, 0, 0.5]))
    renderer.render(scenes.mesh_scene(verts, faces, scenes.camera(64)))
    facing = verts[:, 2] < 0.49
    assert renderer._buffers.openness[facing].min() > 0.97
    shallow, deep = _pit_openness(renderer, 0.01), _pit_openness(renderer, 0.08)
    assert deep < 0.7 and deep < shallow - 0.1


def _pit_openness(renderer: RasterRenderer, depth: float) -> float:
    """Mean openness at the bottom of a square pit 4 cm wide that opens towards the camera."""
    corners = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]]) * 0.02
    verts = np.concatenate([np.insert(corners, 2, 0.5, 1), np.insert(corners, 2, 0.5 + depth, 1)])
    inside = [[0, 4, 5], [0, 5, 1], [1, 5, 6], [1, 6, 2], [2, 6, 7], [2, 7, 3], [3, 7, 4], [3, 4, 0]]
    outside = [[a, c, b] for a, b, c in inside]
    bottom = [[4, 7, 6], [4, 6, 5]]
    cam = scenes.camera(64, focal_px=300)
    renderer.render(scenes.mesh_scene(verts, np.array(inside + outside + bottom), cam))
    return float(renderer._buffers.openness[4:].mean())


def test_a_plate_casts_a_shadow_of_the_first_light_only():
    floor, floor_faces = scenes.quad(0.6, 0.15)
    plate, plate_faces = scenes.quad(0.5, 0.02)
    back = plate + np.array([0, 0, 0.004])
    verts = np.concatenate([floor, plate, back])
    faces = np.concatenate([floor_faces, plate_faces + 4, plate_faces[:, ::-1] + 8])
    towards = unit(np.array([0.6, 0.0, -0.8]))
    colours = np.zeros((3, 3))
    colours[0] = 0.7
    lights = Lights(np.zeros((9, 3)), np.stack([towards] * 3), colours)
    cam = scenes.camera(96, focal_px=200.0)
    renderer = RasterRenderer(occlusion_directions=0)
    rgb = renderer.render(scenes.mesh_scene(verts, faces, cam, lights=lights)).rgb[..., 0].astype(int)
    middle = np.array([0, 0, 0.5]) - towards * 0.1 / 0.8
    u, v = np.round(cam.project(middle)).astype(int)
    lit_u = round(cam.project(np.array([0.09, 0, 0.6]))[0])
    for column, lit in ((lit_u, 1.0), (u, 0.0)):
        eye = -unit(np.linalg.inv(cam.K) @ [column, v, 1.0])
        grey = np.full(3, reference.linear(188))
        light = reference.radiance(np.array([0, 0, -1.0]), eye, grey, 1.0, lit, lights, scenes.MATT)
        assert rgb[v, column] == pytest.approx(reference.encoded(light)[0], abs=1.5)
    assert rgb[v, u] < rgb[v, lit_u] - 40
    second = dataclasses.replace(lights, colours=np.roll(colours, 1, 0))
    unshadowed = renderer.render(scenes.mesh_scene(verts, faces, cam, lights=second)).rgb[..., 0].astype(int)
    assert abs(unshadowed[v, u] - unshadowed[v, lit_u]) <= 2


def test_a_highlight_is_brightest_where_the_light_is_mirrored():
    verts, faces = scenes.sphere(0.05, np.array([0, 0, 0.5]), rings=40)
    lights = dataclasses.replace(scenes.DARK, colours=np.array([[0.5] * 3, [0] * 3, [0] * 3]))
    scene = scenes.mesh_scene(verts, faces, scenes.camera(65), lights=lights)
    shiny = dataclasses.replace(scene, material=Material(bump=0.0, roughness=0.3, specular=1.0))
    renderer = RasterRenderer(occlusion_directions=0)
    extra = renderer.render(shiny).rgb.astype(int) - renderer.render(scene).rgb
    assert np.unravel_index(extra[..., 0].argmax(), (65, 65)) == pytest.approx((32, 32), abs=2)
    assert extra[32, 32, 0] > 20 and abs(extra[32, 12, 0]) < 10


def test_relief_repeats_and_has_no_mean_slope():
    slopes = relief_slopes(128)
    assert slopes.shape == (128, 128, 2)
    np.testing.assert_allclose(slopes.mean((0, 1)), 0, atol=1e-6)
    assert 0.2 < slopes.std() < 1.0
    np.testing.assert_array_equal(slopes, relief_slopes(128))


def test_srgb_tables_are_inverse_to_each_other():
    to_linear, to_srgb = srgb_tables()
    np.testing.assert_allclose(to_linear, reference.linear(np.arange(256)), atol=1e-6)
    assert (to_srgb[np.round(to_linear * 4095).astype(int)] - np.arange(256)).max() <= 1
    assert to_srgb[0] == 0 and to_srgb[-1] == 255


def test_sphere_directions_are_even():
    directions = sphere_directions(12)
    np.testing.assert_allclose(np.linalg.norm(directions, axis=1), 1)
    np.testing.assert_allclose(directions.mean(0), 0, atol=0.03)
    np.testing.assert_allclose(directions.T @ directions / 12, np.eye(3) / 3, atol=0.05)
