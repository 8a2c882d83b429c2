"""The l1 alignment of features against a loop."""

import pytest
import torch

from dualmod.losses.alignment import feature_alignment


def test_each_scale_counts_alike():
    rgb, depth = (
        [torch.zeros(2, 3, 4, 4), torch.zeros(2, 3, 2, 2)],
        [torch.ones(2, 3, 4, 4), -3 * torch.ones(2, 3, 2, 2)],
    )
    assert feature_alignment(rgb, depth).item() == pytest.approx((1 + 3) / 2)


def test_equals_a_loop_and_both_get_a_gradient():
    torch.manual_seed(0)
    a, b = torch.randn(2, 3, 2, 2, requires_grad=True), torch.randn(2, 3, 2, 2, requires_grad=True)
    flat = zip(a.flatten().tolist(), b.flatten().tolist(), strict=True)
    loss = feature_alignment([a], [b])
    assert loss.item() == pytest.approx(sum(abs(x - y) for x, y in flat) / a.numel(), rel=1e-5)
    loss.backward()
    assert a.grad is not None and b.grad is not None and torch.equal(a.grad, -b.grad) and a.grad.abs().min() > 0


def test_features_that_agree_cost_nothing():
    maps = [torch.randn(1, 2, 3, 3)]
    assert feature_alignment(maps, maps).item() == 0
