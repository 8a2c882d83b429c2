"""Losses of a network that runs in bfloat16 have the value and the gradient of 32 bits."""

import pytest
import torch
from torch.nn import functional

from dualmod.losses.equivariance import undo_geometry
from dualmod.losses.label_aware_contrast import label_aware_contrast
from dualmod.losses.nt_xent import nt_xent
from dualmod.losses.weighted_nt_xent import weighted_nt_xent

LOSSES = {
    "nt_xent": lambda z: nt_xent(z[:8], z[8:]),
    "weighted": lambda z: weighted_nt_xent(z[:8], z[8:]),
    "label_aware": lambda z: label_aware_contrast(z, (torch.arange(16) % 4 == torch.arange(16)[:, None] % 4).float()),
    "undo_geometry": lambda z: undo_geometry(z, torch.linspace(-1, 1, 16), torch.zeros(16, 2)).square().sum(0).max(),
}


@pytest.mark.parametrize("name", LOSSES)
def test_autocast_does_not_reach_into_a_loss(name):
    rows = functional.normalize(torch.randn(16, 12), dim=1).bfloat16()
    exact, under = rows.float().requires_grad_(), rows.clone().requires_grad_()
    expected = LOSSES[name](exact)
    expected.backward()
    with torch.autocast("cpu", torch.bfloat16):
        found = LOSSES[name](under)
    found.backward()
    assert found.dtype == torch.float32 and torch.equal(found, expected)
    assert exact.grad is not None and torch.equal(under.grad, exact.grad.bfloat16())


def test_64_bits_stay():
    assert nt_xent(*functional.normalize(torch.randn(2, 8, 12).double(), dim=1)).dtype == torch.float64
