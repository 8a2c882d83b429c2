"""Readings on made-up networks, thresholds one by one, and which state is kept."""

from dataclasses import replace

import pytest
import torch

from distill.monitoring.collapse import AlarmConfig, Alarms, CollapseError, criterion
from distill.monitoring.health import Readings, Watch, pose_spread
from distill.targets.views import TargetBatch

GOOD = Readings(
    sure_share=0.8, kept_share=0.7, spread=0.9, disagreement=0.04, teacher_gap=0.01, bone_drift=0.05, right_share=0.6
)


class Told:
    """A watch that reads what it was told."""

    start, render_spread = GOOD, 0.9

    def __init__(self):
        self.now = GOOD

    def __call__(self, net, teacher):
        return self.now


def alarms() -> tuple[Alarms, Told, torch.nn.Module]:
    told, net = Told(), torch.nn.Linear(1, 1)
    return Alarms(AlarmConfig(), told, net), told, net  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("change", "note"),
    [
        ({"sure_share": 0.39}, "look like a hand 0.390, at least 0.400"),
        ({"kept_share": 0.2}, "kept share 0.200, at least 0.210"),
        ({"spread": 0.3}, "spread of the poses 0.300, at least 0.315"),
        ({"teacher_gap": 0.13}, "teacher-student gap 0.130, at most 0.120"),
        ({"disagreement": 0.11}, "disagreement of views 0.110, at most 0.100"),
        ({"bone_drift": 0.51}, "bone-length drift 0.510, at most 0.500"),
        ({"right_share": 0.2}, "share of right hands 0.400, at most 0.350"),
        ({"spread": float("nan")}, "spread of the poses nan"),
    ],
)
def test_each_reading_has_its_threshold(change, note):
    watched, told, net = alarms()
    watched.look(net, None, 10)
    told.now = replace(GOOD, **change)
    with pytest.raises(CollapseError, match="collapse alarm at step 20: ") as caught:
        watched.look(net, None, 20)
    assert note in str(caught.value)


def test_the_best_state_agrees_most_for_its_spread_and_survives_a_restart():
    watched, told, net = alarms()
    assert watched.best.step == 0 and watched.best.criterion == pytest.approx(0.04 / 0.9)
    for step, change in ((10, {"disagreement": 0.03}), (20, {"disagreement": 0.029, "spread": 0.5})):
        with torch.no_grad():
            net.weight.fill_(step)
        told.now = replace(GOOD, **change)
        watched.look(net, None, step)
    assert watched.best.step == 10 and watched.best.weights["weight"].item() == 10
    resumed, _, _ = alarms()
    resumed.load_state_dict(watched.state_dict())
    assert resumed.best.step == 10 and resumed.best.criterion == criterion(replace(GOOD, disagreement=0.03))


def test_spread_is_0_for_equal_poses_and_1_for_poses_shifted_by_their_size():
    pose = torch.rand(1, 21, 2)
    assert pose_spread(pose.expand(5, -1, -1)) == pytest.approx(0, abs=1e-5)
    size = (pose - pose.mean(1, keepdim=True)).square().sum(-1).mean().sqrt()
    shift = torch.tensor([[-1.0, 0.0], [1.0, 0.0]])[:, None] * size
    assert pose_spread(pose + shift) == pytest.approx(1, rel=1e-4)


def test_black_photos_have_no_spread_and_a_reading_leaves_the_network_as_it_was(tiny_net):
    """Every photo is the same, so every pose is; the start itself is past the threshold."""
    black = torch.zeros(4, 3, 64, 64)
    photos = TargetBatch(
        black, black, torch.eye(2, 3).repeat(4, 1, 1), torch.ones(4) * 2, torch.ones(4),
        views=black[:, None], A_weak_views=torch.eye(2, 3).repeat(4, 1, 1, 1),
    )  # fmt: skip
    tiny_net.train()
    tiny_net.decoder.eval()
    before = {name: value.clone() for name, value in tiny_net.state_dict().items()}
    modes = [module.training for module in tiny_net.modules()]
    watch = Watch(tiny_net, photos, torch.rand(4, 3, 64, 64))
    assert watch.start.spread < 1e-3 < watch.render_spread and watch.start.disagreement < 1e-5
    again = watch(tiny_net, tiny_net)
    assert again == watch.start and again.teacher_gap == 0 and again.bone_drift < 1e-6
    assert [module.training for module in tiny_net.modules()] == modes
    assert all(torch.equal(before[name], value) for name, value in tiny_net.state_dict().items())
    assert any("spread of the poses" in note for note in Alarms(AlarmConfig(), watch, tiny_net).tripped(watch.start))
