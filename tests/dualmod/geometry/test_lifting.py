"""Lifting: round trips on perspective hands, and what happens where no solution exists."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from dualmod.geometry.lifting import FARTHEST_BONES, NEAREST_BONES, assumed_K, lift, root_depth_bones
from synth.common.conventions import REFERENCE_BONE, ROOT_JOINT

K = np.array([[480.0, 0, 130], [0, 470, 121], [0, 0, 1]])


def perspective_hand(seed: int, distance_m: float):
    """A stiff fan of joints, turned anyhow; pixels, relative depth, truth and bone length."""
    rng = np.random.default_rng(seed)
    flat = np.zeros((21, 3))
    for finger in range(5):
        for k in range(4):
            flat[1 + 4 * finger + k] = [0.02 * (finger - 2), -0.06 - 0.025 * k, 0.004 * rng.normal()]
    turned = flat @ Rotation.from_rotvec(rng.normal(0, 0.6, 3)).as_matrix().T
    joints_cam = turned - turned[9] + [rng.uniform(-0.1, 0.1), rng.uniform(-0.1, 0.1), distance_m]
    projected = joints_cam @ K.T
    bone_m = np.linalg.norm(joints_cam[9] - joints_cam[0])
    depth = (joints_cam[:, 2] - joints_cam[9, 2]) / bone_m
    return projected[:, :2] / projected[:, 2:], depth, joints_cam, bone_m


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10_000), st.floats(0.25, 2.0))
def test_round_trip_on_perspective_hands(seed, distance_m):
    px, depth, joints_cam, bone_m = perspective_hand(seed, distance_m)
    if abs(depth[0]) < 0.9:  # beyond this the bone points at the camera and the depth is clamped
        np.testing.assert_allclose(lift(px, depth, K, bone_m), joints_cam, atol=1e-5)


def test_batch_and_constant_offset_in_depth():
    cases = [perspective_hand(seed, 0.5) for seed in (0, 1, 2)]
    px, depth, joints_cam, bone_m = (np.stack(c) for c in zip(*cases, strict=True))
    lifted = lift(px, depth + 0.7, np.stack([K] * 3), bone_m)
    np.testing.assert_allclose(lifted, joints_cam, atol=1e-6)


def test_the_larger_root_is_in_front_of_the_camera():
    px, depth, joints_cam, bone_m = perspective_hand(4, 0.3)
    rays = (np.concatenate([px, np.ones((21, 1))], 1) @ np.linalg.inv(K).T)[:, :2]
    root = root_depth_bones(rays, depth)
    a, b = REFERENCE_BONE
    slow = [
        z
        for z in np.arange(0.5, 10, 1e-4)
        if abs(
            np.linalg.norm(
                np.append(rays[a], 1) * (z + depth[a]) - np.append(rays[b], 1) * (z + depth[b]),
            )
            - 1
        )
        < 2e-4
    ]
    assert root == pytest.approx(max(slow), abs=2e-3) == joints_cam[ROOT_JOINT, 2] / bone_m


def test_result_does_not_depend_on_units_of_length():
    px, depth, _, bone_m = perspective_hand(5, 0.6)
    np.testing.assert_allclose(lift(px, depth, K, 10 * bone_m), 10 * lift(px, depth, K, bone_m))


@pytest.mark.parametrize("wrist_depth", [-3.0, -1.0, 1.0, 3.0])
def test_impossible_bones_give_finite_hands_in_front(wrist_depth):
    px, depth, _, bone_m = perspective_hand(6, 0.5)
    depth[0] = wrist_depth
    lifted = lift(px, depth, K, bone_m)
    assert np.isfinite(lifted).all()
    assert lifted[:, 2].min() >= NEAREST_BONES * bone_m - 1e-9


def test_all_joints_in_one_pixel():
    lifted = lift(np.full((21, 2), 100.0), np.zeros(21), K, 0.1)
    np.testing.assert_allclose(lifted[:, 2], 0.1 * FARTHEST_BONES)


def test_torch_and_numpy_agree():
    px, depth, _, _ = perspective_hand(7, 0.5)
    rays = (np.concatenate([px, np.ones((21, 1))], 1) @ np.linalg.inv(K).T)[:, :2]
    with_torch = root_depth_bones(torch.from_numpy(rays), torch.from_numpy(depth))
    assert float(with_torch) == pytest.approx(float(root_depth_bones(rays, depth)))


def test_assumed_camera():
    K_assumed = assumed_K(640, 480)
    np.testing.assert_allclose(K_assumed, [[768, 0, 319.5], [0, 768, 239.5], [0, 0, 1]])
