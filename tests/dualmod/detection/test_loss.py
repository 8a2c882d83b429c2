"""Losses of the centre maps: the focal loss as printed, and what counts where."""

import math

import pytest
import torch

from dualmod.detection.loss import DetectorLossConfig, detector_losses, focal_loss, masked_mean
from dualmod.detection.network import CentreMaps
from dualmod.detection.targets import HAND, SceneHands, centre_targets


def test_focal_loss_is_the_papers_equation_cell_by_cell():
    torch.manual_seed(0)
    logits, heat = torch.randn(2, 1, 5, 6, dtype=torch.float64), torch.rand(2, 1, 5, 6, dtype=torch.float64)
    heat[0, 0, 2, 3] = heat[1, 0, 4, 0] = 1
    weight = (torch.rand(2, 1, 5, 6, dtype=torch.float64) > 0.2).double()
    total = 0.0
    for logit, y, w in zip(logits.flatten().tolist(), heat.flatten().tolist(), weight.flatten().tolist(), strict=True):
        p = 1 / (1 + math.exp(-logit))
        total += w * ((1 - p) ** 2 * math.log(p) if y == 1 else (1 - y) ** 4 * p**2 * math.log(1 - p))
    found = focal_loss(logits, heat, weight, torch.tensor(2.0))
    assert found.item() == pytest.approx(-total / 2, rel=1e-9)


def test_focal_loss_stays_finite_where_a_logit_is_extreme():
    logits = torch.tensor([[[[90.0, -90.0]]]], requires_grad=True)
    loss = focal_loss(logits, torch.tensor([[[[0.0, 1.0]]]]), torch.ones(1, 1, 1, 2), torch.tensor(1.0))
    loss.backward()
    assert torch.isfinite(loss) and torch.isfinite(logits.grad).all() and (logits.grad != 0).any()


def made(right: float):
    hands = SceneHands(torch.tensor([[[8.0, 8, 39, 31]]]), torch.tensor([[right]]), torch.tensor([[HAND]]))
    targets = centre_targets(hands, (6, 6))
    maps = CentreMaps(
        heat=torch.where(targets.heat == 1, 30.0, -30.0),
        log_size=targets.log_size.clone(),
        offset=targets.offset.clone(),
        right=torch.full((1, 1, 6, 6), 30.0),
    )
    return maps, targets


def test_true_maps_cost_nothing_and_wrong_ones_what_they_are_off_by():
    maps, targets = made(1.0)
    weights = DetectorLossConfig(heat=1, size=1, offset=1, right=1)
    assert all(term < 1e-6 for term in detector_losses(maps, targets, weights).values())
    off = CentreMaps(maps.heat, maps.log_size + 0.25, maps.offset - 0.5, -maps.right)
    found = detector_losses(off, targets, DetectorLossConfig(heat=1, size=2, offset=1, right=1))
    assert found["size"] == pytest.approx(2 * 2 * 0.25) and found["offset"] == pytest.approx(2 * 0.5)
    assert found["right"] == pytest.approx(30, abs=1e-3)


def test_a_hand_of_unknown_side_teaches_no_side():
    maps, targets = made(math.nan)
    assert detector_losses(maps, targets, DetectorLossConfig())["right"] == 0


def test_a_mean_over_nothing_is_0():
    assert masked_mean(torch.ones(2, 2), torch.zeros(2, 2)) == 0
    assert masked_mean(torch.tensor([1.0, 5.0]), torch.tensor([0.0, 1.0])) == 5
