"""RegDA's maps and divergences against loops, and who learns from what."""

import math

import pytest
import torch

from distill.methods.base import Setting
from distill.methods.regda import Options, gaussians, ground_false, heatmap_kl, peaks


def test_gaussians_and_ground_false_equal_a_loop():
    joints = torch.rand(1, 21, 2)
    maps = gaussians(joints, (6, 8))
    false = ground_false(maps)
    for j in (0, 20):
        for y in range(6):
            for x in range(8):
                du, dv = x + 0.5 - 8 * joints[0, j, 0], y + 0.5 - 6 * joints[0, j, 1]
                assert maps[0, j, y, x].item() == pytest.approx(math.exp(-(du**2 + dv**2) / 2), abs=1e-5)
                others = sum(maps[0, k, y, x].item() for k in range(21) if k != j)
                assert false[0, j, y, x].item() == pytest.approx(min(1.0, others), abs=1e-5)


def test_the_peak_is_the_centre_of_the_largest_cell():
    logits = torch.zeros(1, 21, 6, 8)
    logits[0, 4, 2, 7] = 1
    torch.testing.assert_close(peaks(logits)[0, 4], torch.tensor([7.5 / 8, 2.5 / 6]))


def test_kl_vanishes_on_the_wanted_map_and_equals_a_sum_elsewhere():
    wanted = gaussians(torch.rand(2, 21, 2), (6, 8)) + 0.1
    ones = torch.ones(2, 21)
    assert heatmap_kl(wanted.log(), wanted, ones).item() == pytest.approx(0, abs=1e-5)
    uniform = heatmap_kl(torch.zeros_like(wanted), wanted, ones * torch.tensor([[1.0], [0.0]]))
    p = wanted[0].flatten(1) / wanted[0].flatten(1).sum(1, keepdim=True)
    by_hand = sum(float(a) * math.log(float(a) * 48) for a in p.flatten()) / 42
    assert uniform.item() == pytest.approx(by_hand, rel=1e-3)


def test_the_false_map_teaches_the_adversary_alone_and_agreement_the_features_alone(tiny_net, target, renders):
    net = tiny_net.eval()
    method = Options(warmup_share=0.0).build(net, Setting(0, 10))
    terms = method.losses(net, renders, target, 0)
    features, head = list(net.rgb_encoder.parameters()), list(method.head.parameters())

    def reached(name, parameters):
        grads = torch.autograd.grad(terms[name], parameters, retain_graph=True, allow_unused=True)
        return any(g is not None and g.abs().sum() > 0 for g in grads)

    assert reached("adversary_false", head) and not reached("adversary_false", features)
    assert reached("adversary_features", features) and not reached("adversary_features", head)
    assert reached("adversary_renders", features) and reached("adversary_renders", head)


def test_the_factor_on_feature_gradients_warms_up_and_the_seed_decides_the_head(tiny_net):
    method = Options(warmup_share=0.2).build(tiny_net, Setting(0, 100))
    assert [method.feature_factor(step) for step in (0, 10, 20, 90)] == pytest.approx([0.0, 0.05, 0.1, 0.1])
    again = Options().build(tiny_net, Setting(0, 100))
    assert all(torch.equal(a, b) for a, b in zip(method.head.parameters(), again.head.parameters(), strict=True))
