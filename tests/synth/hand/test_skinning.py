"""Our linear blend skinning against smplx, analytic poses and finite differences."""

import sys
from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation

from synth.common.optional import MissingPartError
from synth.hand import HandModel, load_hand
from synth.hand.arrays import ManoArrays
from synth.hand.skinning import LinearBlendSkinning, rodrigues

SCALES = {"zero": 0.0, "tiny": 1e-5, "usual": 0.4, "large": 2.0}
"""Spread of the axis-angle vectors, radians."""


@pytest.fixture(scope="module")
def arrays() -> ManoArrays:
    return load_hand("open")


@pytest.fixture(scope="module")
def models(arrays) -> tuple[HandModel, HandModel]:
    return HandModel(arrays), HandModel(arrays, "smplx")


def random_rows(count: int, spread: float, dtype: torch.dtype = torch.float64) -> list[torch.Tensor]:
    rng = np.random.default_rng(count)
    rows = (rng.normal(0, 1, (count, 16, 3)) * spread, rng.normal(size=(count, 10)), rng.normal(0, 0.5, (count, 3)))
    return [torch.tensor(row, dtype=dtype) for row in rows]


def near_pi(count: int) -> torch.Tensor:
    axes = torch.nn.functional.normalize(random_rows(count, 1.0)[0], dim=-1)
    return axes * torch.linspace(np.pi - 1e-3, np.pi + 1e-3, 16, dtype=torch.float64)[:, None]


def require_equal(own: HandModel, reference: HandModel, rows: list[torch.Tensor], atol_gradient: float) -> None:
    """Vertices and joints within 1e-6 m, and gradients of a random mean of them."""
    weights = torch.randn(own.faces.max() + 1, 3, generator=torch.Generator().manual_seed(0)).to(rows[0])
    outputs, gradients = [], []
    for model in (own, reference):
        leaves = [row.clone().requires_grad_() for row in rows]
        mesh = model(*leaves)
        ((mesh.verts * weights).mean((1, 2)).sum() + mesh.joints.square().sum()).backward()
        outputs.append((mesh.verts.detach(), mesh.joints.detach()))
        gradients.append([leaf.grad for leaf in leaves])
    for ours, theirs in zip(*outputs, strict=True):
        torch.testing.assert_close(ours, theirs, atol=1e-6, rtol=0)
    for ours, theirs in zip(*gradients, strict=True):
        torch.testing.assert_close(ours, theirs, atol=atol_gradient, rtol=0)


@pytest.mark.parametrize("count", [1, 7])
@pytest.mark.parametrize("spread", SCALES)
def test_vertices_joints_and_gradients_are_those_of_smplx(arrays, count, spread):
    doubles = HandModel(arrays).double(), HandModel(arrays, "smplx").double()
    require_equal(*doubles, random_rows(count, SCALES[spread]), 1e-6)


@pytest.mark.parametrize("count", [1, 7])
@pytest.mark.parametrize("spread", ["zero", "usual", "large"])
def test_single_precision_agrees_with_smplx_too(models, count, spread):
    # at angles of a thousandth smplx itself is wrong by 1e-5 in singles: 1 - cos(x) loses its digits
    require_equal(*models, random_rows(count, SCALES[spread], torch.float32), 1e-5)


def test_turns_by_half_a_circle_agree_with_smplx(arrays, models):
    _, betas, transl = random_rows(5, 0.0)
    rows = [near_pi(5), betas, transl]
    require_equal(HandModel(arrays).double(), HandModel(arrays, "smplx").double(), rows, 1e-6)
    require_equal(*models, [row.float() for row in rows], 1e-5)


def test_rotations_are_scipys_and_their_gradients_are_exact_at_every_angle():
    axis = np.array([0.36, -0.48, 0.8])
    angles = np.array([0, 1e-12, 1e-8, 1e-6, 1e-3, 0.0999, 0.1001, 0.5, 2, np.pi, 6.5, 40])
    vectors = torch.tensor(axis * angles[:, None])
    expected = Rotation.from_rotvec(vectors.numpy()).as_matrix()
    np.testing.assert_allclose(rodrigues(vectors).numpy(), expected, atol=1e-14)
    np.testing.assert_allclose(rodrigues(vectors.float()).numpy(), expected, atol=3e-6)
    slopes = torch.autograd.functional.jacobian(lambda w: rodrigues(w).sum(0), vectors)
    # exp([w + d]x) = exp([w]x) exp([J d]x) to first order, with the right Jacobian J of the rotation group
    for row, vector in enumerate(vectors.numpy()):
        for axis_id, basis in enumerate(np.eye(3)):
            turned = expected[row] @ Rotation.from_rotvec(right_jacobian(vector) @ basis * 1e-7).as_matrix()
            back = expected[row] @ Rotation.from_rotvec(-right_jacobian(vector) @ basis * 1e-7).as_matrix()
            np.testing.assert_allclose(slopes[:, :, row, axis_id], (turned - back) / 2e-7, atol=3e-8)


def right_jacobian(vector: np.ndarray, steps: int = 100_000) -> np.ndarray:
    """The mean of exp(-s [w]x) over s in [0, 1], which needs no formula with small angles."""
    shares = (np.arange(steps) + 0.5) / steps
    return Rotation.from_rotvec(-shares[:, None] * vector).as_matrix().mean(0)


def test_single_precision_keeps_gradients_at_small_angles():
    vectors = torch.tensor([[0.3, -0.2, 0.1]]) * torch.tensor([[0.0], [1e-6], [1e-3], [0.2], [0.27], [0.3], [1.0]])
    for count in range(len(vectors)):
        single = torch.autograd.functional.jacobian(rodrigues, vectors[count])
        double = torch.autograd.functional.jacobian(rodrigues, vectors[count].double())
        torch.testing.assert_close(single.double(), double, atol=2e-6, rtol=0)
    assert torch.equal(rodrigues(torch.zeros(2, 3)), torch.eye(3).expand(2, 3, 3))


def test_gradients_are_those_of_finite_differences(arrays):
    rng = np.random.default_rng(0)
    few = np.sort(rng.choice(len(arrays.v_template), 40, replace=False))
    small = replace(
        arrays, v_template=arrays.v_template[few], shapedirs=arrays.shapedirs[few], posedirs=arrays.posedirs[few],
        J_regressor=rng.dirichlet(np.ones(40), 16).astype(np.float32), weights=arrays.weights[few],
    )  # fmt: skip
    skinning = LinearBlendSkinning(small).double()
    pose, betas, transl = random_rows(2, 0.5)
    pose[0, :8] = 0
    leaves = [row.requires_grad_() for row in (pose, betas, transl)]
    assert torch.autograd.gradcheck(skinning, leaves, eps=1e-6, atol=1e-7)


def test_a_turn_of_the_wrist_alone_is_rigid_about_the_wrist(arrays):
    skinning = LinearBlendSkinning(arrays).double()
    _, betas, transl = random_rows(3, 0.0)
    flat, turned = torch.zeros(3, 16, 3, dtype=torch.float64), torch.zeros(3, 16, 3, dtype=torch.float64)
    turned[:, 0] = torch.tensor([[0.3, -1.2, 2.0], [3.0, 0.5, 0.1], [0.0, 1e-9, 0.0]])
    (verts, joints), (moved, moved_joints) = skinning(flat, betas, 0 * transl), skinning(turned, betas, transl)
    R = torch.tensor(Rotation.from_rotvec(turned[:, 0].numpy()).as_matrix())
    wrist = joints[:, :1]
    for before, after in ((verts, moved), (joints, moved_joints)):
        expected = (before - wrist) @ R.transpose(1, 2) + wrist + transl[:, None]
        torch.testing.assert_close(after, expected, atol=1e-7, rtol=0)  # weights of single precision sum to 1 +- 1e-7


def test_the_flat_hand_is_the_template_and_moves_with_its_place(arrays):
    skinning = LinearBlendSkinning(arrays).double()
    flat, betas = torch.zeros(2, 16, 3, dtype=torch.float64), torch.zeros(2, 10, dtype=torch.float64)
    transl = torch.tensor([[0.0, 0.0, 0.0], [0.3, -0.1, 0.7]], dtype=torch.float64)
    verts, joints = skinning(flat, betas, transl)
    np.testing.assert_allclose(verts[0], arrays.v_template, atol=1e-7)
    np.testing.assert_allclose(joints[0], arrays.rest_joints(), atol=1e-7)
    torch.testing.assert_close(verts[1] - verts[0], transl[1].expand_as(verts[0]))
    torch.testing.assert_close(joints[1] - joints[0], transl[1].expand_as(joints[0]))
    betas[1, 3] = 2
    shaped, _ = skinning(flat, betas, 0 * transl)
    np.testing.assert_allclose(shaped[1], arrays.v_template + 2 * arrays.shapedirs[:, :, 3], atol=1e-7)


def test_no_hand_contiguous_hands_and_hands_elsewhere(arrays):
    none = HandModel(arrays)(torch.zeros(0, 16, 3), torch.zeros(0, 10), torch.zeros(0, 3))
    assert none.verts.shape == (0, len(arrays.v_template), 3) and none.joints.shape == (0, 21, 3)
    assert HandModel(arrays)(*random_rows(3, 0.4, torch.float32)).verts.is_contiguous()
    elsewhere = HandModel(arrays).to("meta", torch.float16)(
        *(row.to("meta") for row in random_rows(3, 0.4, torch.float16))
    )
    assert (elsewhere.verts.device.type, elsewhere.joints.dtype) == ("meta", torch.float16)


def test_a_skinning_that_is_unknown_or_not_installed_is_one_line(arrays, monkeypatch):
    with pytest.raises(ValueError, match=r"^skinning=mano is not legal: it must be one of lbs, smplx$"):
        HandModel(arrays, "mano")
    monkeypatch.setitem(sys.modules, "smplx", None)
    with pytest.raises(MissingPartError, match=r"skinning=smplx needs smplx.*pip install smplx; or take skinning=lbs"):
        HandModel(arrays, "smplx")
    HandModel(arrays)
