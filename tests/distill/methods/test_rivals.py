"""Losses of mean teacher, C-GAC and SemiHand against loops, and their degenerate cases."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch.nn import functional

from distill.methods.base import Setting
from distill.methods.cgac import Options as CgacOptions
from distill.methods.cgac import confidence_weight, mask_consistency
from distill.methods.mean_teacher import Options as MeanTeacherOptions
from distill.methods.mean_teacher import joint_mask
from distill.methods.semihand import Options as SemiHandOptions
from distill.methods.semihand import moved_distance, view_consistency
from distill.pseudo_labels.bone_registration import correct
from dualmod.losses.pose import pose_distance

SETTING = Setting(0, 10)
IDENTITY = torch.eye(2, 3).repeat(4, 1, 1)


def test_the_surest_half_of_the_joints_teach():
    confidence = torch.rand(4, 21)
    wanted = confidence.numpy() >= np.quantile(confidence.numpy(), 0.5)
    assert torch.equal(joint_mask(confidence, 0.5) > 0, torch.from_numpy(wanted))
    assert joint_mask(confidence, 1.0).all()


def test_a_teacher_that_agrees_leaves_the_pose_without_gradient(tiny_net, target, renders):
    """On equal views teacher and student are one network, so the distance between them is 0."""
    net = tiny_net.eval()
    options = MeanTeacherOptions(hand_from="start", joint_share=1.0)
    options.source.supervision.heatmap_weight = 0.0
    same = replace(target, strong=target.weak)
    assert options.build(net, SETTING).losses(net, renders, same, 0)["mean_teacher"].item() == pytest.approx(
        0, abs=1e-6
    )


def test_weight_of_divergence_is_1_at_0_and_falls():
    weight = confidence_weight(torch.tensor([0.0, 1.0, 1e4]), 2.0)
    assert weight.tolist() == pytest.approx([1.0, 2 * (1 - 1 / (1 + np.exp(-2.0))), 0.0])


def test_mask_consistency_is_the_entropy_over_cells_that_both_views_show():
    logits, mask = torch.randn(2, 1, 8, 8), torch.rand(2, 1, 8, 8)
    shifted = torch.eye(2, 3).repeat(2, 1, 1)
    shifted[:, 0, 2] = 0.25  # two cells to the right
    weight = torch.tensor([1.0, 0.5])
    total = 0.0
    for row in range(2):
        for y in range(8):
            for x in range(2, 8):
                cell = functional.binary_cross_entropy_with_logits(logits[row, 0, y, x], mask[row, 0, y, x - 2])
                total += float(weight[row] * cell) / 128
    assert mask_consistency(logits, mask, shifted, weight).item() == pytest.approx(total, rel=1e-4)


def test_equal_teachers_give_full_weight(tiny_net, target, renders):
    net = tiny_net.eval()
    same = replace(target, views=target.weak[:, None], A_weak_views=IDENTITY[:, None])
    options = CgacOptions(hand_from="start", sure_hands_share=1.0)
    terms = options.build(net, SETTING).losses(net, renders, same, 0)
    assert terms["_divergence"].item() == pytest.approx(0, abs=1e-5)
    turned = options.build(net, SETTING).losses(net, renders, target, 0)
    assert turned["_divergence"] > 1e-3


def test_view_consistency_is_0_on_the_same_view_and_grows_with_a_shift(tiny_net, target):
    seen = tiny_net.eval()(target.weak)
    place, mask = view_consistency(IDENTITY, seen, seen)
    assert place.item() == pytest.approx(0, abs=1e-6) and mask.item() == pytest.approx(0, abs=1e-5)
    shifted = IDENTITY.clone()
    shifted[:, 0, 2] = 0.1
    inside = ((seen.joints_uv[..., 0] + 0.1 < 1) & (seen.joints_uv > 0).all(-1) & (seen.joints_uv[..., 1] < 1)).float()
    by_hand = (inside * (0.1 - 0.0125)).mean(1)  # smooth L1 with beta 0.025
    pose = (seen.joints_uv, seen.joints_depth)
    torch.testing.assert_close(moved_distance(shifted, pose, seen), by_hand, atol=1e-5, rtol=0)


def test_corrected_labels_pull_every_photo_and_selected_ones_the_confident(tiny_net, target, renders):
    net = tiny_net.eval()
    options = SemiHandOptions(hand_from="start", sure_hands_share=1.0, keep_share=0.5)
    terms = options.build(net, SETTING).losses(net, renders, target, 0)
    assert terms["_kept_share"] == 0.5
    photos = target.mirrored(target.right < 0.5)
    seen = net(photos.weak)
    uv, depth = correct(seen.joints_uv, seen.joints_depth, photos.focal, angles=False)
    middle = ((seen.joints_uv + uv) / 2, (seen.joints_depth + depth) / 2)
    label = correct(*middle, photos.focal, angles=False)
    expected = options.source.supervision.pose_weight * pose_distance(seen.joints_uv, seen.joints_depth, *label).mean()
    assert terms["corrected_labels"].item() == pytest.approx(expected.item(), rel=1e-4)
    everything = SemiHandOptions(hand_from="start", sure_hands_share=1.0, selection=False).build(net, SETTING)
    assert everything.losses(net, renders, target, 0)["_kept_share"] == 1
