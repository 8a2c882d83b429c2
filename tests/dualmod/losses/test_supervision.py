"""Pose distance, heatmap cross-entropy and multi-modal supervision against loops and known values."""

import math
from dataclasses import replace

import pytest
import torch

from dualmod.data.batch import HandBatch
from dualmod.losses.heatmap import heatmap_cross_entropy
from dualmod.losses.pose import DEPTH_WEIGHT, pose_distance
from dualmod.losses.supervision import SupervisionConfig, supervision_loss
from dualmod.network.prediction import Prediction


def smooth_l1(error: float, beta: float) -> float:
    return 0.5 * error**2 / beta if abs(error) < beta else abs(error) - beta / 2


def slow_pose_distance(uv, depth, target_uv, target_depth, weight) -> list[float]:
    result = []
    for b in range(len(uv)):
        joints = []
        for j in range(21):
            place = sum(smooth_l1(float(uv[b, j, k] - target_uv[b, j, k]), 0.025) for k in range(2))
            behind = smooth_l1(float(depth[b, j] - target_depth[b, j]), 0.1)
            joints.append(weight[b, j] * (place + DEPTH_WEIGHT * behind))
        result.append(float(sum(joints)) / 21)
    return result


def test_pose_distance_equals_a_loop():
    torch.manual_seed(0)
    poses = [torch.rand(3, 21, 2), torch.randn(3, 21), torch.rand(3, 21, 2), torch.randn(3, 21)]
    weight = (torch.rand(3, 21) > 0.3).float()
    mine = pose_distance(*poses, joint_weight=weight)
    assert mine.tolist() == pytest.approx(slow_pose_distance(*poses, weight), rel=1e-5)


def test_pose_distance_of_a_pose_to_itself_is_zero():
    uv, depth = torch.rand(2, 21, 2), torch.randn(2, 21)
    assert pose_distance(uv, depth, uv, depth).abs().max() == 0


def test_heatmap_entropy_of_a_flat_map_is_the_log_of_its_cells():
    entropy = heatmap_cross_entropy(
        torch.zeros(1, 21, 8, 8), torch.full((1, 21, 2), 0.5), joint_weight=torch.ones(1, 21)
    )
    assert entropy.item() == pytest.approx(math.log(64), rel=1e-4)


def test_heatmap_entropy_equals_a_loop():
    torch.manual_seed(1)
    logits, uv = torch.randn(1, 21, 4, 6), torch.rand(1, 21, 2)
    total = 0.0
    for j in range(21):
        u, v = float(uv[0, j, 0]) * 6, float(uv[0, j, 1]) * 4
        squared = {(y, x): (x + 0.5 - u) ** 2 + (y + 0.5 - v) ** 2 for y in range(4) for x in range(6)}
        cells = {cell: math.exp(-0.5 * distance) for cell, distance in squared.items()}
        norm, log_sum = sum(cells.values()), math.log(sum(math.exp(v) for v in logits[0, j].flatten().tolist()))
        total -= sum(p / norm * (float(logits[0, j, y, x]) - log_sum) for (y, x), p in cells.items())
    mine = heatmap_cross_entropy(logits, uv, joint_weight=torch.ones(1, 21))
    assert mine.item() == pytest.approx(total / 21, rel=1e-4)


def test_a_joint_outside_the_map_adds_nothing():
    logits = torch.randn(1, 21, 8, 8)
    far = heatmap_cross_entropy(logits, torch.full((1, 21, 2), 9.0), joint_weight=torch.ones(1, 21))
    assert far.abs().item() < 1e-6


@pytest.fixture
def batch() -> HandBatch:
    torch.manual_seed(2)
    mask = (torch.rand(2, 1, 8, 8) > 0.5).float()
    poses = torch.rand(2, 21, 2), torch.randn(2, 21), torch.ones(2, 21)
    return HandBatch(torch.rand(2, 3, 32, 32), mask * 0.5, mask, *poses, mask)


@pytest.fixture
def perfect(batch) -> Prediction:
    return Prediction(
        joints_uv=batch.joints_uv,
        joints_depth=batch.joints_depth,
        heatmap_logits=torch.zeros(2, 21, 8, 8),
        confidence=torch.ones(2, 21),
        mask_logits=(batch.mask * 2 - 1) * 100,
        depth=batch.depth,
        embedding=torch.ones(2, 1),
        handedness_logit=torch.zeros(2),
    )


def test_a_perfect_prediction_costs_nothing_but_its_heatmaps(perfect, batch):
    config = SupervisionConfig(heatmap_weight=0.0)
    assert supervision_loss(perfect, batch, config).item() == pytest.approx(0, abs=1e-6)


def test_each_weight_scales_its_own_term(perfect, batch):
    off = {"pose_weight": 0.0, "heatmap_weight": 0.0, "mask_weight": 0.0, "depth_weight": 0.0}
    wrong = replace(perfect, depth=perfect.depth + 0.2, mask_logits=torch.zeros(2, 1, 8, 8))
    for name, expected in (("depth_weight", 0.6), ("mask_weight", 1.5)):
        config = SupervisionConfig(**{**off, name: 3.0})
        assert supervision_loss(wrong, batch, config).item() == pytest.approx(expected)


def test_a_negative_weight_is_refused():
    with pytest.raises(ValueError, match=r"supervision.mask_weight=-1"):
        SupervisionConfig(mask_weight=-1)
