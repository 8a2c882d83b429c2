"""The pre-training objective: which terms there are, and that they are what they say."""

from dataclasses import replace

import pytest
import torch

from dualmod.data.batch import HandBatch
from dualmod.losses.supervision import supervision_loss
from dualmod.objective import MethodConfig, objective

SOURCE_ONLY = MethodConfig(depth_branch=False, fused_branch=False, contrast_weight=0.0)


@pytest.fixture
def views() -> tuple[HandBatch, HandBatch]:
    torch.manual_seed(1)
    mask = (torch.rand(4, 1, 64, 64) > 0.5).float()
    view = HandBatch(
        torch.rand(4, 3, 64, 64), mask * 0.5, mask, torch.rand(4, 21, 2), torch.randn(4, 21), torch.ones(4, 21)
    )
    return view, replace(view, rgb=torch.rand(4, 3, 64, 64), depth=mask * 0.4)


def test_dual_has_all_terms_of_the_paper(tiny_net, views):
    assert set(objective(tiny_net, *views, MethodConfig())) == {
        "supervision_rgb", "supervision_depth", "supervision_fused", "contrast_rgb_rgb", "contrast_depth_depth",
        "contrast_rgb_fused", "contrast_rgb_fused_plus", "handedness",
    }  # fmt: skip


def test_source_only_trains_no_part_of_the_depth_branch(tiny_net, views):
    losses = objective(tiny_net, *views, SOURCE_ONLY)
    assert set(losses) == {"supervision_rgb", "handedness"}
    sum(losses.values()).backward()
    assert all(p.grad is None for p in tiny_net.depth_encoder.parameters())
    assert any(p.grad is not None for p in tiny_net.rgb_encoder.parameters())


def test_terms_are_those_of_the_passes_one_by_one(tiny_net, views):
    tiny_net.eval()  # fixed statistics: batches don't mix, so that the passes can be taken apart
    view, plus = views
    losses = objective(tiny_net, view, plus, MethodConfig())
    labels, config = view, MethodConfig().supervision
    plain = [supervision_loss(tiny_net(v.rgb), labels, config) for v in views]
    torch.testing.assert_close(losses["supervision_rgb"], sum(plain) / 2)
    fused = [tiny_net.fused(v.rgb, tiny_net.encode_depth(v.depth)[1]) for v in views]
    torch.testing.assert_close(losses["supervision_fused"], sum(supervision_loss(f, labels, config) for f in fused) / 2)


def test_the_second_views_noisy_depth_is_no_target(tiny_net, views):
    tiny_net.eval()
    view, plus = views
    other = replace(plus, depth=torch.zeros_like(plus.depth))
    one, two = (objective(tiny_net, view, p, SOURCE_ONLY)["supervision_rgb"] for p in (plus, other))
    torch.testing.assert_close(one, two)


def test_handedness_term_of_a_blind_output_is_the_log_of_two(tiny_net, views):
    torch.nn.init.zeros_(tiny_net.handedness.weight)
    torch.nn.init.zeros_(tiny_net.handedness.bias)
    loss = objective(tiny_net, *views, MethodConfig(handedness_weight=2.0))["handedness"]
    assert loss.item() == pytest.approx(2 * 0.693147, rel=1e-5)


def test_a_fused_branch_needs_a_depth_branch():
    with pytest.raises(ValueError, match=r"method.fused_branch=True is not legal"):
        MethodConfig(depth_branch=False)
