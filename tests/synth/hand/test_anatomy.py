"""Angles to poses and back, what each angle does, and its limits."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from synth.common.conventions import JOINT_NAMES, MANO_JOINT_NAMES
from synth.hand import ANGLE_NAMES, JOINT_LIMITS, HandAxes, angles_from_pose, bone_lengths, load_hand, pose_from_angles
from synth.hand.anatomy import LOWER_DEG, UPPER_DEG, turns_from_angles

AXES = HandAxes.of(load_hand("open"))
REST = AXES.joints(np.zeros((16, 3)))


def moved(name: str, degrees: float, joint: str) -> np.ndarray:
    angles = np.zeros(22)
    angles[ANGLE_NAMES.index(name)] = degrees
    joints = AXES.joints(pose_from_angles(angles, AXES))
    return (joints - REST)[JOINT_NAMES.index(joint)]


@given(seed=st.integers(0, 10_000))
def test_angles_to_pose_and_back(seed):
    angles = np.random.default_rng(seed).uniform(LOWER_DEG, UPPER_DEG)
    pose = pose_from_angles(angles, AXES)
    np.testing.assert_allclose(angles_from_pose(pose, AXES), angles, atol=1e-8)
    np.testing.assert_array_equal(pose[0], 0)
    np.testing.assert_allclose(bone_lengths(AXES.joints(pose)), bone_lengths(REST), rtol=1e-9)


def test_written_out_turns_equal_scipys():
    angles = np.random.default_rng(0).uniform(LOWER_DEG, UPPER_DEG)
    thumb = AXES.frames[MANO_JOINT_NAMES.index("thumb1")]
    flexion, abduction, twist = angles[16:19]
    wanted = thumb @ Rotation.from_euler("YZX", [abduction, flexion, twist], degrees=True).as_matrix() @ thumb.T
    np.testing.assert_allclose(turns_from_angles(angles, AXES)[13], wanted, atol=1e-12)


@pytest.mark.parametrize("finger", ["index", "middle", "ring", "little"])
def test_fingers_bend_to_the_palm_and_spread_to_the_thumb(finger):
    for joint in ("mcp", "pip", "dip"):
        assert moved(f"{finger}_{joint}_flexion", 30, f"{finger}_tip")[1] < -0.005
    assert moved(f"{finger}_mcp_abduction", 10, f"{finger}_tip")[2] > 0.005
    assert np.abs(moved(f"{finger}_dip_flexion", 30, f"{finger}_dip")).max() < 1e-9


def test_the_thumb_bends_across_and_lifts_off_the_palm():
    index = REST[JOINT_NAMES.index("index_mcp")]
    tip = REST[JOINT_NAMES.index("thumb_tip")]
    for name in ("thumb_cmc_flexion", "thumb_mcp_flexion", "thumb_ip_flexion"):
        after = tip + moved(name, 30, "thumb_tip")
        assert np.linalg.norm(after - index) < np.linalg.norm(tip - index)
    assert moved("thumb_cmc_abduction", 30, "thumb_tip")[1] < -0.01


def test_limits_hold_the_flat_hand_and_name_every_angle():
    assert len(ANGLE_NAMES) == 22 == len(set(ANGLE_NAMES))
    assert all(low < 0 < high for low, high in JOINT_LIMITS.values())
    assert JOINT_LIMITS["index_pip_flexion"][1] > 100
    np.testing.assert_array_equal(UPPER_DEG, [high for _, high in JOINT_LIMITS.values()])
