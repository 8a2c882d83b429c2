"""A hand of known place in front of a depth map that was made from it."""

import numpy as np
import pytest

from dualmod.geometry.lifting import TYPICAL_BONE_M, assumed_K, lift
from dualmod.geometry.metric_root import BELOW_SKIN_BONES, FEWEST_JOINTS, place_hand, skin_depth
from synth.common.conventions import REFERENCE_BONE, ROOT_JOINT

K = np.array([[600.0, 0, 320], [0, 580, 240], [0, 0, 1]])
SIZE = (640, 480)


def true_hand(bone_m: float = 0.08, root=(0.05, -0.02, 0.31)) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Joints in the camera frame, in pixels, and their depth behind the root in bones."""
    rng = np.random.default_rng(3)
    joints = rng.uniform([-0.9, -0.9, -0.3], [0.9, 0.9, 0.3], (21, 3))
    joints[ROOT_JOINT] = 0
    joints[REFERENCE_BONE[0]] = np.array([0.3, 0.9, 0.2]) / np.linalg.norm([0.3, 0.9, 0.2])
    joints = joints * bone_m + np.array(root)
    projected = joints @ K.T
    return joints, projected[:, :2] / projected[:, 2:], (joints[:, 2] - root[2]) / bone_m


def skin_of(joints: np.ndarray, bone_m: float) -> np.ndarray:
    return joints[:, 2] - bone_m * BELOW_SKIN_BONES


def test_depth_and_K_give_the_true_place_and_size():
    joints, joints_px, depth = true_hand()
    placed = place_hand(joints_px, depth, size_px=SIZE, K=K, surface_m=skin_of(joints, 0.08))
    assert placed.scale == "metric" and placed.bone_m == pytest.approx(0.08) and placed.depth_joints == 21
    np.testing.assert_allclose(placed.joints_cam, joints, atol=1e-9)
    np.testing.assert_allclose(placed.root_cam, joints[ROOT_JOINT], atol=1e-9)


def test_hidden_and_missing_joints_do_not_move_the_hand():
    joints, joints_px, depth = true_hand()
    skin = skin_of(joints, 0.08)
    skin[[1, 4, 8]] = np.nan
    skin[[2, 12]] -= 0.06  # something in front of them
    skin[[16, 17, 20]] = 1.4  # joints beside the hand, on the wall
    placed = place_hand(joints_px, depth, size_px=SIZE, K=K, surface_m=skin)
    np.testing.assert_allclose(placed.root_cam, joints[ROOT_JOINT], atol=1e-3)
    assert placed.depth_joints == 21 - 8


def test_a_measured_bone_is_kept_and_the_depth_still_counts():
    joints, joints_px, depth = true_hand()
    skin = skin_of(joints, 0.08)
    placed = place_hand(joints_px, depth, size_px=SIZE, K=K, surface_m=skin, bone_m=0.09)
    assert placed.bone_m == 0.09 and placed.scale == "metric"
    assert abs(placed.root_cam[2] - 0.31) < 0.005  # 0.35 m by the bone alone


def test_impossible_bones_are_limited():
    joints, joints_px, depth = true_hand(bone_m=0.4, root=(0.0, 0, 2.0))
    placed = place_hand(joints_px, depth, size_px=SIZE, K=K, surface_m=skin_of(joints, 0.4))
    assert placed.bone_m == 0.13


def test_too_few_measured_joints_leave_it_to_the_bone():
    joints, joints_px, depth = true_hand()
    skin = np.full(21, np.nan)
    skin[: FEWEST_JOINTS - 1] = 0.3
    placed = place_hand(joints_px, depth, size_px=SIZE, K=K, surface_m=skin)
    assert placed.scale == "bone_assumed" and placed.depth_joints == FEWEST_JOINTS - 1
    np.testing.assert_allclose(placed.joints_cam, joints * TYPICAL_BONE_M / 0.08, atol=1e-9)


def test_without_K_the_hand_is_relative_and_without_depth_its_scale_is_the_bones():
    _, joints_px, depth = true_hand()
    relative = place_hand(joints_px, depth, size_px=SIZE)
    assert relative.scale == "relative" and relative.root_cam is None
    expected = lift(joints_px, depth, assumed_K(*SIZE), TYPICAL_BONE_M)
    np.testing.assert_allclose(relative.joints_cam, expected - expected[ROOT_JOINT])
    given = place_hand(joints_px, depth, size_px=SIZE, K=K, bone_m=0.08)
    assert given.scale == "bone_given"
    np.testing.assert_allclose(given.joints_cam, true_hand()[0], atol=1e-9)


def test_skin_is_read_on_the_hand_and_nowhere_else():
    """A hand of 0.4 m in front of a wall of 2 m: the mask keeps the wall out at the hand's edge."""
    depth_m = np.full((100, 120), 2.0)
    depth_m[20:60, 30:70] = 0.4
    depth_m[30, 40] = 0  # a hole
    box = np.array([30.0, 20, 69, 59])
    mask = np.zeros((40, 40))
    mask[5:35, 5:35] = 1  # the box has 1 / 1.6 of the crop: cells 7.5 to 32.5 and a little more
    mask[:, :20] = 0  # the left half is not taken for hand
    joints_px = np.full((21, 2), [60.0, 40.0])
    joints_px[1] = [35.0, 40.0]  # hand, but not in the mask
    joints_px[2] = [68.0, 21.0]  # its window reaches over the edge
    joints_px[3] = [500.0, -40.0]  # outside the image
    joints_px[4] = [119.0, 99.0]  # in the image, outside the crop
    skin = skin_depth(depth_m, joints_px, mask=mask, box_px=box, crop_margin=1.6)
    assert skin[0] == 0.4 and skin[2] == 0.4 and np.isnan(skin[[1, 3, 4]]).all()
    depth_m[:] = 0
    assert np.isnan(skin_depth(depth_m, joints_px, mask=mask, box_px=box, crop_margin=1.6)).all()


def test_depth_below_the_skin_is_that_of_renders(tiny_data):
    """The offsets put joints of rendered hands where they are: within 4 mm in the median, farther off without them."""
    from synth.dataset import SampleStore

    errors, plain = [], []
    for sample in SampleStore(tiny_data):
        root_m = sample.joints_cam[ROOT_JOINT, 2]
        bone_m = float(np.linalg.norm(sample.joints_cam[REFERENCE_BONE[0]] - sample.joints_cam[REFERENCE_BONE[1]]))
        box = np.array([*sample.joints_px.min(0), *sample.joints_px.max(0)])
        skin = skin_depth(sample.depth_m, sample.joints_px, mask=np.ones((16, 16)), box_px=box, crop_margin=1.6)
        depth = (sample.joints_cam[:, 2] - root_m) / bone_m
        placed = place_hand(sample.joints_px, depth, size_px=(64, 64), K=sample.K, bone_m=bone_m, surface_m=skin)
        errors.append(abs(placed.joints_cam[ROOT_JOINT, 2] - root_m))
        plain.append(abs(np.nanmedian(skin - bone_m * depth) - root_m))
    assert np.median(errors) < 0.004 < np.median(plain)
