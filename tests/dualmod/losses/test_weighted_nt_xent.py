"""The two-way NT-Xent and HandCLR's weights against double loops and on degenerate input."""

import math

import pytest
import torch
from torch.nn import functional

from dualmod.losses.pair_weights import pose_weights
from dualmod.losses.weighted_nt_xent import weighted_nt_xent


def slow(first, second, temperature, positive_weight, negative_weight) -> float:
    """One anchor at a time, one negative at a time."""
    views, count = [*first, *second], len(first)
    total = 0.0
    for i, anchor in enumerate(views):
        partner = (i + count) % (2 * count)
        s = float(anchor @ views[partner])
        numerator = math.exp(float(positive_weight[i % count]) * s / temperature)
        denominator = numerator
        for k, other in enumerate(views):
            if k not in (i, partner):
                denominator += math.exp(float(negative_weight[i, k]) * float(anchor @ other) / temperature)
        total -= math.log(numerator / denominator)
    return total / (2 * count)


def unit(*shape: int) -> torch.Tensor:
    return functional.normalize(torch.randn(*shape, dtype=torch.float64), dim=-1)


@pytest.mark.parametrize("temperature", [0.1, 0.5])
@pytest.mark.parametrize("weighted", [False, True])
def test_equals_the_double_loop(temperature, weighted):
    torch.manual_seed(2)
    a, b = unit(4, 6), unit(4, 6)
    v, w = (torch.rand(4).double(), torch.rand(8, 8).double()) if weighted else (torch.ones(4), torch.ones(8, 8))
    given = {"positive_weight": v, "negative_weight": w} if weighted else {}
    mine = weighted_nt_xent(a, b, temperature=temperature, **given)
    assert mine.item() == pytest.approx(slow(a, b, temperature, v, w), rel=1e-9)


@pytest.mark.parametrize("count", [2, 5])
def test_identical_embeddings_give_the_log_of_the_number_of_other_views(count):
    same = torch.ones(count, 1)
    assert weighted_nt_xent(same, same).item() == pytest.approx(math.log(2 * count - 1))


def test_direction_does_not_matter_and_gradients_are_finite():
    torch.manual_seed(3)
    a, b = unit(3, 4).requires_grad_(), unit(3, 4)
    loss = weighted_nt_xent(a, b)
    assert loss.item() == pytest.approx(weighted_nt_xent(b, a).item())
    loss.backward()
    assert a.grad is not None and torch.isfinite(a.grad).all() and a.grad.abs().max() > 0


def test_a_batch_of_one_is_refused():
    with pytest.raises(ValueError, match="batch of 2 or more, not 1"):
        weighted_nt_xent(torch.ones(1, 3), torch.ones(1, 3))


def test_pose_weights_equal_a_loop():
    torch.manual_seed(4)
    first, second = torch.rand(3, 21, 2), torch.rand(3, 21, 2)
    poses = [*first, *second]
    distance = [[sum(math.dist(a[j], b[j]) for j in range(21)) / 21 for b in poses] for a in poses]
    pairs = [distance[i][i + 3] for i in range(3)]
    positive, negative = pose_weights(first, second)
    assert positive.tolist() == pytest.approx([(max(pairs) - d) / (max(pairs) - min(pairs)) for d in pairs], abs=1e-5)
    farthest = max(max(row) for row in distance)
    expected = [(farthest - d) / farthest for row in distance for d in row]
    assert negative.flatten().tolist() == pytest.approx(expected, abs=1e-5)


def test_poses_that_are_all_the_same_weigh_one():
    same = torch.rand(1, 21, 2).expand(2, 21, 2)
    positive, negative = pose_weights(same, same)
    assert torch.equal(positive, torch.ones(2)) and torch.equal(negative, torch.ones(4, 4))


def test_a_single_pair_weighs_one():
    assert pose_weights(torch.rand(1, 21, 2), torch.rand(1, 21, 2))[0].item() == 1
