"""The pre-training objective: which terms there are, and that they are what they say."""

from dataclasses import replace

import pytest
import torch

from dualmod.data.batch import HandBatch
from dualmod.losses.alignment import feature_alignment
from dualmod.losses.nt_xent import nt_xent
from dualmod.losses.supervision import supervision_loss
from dualmod.network.model import DualModalityNet
from dualmod.pretraining.objective import MethodConfig, _predicted_depth, objective

SOURCE_ONLY = MethodConfig(depth_branch=False, fused_branch=False, contrast_weight=0.0)


@pytest.fixture
def views() -> tuple[HandBatch, HandBatch]:
    torch.manual_seed(1)
    mask = (torch.rand(4, 1, 64, 64) > 0.5).float()
    view = HandBatch(
        torch.rand(4, 3, 64, 64), mask * 0.5, mask, torch.rand(4, 21, 2), torch.randn(4, 21), torch.ones(4, 21),
        mask * 0.5,
    )  # fmt: skip
    return view, replace(view, rgb=torch.rand(4, 3, 64, 64), sensed=mask * 0.4)


def test_dual_has_all_terms_of_the_paper(tiny_net, views):
    assert set(objective(tiny_net, views, MethodConfig())) == {
        "supervision_rgb", "supervision_depth", "supervision_fused", "contrast_rgb_rgb", "contrast_depth_depth",
        "contrast_rgb_fused", "contrast_rgb_fused_plus", "handedness",
    }  # fmt: skip


def test_source_only_trains_no_part_of_the_depth_branch(tiny_net, views):
    losses = objective(tiny_net, views, SOURCE_ONLY)
    assert set(losses) == {"supervision_rgb", "handedness"}
    sum(losses.values()).backward()
    assert all(p.grad is None for p in tiny_net.depth_encoder.parameters())
    assert any(p.grad is not None for p in tiny_net.rgb_encoder.parameters())


def test_terms_are_those_of_the_passes_one_by_one(tiny_net, views):
    tiny_net.eval()  # fixed statistics: batches don't mix, so that the passes can be taken apart
    view, plus = views
    losses = objective(tiny_net, (view, plus), MethodConfig())
    labels, config = view, MethodConfig().supervision
    plain = [supervision_loss(tiny_net(v.rgb), labels, config) for v in views]
    torch.testing.assert_close(losses["supervision_rgb"], sum(plain) / 2)
    fused = [tiny_net.fused(v.rgb, tiny_net.encode_depth(v.sensed)[1]) for v in views]
    torch.testing.assert_close(losses["supervision_fused"], sum(supervision_loss(f, labels, config) for f in fused) / 2)


def test_the_second_views_noisy_depth_is_no_target(tiny_net, views):
    tiny_net.eval()
    view, plus = views
    other = replace(plus, sensed=torch.zeros_like(plus.sensed))
    one, two = (objective(tiny_net, (view, p), SOURCE_ONLY)["supervision_rgb"] for p in (plus, other))
    torch.testing.assert_close(one, two)


def test_handedness_term_of_a_blind_output_is_the_log_of_two(tiny_net, views):
    torch.nn.init.zeros_(tiny_net.handedness.weight)
    torch.nn.init.zeros_(tiny_net.handedness.bias)
    loss = objective(tiny_net, views, MethodConfig(handedness_weight=2.0))["handedness"]
    assert loss.item() == pytest.approx(2 * 0.693147, rel=1e-5)


def test_supervision_of_each_branch_can_be_left_out_and_weighed(tiny_net, views):
    tiny_net.eval()
    usual = objective(tiny_net, views, MethodConfig())
    weighed = objective(tiny_net, views, MethodConfig(rgb_supervision=0.0, depth_supervision=2.0))
    assert "supervision_rgb" not in weighed
    torch.testing.assert_close(weighed["supervision_depth"], 2 * usual["supervision_depth"])
    torch.testing.assert_close(weighed["supervision_fused"], usual["supervision_fused"])


def test_direct_contrast_and_alignment_compare_rgb_with_depth(tiny_net, views):
    tiny_net.eval()
    config = MethodConfig(fused_branch=False, contrast=["rgb_depth"], contrast_weight=0.5, alignment_weight=2.0)
    losses = objective(tiny_net, views, config)
    rgb, depth = ([f(x) for x in xs] for f, xs in (
        (tiny_net.encode_rgb, [v.rgb for v in views]),
        (lambda d: tiny_net.encode_depth(d)[0], [v.sensed for v in views]),
    ))  # fmt: skip
    for name, k in (("contrast_rgb_depth", 0), ("contrast_rgb_depth_plus", 1)):
        expected = 0.5 * nt_xent(tiny_net.embed(rgb[k].pooled), tiny_net.embed(depth[k].pooled))
        torch.testing.assert_close(losses[name], expected)
    both = sum(feature_alignment(r.laterals, d.laterals) for r, d in zip(rgb, depth, strict=True))
    torch.testing.assert_close(losses["alignment"], 2.0 * both / 2)


def test_attention_of_the_true_mask_needs_no_depth_at_all(tiny_net, views):
    tiny_net.eval()
    config = MethodConfig(depth_branch=False, attention="mask", contrast=["rgb_fused"])
    losses = objective(tiny_net, views, config)
    fused = [tiny_net.fused(v.rgb, tiny_net.mask_attention(v.mask)) for v in views]
    expected = sum(supervision_loss(f, views[0], config.supervision) for f in fused) / 2
    torch.testing.assert_close(losses["supervision_fused"], expected)
    sum(losses.values()).backward()
    assert all(p.grad is None for p in tiny_net.depth_encoder.parameters())


def test_the_second_views_depth_can_be_what_the_network_predicts(tiny_net, views):
    tiny_net.eval()
    view, plus = views
    with torch.no_grad():
        predicted = tiny_net.predicted_depth(tiny_net(plus.rgb))
    expected = objective(tiny_net, (view, replace(plus, sensed=predicted)), MethodConfig())
    torch.testing.assert_close(objective(tiny_net, (view, plus), MethodConfig(plus_depth="predicted")), expected)


def test_predicting_depth_leaves_modes_and_statistics_as_they_were(tiny_net, views):
    tiny_net.train()
    tiny_net.depth_neck.eval()
    modes = [m.training for m in tiny_net.modules()]
    before = tiny_net.rgb_neck.laterals[0][1].running_mean.clone()
    _predicted_depth(tiny_net, views[1].rgb)
    assert [m.training for m in tiny_net.modules()] == modes
    assert torch.equal(tiny_net.rgb_neck.laterals[0][1].running_mean, before)


def test_projectors_of_their_own_embed_each_branch(tiny_config, views):
    torch.manual_seed(0)
    net = DualModalityNet(replace(tiny_config, shared_projector=False)).eval()
    losses = objective(net, views, MethodConfig(contrast_weight=1.0))
    first, plus = (net.embed(net.encode_depth(v.sensed)[0].pooled, "depth") for v in views)
    torch.testing.assert_close(losses["contrast_depth_depth"], nt_xent(first, plus))
    losses["contrast_rgb_fused"].backward()
    assert net.other_projectors["fused"][0].weight.grad is not None


def test_a_fused_branch_needs_a_depth_branch():
    with pytest.raises(ValueError, match=r"method.fused_branch=True is not legal"):
        MethodConfig(depth_branch=False)


def test_one_view_without_contrast_is_supervised_on_its_own_labels_and_sensed_depth(tiny_net, views):
    tiny_net.eval()
    view = views[1]
    config = MethodConfig(contrast_weight=0.0)
    losses = objective(tiny_net, (view,), config)
    assert set(losses) == {"supervision_rgb", "supervision_depth", "supervision_fused", "handedness"}
    latent, attention = tiny_net.encode_depth(view.sensed)
    for name, prediction in (
        ("rgb", tiny_net(view.rgb)),
        ("depth", tiny_net.decode(latent)),
        ("fused", tiny_net.fused(view.rgb, attention)),
    ):
        torch.testing.assert_close(
            losses[f"supervision_{name}"], supervision_loss(prediction, view, config.supervision)
        )


def test_handedness_without_weight_costs_no_rows(tiny_net, views):
    seen = []
    tiny_net.rgb_encoder.register_forward_pre_hook(lambda _, args: seen.append(len(args[0])))
    objective(tiny_net, views[:1], SOURCE_ONLY)
    losses = objective(tiny_net, views[:1], replace(SOURCE_ONLY, handedness_weight=0.0))
    assert "handedness" not in losses and seen == [5, 4]


def test_a_network_of_both_sides_sees_every_second_hand_mirrored_with_its_labels(tiny_config, views):
    torch.manual_seed(0)
    net = DualModalityNet(replace(tiny_config, sides="both")).eval()
    losses = objective(net, views[:1], replace(SOURCE_ONLY, handedness_weight=2.0))
    view = views[0]
    flipped = view.mirrored()
    seen = torch.stack([view.rgb[0], flipped.rgb[1], view.rgb[2], flipped.rgb[3]])
    prediction = net(seen)
    labels = view.mirrored(torch.tensor([False, True, False, True]))
    torch.testing.assert_close(losses["supervision_rgb"], supervision_loss(prediction, labels, SOURCE_ONLY.supervision))
    truth = torch.tensor([1.0, 0.0, 1.0, 0.0])
    expected = torch.nn.functional.binary_cross_entropy_with_logits(prediction.handedness_logit, truth)
    torch.testing.assert_close(losses["handedness"], 2.0 * expected)


def test_the_handedness_of_a_network_of_both_sides_moves_nothing_but_its_features(tiny_config, views):
    net = DualModalityNet(replace(tiny_config, sides="both")).eval()
    net.handedness.bias.data.fill_(50.0)  # sure of a right hand, whatever it sees
    right = net(views[0].rgb).joints_uv
    net.handedness.bias.data.fill_(-50.0)
    assert torch.equal(net(views[0].rgb).joints_uv, right)


def test_predicted_depth_needs_a_second_view():
    with pytest.raises(ValueError, match=r"method.plus_depth=predicted .*there is no second view"):
        MethodConfig(plus_depth="predicted", contrast_weight=0.0)
