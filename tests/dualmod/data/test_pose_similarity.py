"""Poses as vectors: what they don't depend on, their neighbours against a loop, and poses of a dataset."""

import numpy as np
import pytest
import torch

from dualmod.data.pose_similarity import dataset_poses, nearest_others, pose_vectors, principal_components
from dualmod.data.synthetic import SyntheticHands


def test_place_and_size_in_the_image_do_not_count():
    torch.manual_seed(0)
    uv, depth = torch.rand(3, 21, 2), torch.randn(3, 21)
    moved = 2.5 * uv + torch.tensor([7.0, -1.0])
    torch.testing.assert_close(pose_vectors(uv, depth), pose_vectors(moved, depth))
    assert pose_vectors(uv).shape == (3, 42) and pose_vectors(uv, depth).shape == (3, 63)
    torch.testing.assert_close(pose_vectors(uv).square().sum(1), torch.full((3,), 21.0))


def test_a_pose_of_one_point_is_finite():
    assert torch.isfinite(pose_vectors(torch.ones(1, 21, 2))).all()


@pytest.mark.parametrize("count", [1, 3])
def test_nearest_others_equal_a_double_loop(count):
    vectors = np.random.default_rng(0).standard_normal((12, 4))
    for row, found in enumerate(nearest_others(vectors, count)):
        distance = {k: np.linalg.norm(vectors[k] - vectors[row]) for k in range(12) if k != row}
        assert found.tolist() == sorted(distance, key=distance.__getitem__)[:count]


def test_a_hand_is_never_its_own_neighbour_even_among_copies():
    found = nearest_others(np.zeros((9, 3)), 2)
    assert found.shape == (9, 2) and (found != np.arange(9)[:, None]).all()


def test_too_few_hands_are_refused():
    with pytest.raises(ValueError, match="1 hands have no 1 similar ones"):
        nearest_others(np.zeros((1, 3)))


def test_principal_components_keep_distances_where_all_are_taken_and_the_largest_else():
    vectors = np.random.default_rng(1).standard_normal((20, 3)) * [1, 10, 0.1]
    all_of_them = principal_components(vectors, 14)
    assert all_of_them.shape == (20, 3)
    np.testing.assert_allclose(
        np.linalg.norm(all_of_them[0] - all_of_them[1]), np.linalg.norm(vectors[0] - vectors[1]), rtol=1e-9
    )
    one = principal_components(vectors, 1)[:, 0]
    assert abs(np.corrcoef(one, vectors[:, 1])[0, 1]) > 0.99


def test_poses_of_a_dataset_are_the_same_with_and_without_its_images_in_memory(tiny_data):
    in_memory, on_disk = (SyntheticHands(tiny_data, cache_gb=size) for size in (4.0, 0.0))
    assert on_disk._hands is None
    indices = list(range(8))
    poses = dataset_poses(on_disk, indices)
    np.testing.assert_array_equal(poses, dataset_poses(in_memory, indices))
    hand = on_disk[5]
    np.testing.assert_array_equal(poses[5, 42:], hand.joints_depth)
