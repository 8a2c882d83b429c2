"""What all methods share: right hands, gradients, and a state that goes on where it stopped."""

import copy

import pytest
import torch

from distill.methods import Setting, options_class
from distill.methods.base import follow
from distill.methods.registry import choices
from distill.methods.self_distillation import Options as SelfDistillation

SETTING = Setting(seed=3, max_steps=10)
LEARNING = [choice for choice in choices() if choice != "control"]


def build(choice, net, **options):
    return options_class(choice)(**options).build(net, SETTING)


@pytest.mark.parametrize("choice", LEARNING)
def test_losses_are_finite_and_reach_the_network_and_the_state_goes_on(choice, tiny_net, target, renders):
    net = tiny_net.eval()
    method = build(choice, net)
    terms = method.losses(net, renders, target, 5)
    loss = sum(value for name, value in terms.items() if not name.startswith("_"))
    assert torch.isfinite(loss) and loss > 0 and 0 < terms["_kept_share"] <= 1
    loss.backward()
    assert sum(p.grad.abs().sum() for p in net.rgb_encoder.parameters() if p.grad is not None) > 0
    with torch.no_grad():
        for p in net.parameters():
            p.add_(0.01 * torch.ones_like(p))
    method.after_step(net, 5)
    resumed = build(choice, copy.deepcopy(net))
    resumed.load_state_dict(method.state_dict())
    first, second = (m.losses(net, renders, target, 6) for m in (method, resumed))
    assert {n: v.item() for n, v in first.items()} == {n: v.item() for n, v in second.items()}


def test_the_control_has_no_losses_of_its_own(tiny_net):
    assert build("control", tiny_net) is None


def test_the_teacher_follows_the_student_by_its_decay(tiny_net):
    method = SelfDistillation(teacher_decay=0.98).build(tiny_net, SETTING)
    name, live = next(iter(tiny_net.named_parameters()))
    before = live.detach().clone()
    with torch.no_grad():
        live.add_(1.0)
    method.after_step(tiny_net, 0)
    torch.testing.assert_close(dict(method.teacher.named_parameters())[name].detach(), before + 0.02)


def test_buffers_are_taken_over(tiny_net):
    teacher = copy.deepcopy(tiny_net)
    for buffer in tiny_net.buffers():
        buffer.add_(1)
    follow(teacher, tiny_net, 0.9)
    assert all(torch.equal(a, b) for a, b in zip(teacher.buffers(), tiny_net.buffers(), strict=True))


def test_the_start_network_can_decide_once_which_hand_it_is(tiny_net, target):
    net = tiny_net.eval()
    method = SelfDistillation(hand_from="start", sure_hands_share=0.75).build(net, SETTING)
    seen, first, sure = method.right_hands(net, target)
    torch.testing.assert_close(seen.weak[2], target.weak[2].flip(-1))
    assert torch.equal(seen.weak[:2], target.weak[:2])
    assert sure.tolist() == [True, True, True, False]
    torch.testing.assert_close(first.joints_uv, net(seen.weak).joints_uv)


def test_style_is_drawn_by_the_step(tiny_net, target, renders):
    method = SelfDistillation(style_share=1.0).build(tiny_net, SETTING)
    (one, _), _ = method.restyled((renders, renders), target, 4)
    (again, _), _ = method.restyled((renders, renders), target, 4)
    (other, _), _ = method.restyled((renders, renders), target, 5)
    assert torch.equal(one.rgb, again.rgb) and not torch.equal(one.rgb, other.rgb)


@pytest.mark.parametrize(("all_passes", "consistency_weight"), [(True, 0.0), (False, 0.2), (False, 0.0)])
def test_passes_with_depth_learn_only_where_they_are_asked_to(
    all_passes, consistency_weight, tiny_net, target, renders
):
    net = tiny_net.eval()
    options = SelfDistillation(all_passes=all_passes, consistency_weight=consistency_weight, hand_from="start")
    terms = options.build(net, SETTING).losses(net, renders, target, 0)
    assert ("consistency" in terms) == (all_passes or consistency_weight > 0)
    terms["pseudo_label"].backward()
    reached = sum(p.grad.abs().sum() for p in net.depth_encoder.parameters() if p.grad is not None)
    assert bool(reached > 0) == all_passes
    assert sum(p.grad.abs().sum() for p in net.rgb_encoder.parameters() if p.grad is not None) > 0
