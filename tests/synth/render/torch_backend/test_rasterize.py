"""The torch rasteriser: against one ray at a time, and against the default renderer's kernel, sample by
sample."""

import numpy as np
import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from synth.render.kernels import geometry, zbuffer
from synth.render.torch_backend.rasterize import rasterise
from tests.synth.render import reference, scenes

PLAIN_K = np.array([[1.0, 0, 0], [0, 1, 0], [0, 0, 1]])
"""With it, a vertex at z = 1 has its x and y as column and row."""


def draw(verts, faces, K, height, width, **options):
    """Face ids and depth of one mesh."""
    tensors = (torch.as_tensor(np.asarray(a)[None]) for a in (verts, K))
    verts_cam, intrinsics = tensors
    visible = rasterise(verts_cam, torch.as_tensor(np.asarray(faces)), intrinsics, height, width, **options)
    return visible.face_ids[0].numpy(), visible.depth_m[0].numpy()


def triangle_soup(seed: int, count: int = 30):
    """Triangles of all sizes, some beside the image, behind the camera and across the near plane; two of those, with
    one and with two corners behind, turn either side to the camera."""
    rng = np.random.default_rng(seed)
    centres = rng.uniform([-0.5, -0.5, -0.2], [0.5, 0.5, 1.0], (count, 1, 3))
    verts = centres + rng.normal(size=(count, 3, 3)) * rng.choice([0.02, 0.15, 0.5], (count, 1, 1))
    floor = [[1, 0.05, -0.5], [-1, 0.05, -0.5], [0, 0.05, 0.8]]
    ceiling = [[0, -0.05, -0.5], [1, -0.05, 0.8], [-1, -0.05, 0.8]]
    verts[:4] = [floor, floor[::-1], ceiling, ceiling[::-1]]
    return verts.reshape(-1, 3), np.arange(3 * count).reshape(-1, 3)


@pytest.mark.parametrize("seed", range(4))
def test_faces_and_depth_equal_one_ray_at_a_time(seed):
    verts, faces = triangle_soup(seed)
    K = np.array([[20.0, 1.5, 11.3], [0, 26.0, 8.8], [0, 0, 1]])
    ids, depth_m = draw(verts, faces, K, 18, 25)
    expected_ids, expected_depth = reference.visible_faces(verts, faces, K, 25, 18, geometry.NEAR_M)
    crossing = (verts[faces][..., 2] < geometry.NEAR_M).sum(1)
    assert {1, 2} <= set(crossing[np.unique(ids[ids >= 0])])
    assert (expected_ids >= 0).sum() > 100
    np.testing.assert_array_equal(ids, expected_ids)
    np.testing.assert_allclose(depth_m, expected_depth, rtol=1e-5)


def covered_by_kernel(points: np.ndarray, faces: np.ndarray) -> np.ndarray:
    depth, ids = np.zeros((33, 33), np.float32), np.zeros((33, 33), np.int32)
    zbuffer.rasterise(points, np.ascontiguousarray(faces), depth, ids)
    return depth > 0


@settings(max_examples=150, deadline=None)
@example(values=np.array([[0.0, 1], [1, 1], [1, 1]]), sliver=1e-10, on_grid=False)
@given(
    values=hnp.arrays(float, (3, 2), elements=st.one_of(st.floats(-1e9, 1e9), st.floats(-5, 40))),
    sliver=st.one_of(st.none(), st.floats(0, 1e-6)),
    on_grid=st.booleans(),
)
def test_coverage_equals_the_kernels_on_slivers_giants_and_pixel_centres(values, sliver, on_grid):
    points = np.ones((3, 3))
    points[:, :2] = np.round(values) if on_grid else values
    if sliver is not None:
        points[2, :2] = 0.5 * (points[0, :2] + points[1, :2]) + sliver
    both_ways = np.array([[0, 1, 2], [0, 2, 1]], np.int32)
    for face in both_ways:
        drawn = draw(points, face[None], PLAIN_K, 33, 33)[0] >= 0
        np.testing.assert_array_equal(drawn, covered_by_kernel(points, face[None]))


@settings(max_examples=30, deadline=None)
@given(rim=hnp.arrays(float, 9, elements=st.floats(2, 14)), on_grid=st.booleans())
def test_each_pixel_of_a_fan_belongs_to_exactly_one_triangle(rim, on_grid):
    angle = -np.arange(9) * 2 * np.pi / 9
    verts = np.ones((10, 3))
    verts[:9, :2] = 16 + rim[:, None] * np.stack([np.cos(angle), np.sin(angle)], -1)
    verts[9, :2] = 16
    if on_grid:
        verts[:, :2] = np.round(verts[:, :2])
    fan = np.array([[i, (i + 1) % 9, 9] for i in range(9)])
    counted = sum((draw(verts, face[None], PLAIN_K, 33, 33)[0] >= 0).astype(int) for face in fan)
    whole = draw(verts, fan, PLAIN_K, 33, 33)[0] >= 0
    assert counted.max() == 1 and counted[16, 16] == 1
    np.testing.assert_array_equal(counted > 0, whole)


def test_of_two_faces_in_the_same_place_the_first_is_seen():
    verts, faces = scenes.quad(0.5, 0.1)
    ids, _ = draw(verts, np.concatenate([faces, faces]), scenes.camera(16).K, 16, 16)
    assert set(np.unique(ids)) <= {-1, 0, 1} and (ids >= 0).sum() > 20


def test_scenes_of_a_batch_do_not_mix():
    meshes = [triangle_soup(seed) for seed in range(5)]
    verts = np.stack([verts for verts, _ in meshes])
    K = np.array([[[f, 0, 14.0], [0, f, 9.0], [0, 0, 1]] for f in (15.0, 20.0, 25.0, 30.0, 35.0)])
    faces = meshes[0][1]
    together = rasterise(torch.as_tensor(verts), torch.as_tensor(faces), torch.as_tensor(K), 19, 28)
    for scene in range(5):
        ids, depth_m = draw(verts[scene], faces, K[scene], 19, 28)
        np.testing.assert_array_equal(together.face_ids[scene].numpy(), ids)
        np.testing.assert_array_equal(together.depth_m[scene].numpy(), depth_m)


@pytest.mark.parametrize("max_items", [1, 7, 64, 1000])
def test_a_bound_on_the_memory_changes_nothing(max_items):
    batch = [scenes.hand_scene(seed, 40) for seed in range(2)]
    verts = torch.as_tensor(np.stack([s.verts_cam for s in batch]))
    K = torch.as_tensor(np.stack([s.camera.K for s in batch]))
    faces = torch.as_tensor(batch[0].topology.faces.astype(int))
    whole, pieces = (rasterise(verts, faces, K, 40, 40, max_items=m) for m in (1 << 20, max_items))
    assert (whole.face_ids >= 0).sum() > 500
    assert torch.equal(whole.face_ids, pieces.face_ids) and torch.equal(whole.depth_m, pieces.depth_m)


def test_single_precision_changes_a_hand_by_next_to_nothing():
    scene = scenes.hand_scene(1, 64)
    faces = scene.topology.faces.astype(int)
    exact, _ = draw(scene.verts_cam, faces, scene.camera.K, 64, 64)
    single, _ = draw(scene.verts_cam.astype(np.float32), faces, scene.camera.K, 64, 64)
    assert ((exact >= 0) != (single >= 0)).sum() <= 2 and (exact != single).sum() <= 10


@pytest.mark.parametrize(
    "verts",
    [
        scenes.quad(-0.5, 0.05)[0],
        scenes.quad(0.5, 0.05, cx=9.0)[0],
        scenes.quad(0.5, 0.05)[0] * [1, 1, 0],
        np.full((4, 3), np.nan),
        scenes.quad(0.5, 0.05)[0] * [np.inf, 1, 1],
        scenes.quad(0.5, 0.05)[0] * [1e200, 1e200, 1],
    ],
    ids=["behind", "off-screen", "at the eye", "nan", "inf", "overflow"],
)
def test_what_cannot_be_seen_leaves_an_empty_image(verts):
    ids, depth_m = draw(verts, scenes.quad(0.5, 0.05)[1], scenes.camera(16).K, 16, 16)
    assert (ids == -1).all() and not depth_m.any()


def test_no_faces_and_no_scenes_are_legal():
    ids, depth_m = draw(np.zeros((3, 3)), np.zeros((0, 3), int), scenes.camera(8).K, 8, 8)
    assert (ids == -1).all() and not depth_m.any()
    none = rasterise(torch.zeros(0, 3, 3), torch.zeros(1, 3, dtype=torch.long), torch.zeros(0, 3, 3), 8, 8)
    assert none.face_ids.shape == none.depth_m.shape == (0, 8, 8)


@pytest.mark.parametrize("broken", [0, 1, 2, 3])
def test_shapes_that_do_not_fit_are_refused(broken):
    arguments = [torch.zeros(2, 4, 3), torch.zeros(5, 3, dtype=torch.long), torch.eye(3).expand(2, 3, 3), 8, 8]
    arguments[broken] = (torch.zeros(4, 3), torch.zeros(5, 4), torch.eye(3), 0)[broken]
    with pytest.raises(ValueError, match="cannot rasterise"):
        rasterise(*arguments)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device here")
def test_cuda_gives_the_same():
    scene = scenes.hand_scene(2, 64)
    verts, K = (torch.as_tensor(a[None]) for a in (scene.verts_cam, scene.camera.K))
    faces = torch.as_tensor(scene.topology.faces.astype(int))
    here = rasterise(verts, faces, K, 64, 64)
    there = rasterise(verts.cuda(), faces.cuda(), K.cuda(), 64, 64)
    assert (here.face_ids != there.face_ids.cpu()).sum() <= 2
    torch.testing.assert_close(here.depth_m, there.depth_m.cpu(), rtol=1e-5, atol=0)
