"""Hinges: legal hands stay, illegal ones come to the limit, bones keep their lengths."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from distill.pseudo_labels.joint_limits import (
    HINGED_FINGERS,
    MCP,
    finger_axes,
    hinge_angles,
    hinge_ranges,
    rectify_angles,
)
from synth.common.conventions import MANO_JOINT_NAMES
from synth.hand import HandAxes, PoseSampler, bone_lengths, load_hand

AXES = HandAxes.of(load_hand("open"))


def posed(finger: str, segment: int, degrees: float, *, about: int = 2) -> torch.Tensor:
    """The flat hand with one joint turned about its own axis: 2 flexes, 1 moves sideways."""
    joint = MANO_JOINT_NAMES.index(f"{finger}{segment}")
    pose = np.zeros((16, 3))
    pose[joint] = AXES.frames[joint][:, about] * math.radians(degrees)
    return torch.from_numpy(AXES.joints(pose))[None]


def angles_of(joints: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    flexion, lateral = hinge_angles(joints, finger_axes(joints, hinge_ranges().rest_axes)[0])
    return torch.rad2deg(flexion[0]), torch.rad2deg(lateral[0])


@pytest.mark.parametrize("finger", HINGED_FINGERS)
@pytest.mark.parametrize("segment", [2, 3])
def test_hinge_angles_measure_the_pose(finger: str, segment: int) -> None:
    row = HINGED_FINGERS.index(finger)
    flat, bent = angles_of(posed(finger, segment, 0)), angles_of(posed(finger, segment, 50))
    assert float((bent[0] - flat[0])[row, segment - 2]) == pytest.approx(50, abs=1.0)
    others = [k for k in range(4) if k != row]
    assert float((bent[0] - flat[0])[others].abs().max()) < 1e-6


def test_sampled_hands_are_unchanged_in_any_orientation() -> None:
    rng, sampler = np.random.default_rng(1), PoseSampler(load_hand("open"))
    joints = np.stack([AXES.joints(sampler.sample(rng)[0]) for _ in range(100)])
    turns = Rotation.random(100, rng=rng).as_matrix()
    hands = torch.from_numpy(joints @ turns.transpose(0, 2, 1))
    torch.testing.assert_close(rectify_angles(hands), hands, atol=1e-5, rtol=0)


@pytest.mark.parametrize("finger", HINGED_FINGERS)
def test_a_backwards_bent_finger_becomes_straight(finger: str) -> None:
    row, joints = HINGED_FINGERS.index(finger), posed(finger, 2, -50)
    straight = rectify_angles(joints)
    flexion, _ = angles_of(straight)
    assert -12 < float(flexion[row, 0]) < 0
    assert float(flexion[row, 0]) == pytest.approx(math.degrees(hinge_ranges().lower[row, 0]), abs=1e-6)
    base = int(MCP[row])
    unmoved = [j for j in range(21) if j not in (base + 2, base + 3)]
    torch.testing.assert_close(straight[:, unmoved], joints[:, unmoved], atol=1e-12, rtol=0)


def test_what_lies_beyond_the_hinge_turns_with_it() -> None:
    joints = posed("index", 2, 150)
    before, after = angles_of(joints)[0], angles_of(rectify_angles(joints))[0]
    assert float(after[0, 0]) == pytest.approx(math.degrees(hinge_ranges().upper[0, 0]), abs=1e-6)
    assert float(after[0, 1]) == pytest.approx(float(before[0, 1]), abs=1e-6)


def test_sideways_bend_is_limited() -> None:
    _, before = angles_of(posed("middle", 2, 40, about=1))
    _, after = angles_of(rectify_angles(posed("middle", 2, 40, about=1)))
    assert abs(float(before[1, 0])) > 35
    assert abs(float(after[1, 0])) == pytest.approx(15, abs=1e-6)


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_any_points_keep_lengths_come_into_range_and_stay_there(seed: int) -> None:
    joints = torch.from_numpy(np.random.default_rng(seed).normal(size=(4, 21, 3)))
    rectified = rectify_angles(joints)
    torch.testing.assert_close(bone_lengths(rectified), bone_lengths(joints), atol=1e-9, rtol=0)
    ranges = hinge_ranges()
    flexion, _ = hinge_angles(rectified, finger_axes(rectified, ranges.rest_axes)[0])
    assert (flexion > ranges.lower - 1e-6).all() and (flexion < ranges.upper + 1e-6).all()
    torch.testing.assert_close(rectify_angles(rectified), rectified, atol=1e-7, rtol=0)
