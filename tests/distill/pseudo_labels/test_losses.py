"""The losses on photos against loops and known values."""

import math

import pytest
import torch

from distill.pseudo_labels.denoising import PseudoLabels
from distill.pseudo_labels.losses import consistency_loss, handedness_pseudo_loss, pseudo_label_loss
from dualmod.losses.heatmap import heatmap_cross_entropy
from dualmod.losses.pose import pose_distance
from dualmod.losses.supervision import SupervisionConfig
from dualmod.network.prediction import Prediction

IDENTITY = torch.eye(2, 3)
TURNED = torch.tensor([[0.0, -1.0, 1.0], [1.0, 0.0, 0.0]])
"""A quarter turn about the crop's centre."""


def prediction(count: int, seed: int = 0) -> Prediction:
    torch.manual_seed(seed)
    return Prediction(
        joints_uv=torch.rand(count, 21, 2),
        joints_depth=torch.randn(count, 21),
        heatmap_logits=torch.randn(count, 21, 8, 8),
        confidence=torch.rand(count, 21),
        mask_logits=torch.randn(count, 1, 8, 8),
        depth=torch.rand(count, 1, 8, 8),
        embedding=torch.rand(count, 4),
        handedness_logit=torch.randn(count),
    )


def labels(count: int, **changes) -> PseudoLabels:
    torch.manual_seed(5)
    settings = {
        "joints_uv": 0.1 + 0.8 * torch.rand(count, 21, 2),
        "joints_depth": torch.randn(count, 21),
        "spread": torch.zeros(count),
        "kept": torch.ones(count, dtype=torch.bool),
        "joint_weight": torch.rand(count, 21),
        "report": {},
    }
    return PseudoLabels(**{**settings, **changes})


def test_pseudo_label_loss_takes_the_labels_to_the_strong_view_joint_by_joint():
    seen, wanted, config = prediction(2), labels(2, kept=torch.tensor([True, False])), SupervisionConfig()
    loss = pseudo_label_loss(seen, wanted, torch.stack([TURNED, IDENTITY]), config)
    u, v = wanted.joints_uv[0].unbind(-1)
    turned = torch.stack([1 - v, u], -1)[None]  # the second row is left out, yet counts in the mean
    weight = wanted.joint_weight[:1]
    pose = pose_distance(
        seen.joints_uv[:1], seen.joints_depth[:1], turned, wanted.joints_depth[:1], joint_weight=weight
    )
    heatmap = heatmap_cross_entropy(seen.heatmap_logits[:1], turned, joint_weight=weight)
    expected = (config.pose_weight * pose + config.heatmap_weight * heatmap) / 2
    assert loss.item() == pytest.approx(expected.item(), rel=1e-5)


def test_joints_that_leave_the_strong_view_do_not_count():
    seen, wanted = prediction(1), labels(1)
    aside = torch.tensor([[[1.0, 0, 2.0], [0, 1, 0]]])
    assert pseudo_label_loss(seen, wanted, aside, SupervisionConfig()) == 0


def test_handedness_loss_equals_a_loop_and_leaves_out_the_unsure():
    right, left = torch.tensor([0.5, -2.0, 1.5]), torch.tensor([1.0, -1.0])
    sure = torch.tensor([True, False, True])
    rights = (math.log1p(math.exp(-0.5)) + math.log1p(math.exp(-1.5))) / 3
    lefts = math.log1p(math.exp(1.0)) / 2
    assert handedness_pseudo_loss(right, left, sure).item() == pytest.approx((rights + lefts) / 2, rel=1e-6)
    assert handedness_pseudo_loss(right, left, torch.zeros(3, dtype=torch.bool)) == 0


def test_consistency_is_zero_between_equal_passes_and_its_gradient_enters_the_first_alone():
    first, fused = prediction(2, seed=0), prediction(2, seed=1)
    assert consistency_loss(first, first, SupervisionConfig()) == 0
    for tensor in (first.joints_uv, fused.joints_uv, first.depth, fused.depth):
        tensor.requires_grad_()
    consistency_loss(first, fused, SupervisionConfig()).backward()
    assert first.joints_uv.grad.abs().sum() > 0
    assert first.depth.grad.abs().sum() > 0
    assert fused.joints_uv.grad is None
    assert fused.depth.grad is None
