"""The latent inversion of PeCLR: it undoes a known transform, agrees with a loop, and keeps its gradient."""

import math

import pytest
import torch
from torch.nn import functional

from dualmod.losses.equivariance import undo_geometry


def moved(points: torch.Tensor, turn: float, shift: tuple[float, float]) -> torch.Tensor:
    """One embedding's points turned about their mean, then shifted by a share of their range."""
    mean = points.mean(0)
    x, y = (points - mean).T
    turned = torch.stack([math.cos(turn) * x - math.sin(turn) * y, math.sin(turn) * x + math.cos(turn) * y], 1) + mean
    return turned + (turned.amax(0) - turned.amin(0)) * torch.tensor(shift, dtype=points.dtype)


@pytest.mark.parametrize(
    ("turn", "shift"), [(0.0, (0.0, 0.0)), (0.7, (0.0, 0.0)), (-2.1, (0.2, -0.1)), (math.pi, (1, 1))]
)
def test_a_known_turn_and_shift_are_undone_exactly(turn, shift):
    torch.manual_seed(0)
    points = torch.randn(64, 2, dtype=torch.float64)
    scaled = 3.7 * moved(points, turn, shift)  # the length of an embedding means nothing
    turns, shifts = torch.tensor([turn], dtype=torch.float64), torch.tensor([shift], dtype=torch.float64)
    found = undo_geometry(scaled.reshape(1, -1), turns, shifts)
    torch.testing.assert_close(found, functional.normalize(points.reshape(1, -1), dim=1), atol=1e-12, rtol=0)


def test_no_change_gives_the_embedding_itself_and_each_row_has_its_own():
    torch.manual_seed(1)
    z = functional.normalize(torch.randn(3, 8, dtype=torch.float64), dim=1)
    turn, shift = torch.tensor([0.0, 0.5, -1.0]).double(), torch.tensor([[0.0, 0.0], [0.1, 0.2], [-0.3, 0.0]]).double()
    together = undo_geometry(z, turn, shift)
    torch.testing.assert_close(together[0], z[0])
    for row in range(3):
        torch.testing.assert_close(together[row], undo_geometry(z[[row]], turn[[row]], shift[[row]])[0])


def test_gradients_are_finite_and_not_zero():
    z = torch.randn(4, 6, requires_grad=True)
    undo_geometry(z, torch.rand(4), torch.rand(4, 2))[:, 0].sum().backward()
    assert z.grad is not None and torch.isfinite(z.grad).all() and z.grad.abs().max() > 0


def test_an_odd_embedding_is_refused():
    with pytest.raises(ValueError, match="embedding of 5 numbers"):
        undo_geometry(torch.ones(2, 5), torch.zeros(2), torch.zeros(2, 2))
