"""A batch in micro-batches has the gradient of the whole batch, contrastive terms included."""

import pytest
import torch
from torch import nn

from dualmod.losses.nt_xent import nt_xent
from dualmod.training.grad_cache import WholeBatch, micro_batch


def contrast(layer: nn.Module, views: tuple[torch.Tensor, torch.Tensor], gather) -> torch.Tensor:
    anchors, positives = (gather(nn.functional.normalize(layer(v), dim=1)) for v in views)
    return nt_xent(anchors, positives)


@pytest.mark.parametrize("count", [2, 3, 6])
def test_gradient_and_value_are_those_of_the_whole_batch(count):
    torch.manual_seed(0)
    layer = nn.Linear(5, 4).double()
    views = (torch.randn(6, 5).double(), torch.randn(6, 5).double())
    whole = contrast(layer, views, lambda rows: rows)
    whole.backward()
    wanted = layer.weight.grad.clone()
    layer.zero_grad()
    gather = WholeBatch(count)
    with torch.no_grad():
        for part in range(count):
            gather.first_pass(part)
            contrast(layer, micro_batch(views, part, count), gather)
    for part in range(count):
        gather.second_pass(part)
        loss = contrast(layer, micro_batch(views, part, count), gather)
        assert loss.item() == pytest.approx(whole.item(), abs=1e-12)
        (loss / count).backward()
    torch.testing.assert_close(layer.weight.grad, wanted, rtol=1e-10, atol=1e-12)


def test_averaging_the_parts_alone_would_not_do():
    torch.manual_seed(0)
    layer = nn.Linear(5, 4).double()
    views = (torch.randn(6, 5).double(), torch.randn(6, 5).double())
    whole = torch.autograd.grad(contrast(layer, views, lambda rows: rows), layer.weight)[0]
    parts = [contrast(layer, micro_batch(views, k, 2), lambda rows: rows) / 2 for k in range(2)]
    naive = torch.autograd.grad(torch.stack(parts).sum(), layer.weight)[0]
    assert (naive - whole).abs().max() > 0.1 * whole.abs().max()


def test_micro_batches_are_equal_slices_of_everything_in_a_batch():
    batch = (torch.arange(6), (torch.arange(6) * 2, None))
    first, (doubled, nothing) = micro_batch(batch, 2, 3)
    assert first.tolist() == [4, 5] and doubled.tolist() == [8, 10] and nothing is None
