"""Distances of poses against values computed by hand."""

import numpy as np
import pytest

from distill.pose_coverage.box_poses import box_poses, pose_distance
from synth.common.conventions import NUM_JOINTS


@pytest.fixture
def joints_px() -> np.ndarray:
    """Joints in a box of 40 x 20 pixels whose corner lies at (100, 50)."""
    joints = np.full((NUM_JOINTS, 2), [120.0, 60.0])
    joints[0], joints[1], joints[2] = [100, 50], [140, 70], [110, 55]
    return joints


def test_joints_are_fractions_of_the_longer_side_about_the_middle(joints_px: np.ndarray) -> None:
    pose = box_poses(joints_px)
    expected = {0: [-0.5, -0.25], 1: [0.5, 0.25], 2: [-0.25, -0.125], 3: [0.0, 0.0]}
    assert {k: pose[k].tolist() for k in expected} == expected


def test_place_and_size_do_not_count_and_shape_does(joints_px: np.ndarray) -> None:
    pose = box_poses(joints_px)
    np.testing.assert_allclose(box_poses(7 * joints_px - [300, 20]), pose, atol=1e-6)
    assert np.abs(box_poses(joints_px * [2, 1]) - pose).max() > 0.1


def test_a_left_hand_is_mirrored_and_its_mirror_image_is_the_right_one(joints_px: np.ndarray) -> None:
    mirrored = joints_px * [-1, 1] + [639, 0]
    both = box_poses(np.stack([joints_px, mirrored]), np.array([False, True]))
    np.testing.assert_allclose(both[0], both[1], atol=1e-6)
    assert box_poses(joints_px, True)[2].tolist() == [0.25, -0.125]


def test_the_distance_is_the_mean_over_the_joints(joints_px: np.ndarray) -> None:
    pose = box_poses(joints_px)
    other = pose.copy()
    other[5] += [0.3, 0.4]
    other[9] -= [0.0, 0.1]
    assert pose_distance(pose, other) == pytest.approx((0.5 + 0.1) / 21)


def test_joints_in_one_place_are_a_pose_without_size() -> None:
    assert not box_poses(np.full((NUM_JOINTS, 2), 5.0)).any()
