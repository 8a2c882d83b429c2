"""``RasterRenderer`` as its callers meet it: ownership, repeatability, refusals, and the registry."""

import dataclasses
import resource
import subprocess
import sys

import numpy as np
import pytest

from synth.render import MeshTopology, get_renderer
from synth.render.raster import RasterRenderer
from tests.synth.render import scenes


@pytest.fixture(scope="module")
def renderer():
    return get_renderer("raster")()


def test_an_unknown_renderer_lists_the_legal_ones():
    with pytest.raises(ValueError, match="renderer=vulkan is unknown; legal: opengl, pytorch3d, raster, torch"):
        get_renderer("vulkan")


def test_types_and_sizes(renderer):
    output = renderer.render(scenes.hand_scene(0, 48))
    assert (output.rgb.shape, output.rgb.dtype) == ((48, 48, 3), np.uint8)
    assert (output.depth_m.shape, output.depth_m.dtype) == ((48, 48), np.float32)
    assert (output.segmentation.shape, output.segmentation.dtype) == ((48, 48), np.uint8)
    assert ((output.depth_m > 0) == (output.segmentation > 0)).all()
    assert len(np.unique(output.segmentation)) > 5


def test_output_belongs_to_the_caller_and_the_scene_is_left_alone(renderer):
    scene = scenes.hand_scene(1, 48)
    background = scene.background.copy()
    first = renderer.render(scene)
    kept = dataclasses.replace(first, **{f.name: getattr(first, f.name).copy() for f in dataclasses.fields(first)})
    renderer.render(scenes.hand_scene(2, 48))
    for item in dataclasses.fields(first):
        np.testing.assert_array_equal(getattr(first, item.name), getattr(kept, item.name))
    np.testing.assert_array_equal(scene.background, background)


def test_bytes_do_not_depend_on_what_was_rendered_before(renderer):
    scene = scenes.hand_scene(3, 48)
    verts, faces = scenes.quad(0.5, 0.2)
    renderer.render(scenes.mesh_scene(verts, faces, scenes.camera(40, width=72)))
    used, fresh = renderer.render(scene), RasterRenderer().render(scene)
    for item in dataclasses.fields(used):
        assert getattr(used, item.name).tobytes() == getattr(fresh, item.name).tobytes()


def test_bytes_are_the_same_in_another_process(renderer):
    script = (
        "import hashlib; from synth.render.raster import RasterRenderer; from tests.synth.render import scenes;"
        "o = RasterRenderer().render(scenes.hand_scene(4, 48));"
        "print(hashlib.sha256(o.rgb.tobytes() + o.depth_m.tobytes() + o.segmentation.tobytes()).hexdigest())"
    )
    there = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout.strip()
    import hashlib

    o = renderer.render(scenes.hand_scene(4, 48))
    here = hashlib.sha256(o.rgb.tobytes() + o.depth_m.tobytes() + o.segmentation.tobytes()).hexdigest()
    assert here == there


def test_pixels_beside_the_hand_are_the_background(renderer):
    scene = scenes.hand_scene(5, 64)
    output = renderer.render(scene)
    hand = output.depth_m > 0
    near = hand.copy()
    for dy in (-1, 0, 1):
        for dx in (-1, 0, 1):
            near |= np.roll(hand, (dy, dx), (0, 1))
    assert hand.sum() > 300 and (~near).sum() > 300
    np.testing.assert_array_equal(output.rgb[~near], scene.background[~near])
    assert (output.rgb[hand] != scene.background[hand]).any(1).mean() > 0.95


def test_more_samples_change_colour_at_edges_only():
    scene = scenes.hand_scene(6, 64)
    one = RasterRenderer(samples_per_side=1).render(scene)
    many = RasterRenderer(samples_per_side=5).render(scene)
    np.testing.assert_array_equal(one.segmentation, many.segmentation)
    np.testing.assert_allclose(one.depth_m, many.depth_m, atol=1e-6)
    assert (one.rgb != many.rgb).any(-1).mean() < 0.3


def test_degenerate_faces_and_equal_vertices_do_no_harm(renderer):
    verts, faces = scenes.quad(0.5, 0.05)
    verts = np.concatenate([verts, verts[:1]])
    faces = np.concatenate([faces, [[0, 0, 1], [0, 4, 0], [1, 1, 1], [0, 4, 2]]])
    output = renderer.render(scenes.mesh_scene(verts, faces, scenes.camera(32)))
    assert np.allclose(output.depth_m[output.depth_m > 0], 0.5)
    assert output.rgb[16, 16, 0] > 100


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"verts_cam": np.full((4, 3), np.nan)}, "verts_cam is nan or inf"),
        ({"verts_cam": np.zeros((3, 3))}, "verts_cam is"),
        ({"texture": np.zeros((6, 6, 3), np.uint8)}, "power of two"),
        ({"background": np.zeros((8, 8, 3), np.uint8)}, "like the camera"),
        ({"background": np.zeros((32, 32, 3))}, "uint8"),
        ({"vertex_tint": np.zeros((4, 1))}, "vertex_tint"),
        ({"material": dataclasses.replace(scenes.MATT, roughness=0.0)}, "roughness is 0.0"),
    ],
)
def test_a_scene_that_does_not_fit_is_refused(renderer, change, message):
    scene = scenes.mesh_scene(*scenes.quad(0.5, 0.05), scenes.camera(32))
    with pytest.raises(ValueError, match=message):
        renderer.render(dataclasses.replace(scene, **change))


def test_a_topology_that_does_not_fit_is_refused(renderer):
    scene = scenes.mesh_scene(*scenes.quad(0.5, 0.05), scenes.camera(32))
    faces = scene.topology.faces
    broken = MeshTopology(faces, scene.topology.uv, faces + 3, scene.topology.face_parts)
    with pytest.raises(ValueError, match="uv_faces"):
        renderer.render(dataclasses.replace(scene, topology=broken))
    renderer.render(scene)


@pytest.mark.parametrize("options", [{"samples_per_side": 2}, {"shadow_map_px": 5}, {"occlusion_map_px": 0}])
def test_options_out_of_range_are_refused(options):
    with pytest.raises(ValueError, match=next(iter(options))):
        RasterRenderer(**options)


def test_memory_does_not_grow_over_two_thousand_frames(renderer):
    scene = scenes.hand_scene(5, 48)
    for _ in range(50):
        frame = renderer.render(scene)
    size = sum(getattr(frame, item.name).nbytes for item in dataclasses.fields(frame))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for _ in range(2000):
        renderer.render(scene)
    grown = 1024 * (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
    assert grown < 2000 * size / 3, "more than a third of the frames, had they been kept"
