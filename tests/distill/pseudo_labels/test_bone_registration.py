"""Registration against a slow reference and by its promises: true lengths, fixed root, unchanged true hands."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from distill.pseudo_labels.bone_registration import WALK, bone_template, correct, lifted, register
from synth.common.conventions import BONES, JOINT_PARENTS, NUM_JOINTS, REFERENCE_BONE, ROOT_JOINT
from synth.hand import HandAxes, PoseSampler, bone_lengths, load_hand


@pytest.fixture(scope="module")
def hands() -> torch.Tensor:
    """Legal hands of the mean shape in reference-bone lengths, about 5 in front of the camera."""
    arrays, rng = load_hand("open"), np.random.default_rng(3)
    axes, sampler = HandAxes.of(arrays), PoseSampler(arrays)
    joints = np.stack([axes.joints(sampler.sample(rng)[0]) for _ in range(24)])
    joints = torch.from_numpy(joints / bone_lengths(joints)[:, [BONES.index(REFERENCE_BONE)], None])
    turns = torch.linalg.qr(torch.from_numpy(rng.normal(size=(24, 3, 3))))[0]
    turns[:, :, 0] *= torch.linalg.det(turns)[:, None]
    return (joints - joints[:, [ROOT_JOINT]]) @ turns.transpose(1, 2) + torch.tensor([0.1, -0.2, 5.0])


def slow_register(joints: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """SemiHand's registration, bone by bone, by recursion from the root joint."""
    registered = {ROOT_JOINT: joints[ROOT_JOINT]}

    def visit(near: int) -> None:
        neighbours = [JOINT_PARENTS[near]] + [c for c in range(NUM_JOINTS) if JOINT_PARENTS[c] == near]
        for far in neighbours:
            if far < 0 or far in registered:
                continue
            bone = BONES.index((near, far) if JOINT_PARENTS[far] == near else (far, near))
            direction = joints[far] - registered[near]
            registered[far] = registered[near] + lengths[bone] * direction / math.dist(direction, (0, 0, 0))
            visit(far)

    visit(ROOT_JOINT)
    return np.stack([registered[j] for j in range(NUM_JOINTS)])


def test_walk_reaches_every_joint_once_from_the_root() -> None:
    reached = {ROOT_JOINT}
    for near, far, bone in WALK:
        assert near in reached and far not in reached and set(BONES[bone]) == {near, far}
        reached.add(far)
    assert reached == set(range(NUM_JOINTS))


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10_000), noise=st.floats(0.01, 1.0))
def test_register_equals_the_slow_reference_and_gives_the_templates_lengths(seed: int, noise: float) -> None:
    joints = torch.from_numpy(np.random.default_rng(seed).normal(size=(3, 21, 3)) * (1 + noise))
    registered = register(joints)
    slow = np.stack([slow_register(j, bone_template().double().numpy()) for j in joints.numpy()])
    np.testing.assert_allclose(registered.numpy(), slow, atol=1e-9)
    torch.testing.assert_close(bone_lengths(registered), bone_template().double().expand(3, 20), atol=1e-6, rtol=0)
    torch.testing.assert_close(register(registered), registered, atol=1e-9, rtol=0)


def test_a_template_hand_is_unchanged_and_noise_shrinks(hands: torch.Tensor) -> None:
    torch.testing.assert_close(register(hands), hands, atol=1e-6, rtol=0)
    generator = torch.Generator().manual_seed(0)
    noisy = hands + 0.1 * torch.randn(hands.shape, generator=generator, dtype=hands.dtype)
    noisy[:, ROOT_JOINT] = hands[:, ROOT_JOINT]
    before, after = (torch.linalg.norm(j - hands, dim=-1).mean() for j in (noisy, register(noisy)))
    assert after < 0.95 * before


def test_joints_on_one_spot_stay_finite() -> None:
    registered = register(torch.zeros(1, 21, 3))
    assert torch.isfinite(registered).all()


def test_lift_and_projection_are_inverse_for_a_perspective_hand(hands: torch.Tensor) -> None:
    focal = torch.full((len(hands),), 2.0, dtype=hands.dtype)
    uv = 0.5 + 2.0 * hands[..., :2] / hands[..., 2:]
    depth = hands[..., 2] - hands[:, [ROOT_JOINT], 2]
    upright = (depth[:, 0] ** 2) < 0.9  # a reference bone along the ray leaves the root's depth open
    torch.testing.assert_close(lifted(uv, depth, focal)[upright], hands[upright], atol=1e-5, rtol=0)


def test_correct_leaves_a_legal_hand_and_keeps_the_root(hands: torch.Tensor) -> None:
    focal = torch.full((len(hands),), 2.0, dtype=hands.dtype)
    uv = 0.5 + 2.0 * hands[..., :2] / hands[..., 2:]
    depth = hands[..., 2] - hands[:, [ROOT_JOINT], 2]
    legal = depth[:, 0] ** 2 < 0.9
    corrected_uv, corrected_depth = correct(uv, depth, focal)
    torch.testing.assert_close(corrected_uv[legal], uv[legal], atol=1e-5, rtol=0)
    torch.testing.assert_close(corrected_depth[legal], depth[legal], atol=1e-5, rtol=0)
    noisy_uv, noisy_depth = correct(uv + 0.03 * torch.randn_like(uv), depth, focal)
    assert (noisy_depth[:, ROOT_JOINT] == 0).all()
    assert (noisy_uv - uv).abs().max() > 1e-3


def test_correct_pulls_a_far_fingertip_back(hands: torch.Tensor) -> None:
    focal = torch.full((len(hands),), 2.0, dtype=hands.dtype)
    uv = 0.5 + 2.0 * hands[..., :2] / hands[..., 2:]
    depth = hands[..., 2] - hands[:, [ROOT_JOINT], 2]
    wrong = uv.clone()
    wrong[:, 8] += 0.3
    only_lengths, _ = correct(wrong, depth, focal, angles=False)
    assert (torch.linalg.norm(only_lengths[:, 8] - uv[:, 8], dim=-1) < 0.3).all()
    unchanged, _ = correct(wrong, depth, focal, lengths=False, angles=False)
    torch.testing.assert_close(unchanged, wrong, atol=1e-9, rtol=0)
