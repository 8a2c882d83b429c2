"""Modes of a network whose modules are in different ones."""

import pytest
from torch import nn

from dualmod.network.train_eval_mode import evaluating, start_training


@pytest.fixture
def net() -> nn.Sequential:
    return nn.Sequential(nn.BatchNorm2d(2), nn.Dropout(), nn.Sequential(nn.BatchNorm2d(2)))


def modes(net: nn.Module) -> list[bool]:
    return [module.training for module in net.modules()]


def test_each_module_goes_back_to_its_own_mode_even_after_an_error(net):
    net[1].eval()
    before = modes(net)
    with pytest.raises(RuntimeError), evaluating(net):
        assert not any(modes(net))
        raise RuntimeError
    assert modes(net) == before and len(set(before)) == 2


def test_frozen_statistics_leave_all_else_in_training(net):
    start_training(net.eval(), frozen_statistics=True)
    assert modes(net) == [True, False, True, True, False]
    start_training(net, frozen_statistics=False)
    assert all(modes(net))
