"""The posed hand against a slow reference, analytic poses, gradients and bits."""

import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation

from synth.common.conventions import JOINT_NAMES, MANO_PARENTS
from synth.hand import HandAxes, HandModel, load_hand
from synth.hand.arrays import ManoArrays
from synth.hand.joints import to_ours


@pytest.fixture(scope="module")
def arrays() -> ManoArrays:
    return load_hand("open")


@pytest.fixture(scope="module")
def model(arrays) -> HandModel:
    return HandModel(arrays)


def random_hands(count: int, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    rng = np.random.default_rng(seed)
    sizes = (rng.normal(0, 0.4, (count, 16, 3)), rng.normal(size=(count, 10)), rng.normal(size=(count, 3)))
    pose, betas, transl = (torch.tensor(x, dtype=torch.float32) for x in sizes)
    return pose, betas, transl


def slow_hand(arrays: ManoArrays, pose: np.ndarray, betas: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """One vertex after another, in double precision, straight from MANO's definition."""
    shaped = arrays.v_template + arrays.shapedirs.astype(float) @ betas
    joints = arrays.J_regressor.astype(float) @ shaped
    turns = Rotation.from_rotvec(pose).as_matrix()
    shaped = shaped + arrays.posedirs.astype(float) @ (turns[1:] - np.eye(3)).ravel()
    to_world = [np.eye(4) for _ in range(16)]
    for j in range(16):
        local = np.eye(4)
        local[:3, :3] = turns[j]
        parent = MANO_PARENTS[j]
        local[:3, 3] = joints[j] - (joints[parent] if parent >= 0 else 0)
        to_world[j] = local if parent < 0 else to_world[parent] @ local
    verts = np.zeros_like(shaped)
    for v, point in enumerate(shaped):
        for j in np.flatnonzero(arrays.weights[v]):
            verts[v] += arrays.weights[v, j] * (to_world[j][:3, :3] @ (point - joints[j]) + to_world[j][:3, 3])
    posed = np.array([m[:3, 3] for m in to_world])
    return verts, np.concatenate([posed, verts[arrays.tip_vertex_ids]])


def test_equals_the_slow_reference(arrays, model):
    pose, betas, transl = random_hands(1)
    mesh = model(pose, betas, transl)
    verts, joints = slow_hand(arrays, pose[0].double().numpy(), betas[0].double().numpy())
    np.testing.assert_allclose(mesh.verts[0].numpy(), verts + transl[0].numpy(), atol=2e-6)
    np.testing.assert_allclose(mesh.joints[0].numpy(), to_ours(joints, "mano_tips") + transl[0].numpy(), atol=2e-6)


def test_zero_pose_is_the_template_and_transl_moves_it(arrays, model):
    transl = torch.tensor([[0.1, -0.2, 0.7]])
    mesh = model(torch.zeros(1, 16, 3), torch.zeros(1, 10), transl)
    np.testing.assert_allclose(mesh.verts[0] - transl[0], arrays.v_template, atol=1e-6)
    np.testing.assert_allclose(mesh.joints[0, 0] - transl[0], arrays.rest_joints()[0], atol=1e-6)


def test_the_first_rotation_turns_the_hand_about_its_wrist(model):
    pose, betas, transl = random_hands(1, seed=3)
    still = pose.clone()
    still[:, 0] = 0
    turned, straight = model(pose, betas, transl), model(still, betas, transl)
    R = torch.tensor(Rotation.from_rotvec(pose[0, 0].numpy()).as_matrix(), dtype=torch.float32)
    wrist = straight.joints[:, :1]
    np.testing.assert_allclose((straight.verts - wrist) @ R.T + wrist, turned.verts, atol=2e-6)


def test_flexing_one_joint_moves_that_finger_alone_towards_the_palm(model):
    pose = torch.zeros(1, 16, 3)
    pose[0, 2, 2] = 0.8  # index2 about +z
    rest = model(torch.zeros(1, 16, 3), torch.zeros(1, 10), torch.zeros(1, 3)).joints[0]
    moved = model(pose, torch.zeros(1, 10), torch.zeros(1, 3)).joints[0] - rest
    still = [i for i, name in enumerate(JOINT_NAMES) if name not in ("index_dip", "index_tip")]
    assert moved[still].abs().max() < 2e-4
    assert moved[JOINT_NAMES.index("index_tip"), 1] < -0.02  # the palm is at -y


def test_joints_agree_with_the_kinematics_of_the_axes(arrays, model):
    pose, _, _ = random_hands(1, seed=5)
    mesh = model(pose, torch.zeros(1, 10), torch.zeros(1, 3))
    joints = HandAxes.of(arrays).joints(pose[0].double().numpy())
    bones_only = [i for i, name in enumerate(JOINT_NAMES) if not name.endswith("tip")]
    np.testing.assert_allclose(mesh.joints[0, bones_only].numpy(), joints[bones_only], atol=1e-5)
    np.testing.assert_allclose(mesh.joints[0].numpy(), joints, atol=6e-3)  # pose corrections move the tips


def test_gradients_reach_pose_shape_and_place(model):
    inputs = [x.requires_grad_() for x in random_hands(2)]
    model(*inputs).verts.square().sum().backward()
    assert all(x.grad is not None and x.grad.isfinite().all() and x.grad.abs().max() > 0 for x in inputs)
    flat = torch.zeros(1, 16, 3, requires_grad=True)
    model(flat, torch.zeros(1, 10), torch.zeros(1, 3)).joints.sum().backward()
    assert flat.grad is not None and flat.grad.isfinite().all()


def test_blocks_give_the_same_bits_for_any_neighbours(model):
    pose, betas, transl = random_hands(21)
    whole = model.pose_blocks(pose, betas, transl)
    order = torch.randperm(21, generator=torch.Generator().manual_seed(0))
    shuffled = model.pose_blocks(pose[order], betas[order], transl[order])
    alone = model.pose_blocks(pose[4:5], betas[4:5], transl[4:5])
    assert torch.equal(shuffled.verts, whole.verts[order])
    assert torch.equal(alone.verts[0], whole.verts[4]) and torch.equal(alone.joints[0], whole.joints[4])
    np.testing.assert_allclose(whole.verts, model(pose, betas, transl).verts.detach(), atol=1e-6)


def test_wrong_shapes_are_refused_and_nothing_is_printed(arrays, capsys):
    model = HandModel(arrays)
    assert capsys.readouterr().out == ""
    with pytest.raises(ValueError, match=r"pose_aa has shape \(2, 15, 3\)"):
        model(torch.zeros(2, 15, 3), torch.zeros(2, 10), torch.zeros(2, 3))
    with pytest.raises(ValueError, match=r"betas has shape \(1, 10\)"):
        model(torch.zeros(2, 16, 3), torch.zeros(1, 10), torch.zeros(2, 3))
