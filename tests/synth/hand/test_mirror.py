"""Mirroring: its own inverse, and a left hand posed is the mirror image of the right hand posed."""

import numpy as np
import pytest
import torch

from synth.geometry.camera import Camera
from synth.hand import HandModel, load_hand, mirror_arrays, mirror_image, mirror_K, mirror_points, mirror_pose

K = np.array([[300.0, 0.0, 100.0], [0.0, 310.0, 80.0], [0.0, 0.0, 1.0]])


def test_each_is_its_own_inverse():
    rng = np.random.default_rng(0)
    points, image = rng.normal(size=(5, 3)), rng.integers(0, 255, (4, 6, 3), dtype=np.uint8)
    for mirror, value in ((mirror_points, points), (mirror_pose, points), (mirror_image, image)):
        assert not np.array_equal(mirror(value), value)
        np.testing.assert_array_equal(mirror(mirror(value)), value)
    np.testing.assert_array_equal(mirror_K(mirror_K(K, 224), 224), K)
    tensor = torch.tensor(points)
    np.testing.assert_array_equal(mirror_pose(tensor).numpy(), mirror_pose(points))


def test_values_are_those_of_the_plane_x_equals_zero():
    np.testing.assert_array_equal(mirror_points(np.array([1.0, 2.0, 3.0])), [-1, 2, 3])
    np.testing.assert_array_equal(mirror_pose(np.array([1.0, 2.0, 3.0])), [1, -2, -3])
    np.testing.assert_array_equal(mirror_image(np.array([[1, 2, 3]])), [[3, 2, 1]])


def test_image_points_and_K_fit_together():
    points = np.array([[0.03, -0.02, 0.5], [-0.1, 0.05, 0.8]])
    pixels = Camera(K, 224, 200).project(points)
    mirrored = Camera(mirror_K(K, 224), 224, 200).project(mirror_points(points))
    np.testing.assert_allclose(mirrored[:, 0], 223 - pixels[:, 0], atol=1e-9)
    np.testing.assert_allclose(mirrored[:, 1], pixels[:, 1], atol=1e-9)


def test_mirrored_arrays_posed_are_the_mirror_image():
    arrays = load_hand("open")
    left = mirror_arrays(arrays)
    rng = np.random.default_rng(1)
    pose = torch.tensor(rng.normal(0, 0.4, (2, 16, 3)), dtype=torch.float32)
    betas, transl = torch.tensor(rng.normal(size=(2, 10)), dtype=torch.float32), torch.full((2, 3), 0.3)
    right_hand = HandModel(arrays)(pose, betas, transl)
    left_hand = HandModel(left)(mirror_pose(pose), betas, mirror_points(transl))
    np.testing.assert_allclose(left_hand.verts, mirror_points(right_hand.verts), atol=1e-6)
    np.testing.assert_allclose(left_hand.joints, mirror_points(right_hand.joints), atol=1e-6)


def test_mirrored_arrays_stay_closed_and_outward():
    arrays = load_hand("open")
    left = mirror_arrays(arrays)
    corners = left.v_template[left.faces].astype(np.float64)
    assert np.einsum("fi,fi->", corners[:, 0], np.cross(corners[:, 1], corners[:, 2])) > 0
    twice = mirror_arrays(left)
    for name in ("v_template", "shapedirs", "posedirs", "faces", "uv_faces", "hands_mean", "hands_components"):
        np.testing.assert_array_equal(getattr(twice, name), getattr(arrays, name))
    assert left.hands_mean == pytest.approx(arrays.hands_mean * np.tile([1, -1, -1], 15))
