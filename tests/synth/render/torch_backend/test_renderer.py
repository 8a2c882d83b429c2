"""The torch renderer's colour and batches; what it shares with the other renderers is in ``test_backends``."""

import dataclasses

import numpy as np
import pytest
import torch

from synth.render import get_renderer
from synth.render.raster import RasterRenderer
from synth.render.torch_backend.interpolate import linear_of_srgb, srgb_of_linear, texture_colour, vertex_normals
from synth.render.torch_backend.lighting import LightBatch, radiance
from synth.render.torch_backend.renderer import render_batch
from synth.render.torch_backend.scene_batch import batch_scenes
from tests.synth.render import reference, scenes


def test_radiance_equals_the_slow_reference():
    rng = np.random.default_rng(0)
    both = [scenes.hand_scene(seed, 8) for seed in range(2)]
    lights = batch_scenes([dataclasses.replace(s, verts_cam=both[0].verts_cam) for s in both]).lights
    count = 200
    which = rng.integers(0, 2, count)
    eye = rng.normal(size=(count, 3)) * 0.5
    normal = -eye / np.linalg.norm(eye, axis=1, keepdims=True) + 0.7 * rng.normal(size=(count, 3)) / np.sqrt(3)
    albedo = rng.uniform(0, 0.9, (count, 3))
    arrays = (torch.as_tensor(a, dtype=torch.float32) for a in (3 * normal, eye, albedo))
    found = radiance(lights, torch.as_tensor(which), *arrays).numpy()
    for i in range(count):
        unit, to_eye = normal[i] / np.linalg.norm(normal[i]), -eye[i] / np.linalg.norm(eye[i])
        scene = both[which[i]]
        expected = reference.radiance(unit, to_eye, albedo[i], 1.0, 1.0, scene.lights, scene.material)
        np.testing.assert_allclose(found[i], expected, rtol=2e-4, atol=2e-5)


def test_texture_is_read_bilinearly_in_linear_light_and_repeats():
    rng = np.random.default_rng(1)
    textures = rng.integers(0, 256, (2, 8, 8, 3)).astype(np.uint8)
    uv = np.array([(0.3, 0.7), (0.0, 0.0), (1.0, 1.0), (-0.4, 1.6), (0.999, 0.001)])
    for number, texture in enumerate(textures):
        found = texture_colour(torch.as_tensor(textures), torch.full((5,), number), torch.as_tensor(uv))
        expected = [reference.bilinear(texture, u, v) for u, v in uv]
        np.testing.assert_allclose(found.numpy(), expected, atol=1e-9)


def test_normals_equal_the_slow_reference_and_loose_vertices_face_the_camera():
    scene = scenes.hand_scene(3, 8)
    faces = scene.topology.faces.astype(int)
    verts = np.vstack([scene.verts_cam, [[0, 0, 1.0]]])
    found = vertex_normals(torch.as_tensor(verts[None]), torch.as_tensor(faces))[0].numpy()
    np.testing.assert_allclose(found[:-1], reference.smooth_normals(scene.verts_cam, faces), atol=1e-9)
    np.testing.assert_array_equal(found[-1], [0, 0, -1])


def test_srgb_is_that_of_the_reference_and_its_own_inverse():
    values = torch.arange(256, dtype=torch.float64)
    np.testing.assert_allclose(linear_of_srgb(values / 255), reference.linear(values.numpy()), atol=1e-12)
    np.testing.assert_allclose(255 * srgb_of_linear(linear_of_srgb(values / 255)), values, atol=1e-3)


def test_colour_is_the_default_renderers_without_shadow_occlusion_and_relief():
    plain = RasterRenderer(occlusion_directions=0, shadow_map_px=0)
    for seed in range(3):
        scene = scenes.hand_scene(seed, 64)
        scene = dataclasses.replace(scene, material=dataclasses.replace(scene.material, bump=0.0))
        found, expected = get_renderer("torch")().render(scene).rgb, plain.render(scene).rgb
        differences = np.abs(found.astype(int) - expected).max(-1)
        assert np.median(differences[expected.any(-1)]) <= 1
        # where a pixel's texture varies, one shades its centre and the other each sub-sample
        assert np.percentile(differences, 90) <= 12


def test_a_batch_equals_its_scenes_one_by_one_whatever_the_bound_on_memory():
    drawn = [scenes.sampled_scene(seed, 48).render for seed in range(5)]
    assert len({id(s.topology) for s in drawn}) == 2, "bare and sleeved arms"
    batch = batch_scenes(drawn)
    assert 1 < len(batch.textures) <= 5
    together = render_batch(batch)
    piecewise = render_batch(batch, max_samples=48 * 48 * 9 * 2 + 1)
    renderer = get_renderer("torch")()
    for number, scene in enumerate(drawn):
        alone = renderer.render(scene)
        for images in (together, piecewise):
            np.testing.assert_array_equal(images.rgb[number], alone.rgb)
            np.testing.assert_array_equal(images.depth_m[number], alone.depth_m)
            np.testing.assert_array_equal(images.segmentation[number], alone.segmentation)
    sleeve = 18
    assert any((image == sleeve).any() for image in together.segmentation)


def test_scenes_of_other_meshes_or_sizes_make_no_batch():
    hand, plate = scenes.hand_scene(0, 32), scenes.mesh_scene(*scenes.quad(0.5, 0.05), scenes.camera(32))
    for other in (plate, scenes.hand_scene(0, 40), dataclasses.replace(hand, texture=hand.texture[:32, :32])):
        with pytest.raises(ValueError, match="scenes of one batch"):
            batch_scenes([hand, other])


def test_lights_are_taken_in_the_order_of_the_scenes():
    both = [scenes.hand_scene(seed, 16) for seed in (0, 1)]
    lights = batch_scenes(both).lights
    assert isinstance(lights, LightBatch)
    np.testing.assert_allclose(lights.colours[1], both[1].lights.colours, rtol=1e-6)
    np.testing.assert_allclose(batch_scenes(both).part(slice(1, 2)).lights.colours, lights.colours[1:])


@pytest.mark.parametrize("options", [{"samples_per_side": 2}, {"samples_per_side": 0}, {"device": "tpu"}])
def test_options_out_of_range_are_refused(options):
    with pytest.raises(ValueError, match=next(iter(options))):
        get_renderer("torch")(**options)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device here")
def test_a_device_that_is_not_there_is_refused():
    with pytest.raises(ValueError, match=r"device=cuda:0 .* no CUDA device"):
        get_renderer("torch")(device="cuda:0")


@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device here")
def test_cuda_gives_the_same_pictures():
    drawn = [scenes.sampled_scene(seed, 64).render for seed in range(3)]
    here, there = render_batch(batch_scenes(drawn)), render_batch(batch_scenes(drawn, "cuda"))
    assert (here.segmentation != there.segmentation.cpu()).float().mean() < 1e-3
    assert (here.rgb.int() - there.rgb.cpu().int()).abs().float().mean() < 0.1
