"""NT-Xent against a double loop and on degenerate input."""

import math

import pytest
import torch
from torch.nn import functional

from dualmod.losses.nt_xent import nt_xent


def slow_nt_xent(anchors: torch.Tensor, positives: torch.Tensor, temperature: float) -> float:
    """Lin et al. 2023, Eq. 3, term by term, as a mean."""

    def e(a: torch.Tensor, b: torch.Tensor) -> float:
        return math.exp(float(functional.cosine_similarity(a, b, dim=0)) / temperature)

    count, total = len(anchors), 0.0
    for i in range(count):
        negatives = sum(e(anchors[i], anchors[k]) + e(anchors[i], positives[k]) for k in range(count) if k != i)
        total -= math.log(e(anchors[i], positives[i]) / negatives)
    return total / count


@pytest.mark.parametrize("temperature", [0.1, 0.5])
def test_equals_the_double_loop(temperature):
    a, b = (functional.normalize(torch.randn(5, 7, dtype=torch.float64), dim=1) for _ in range(2))
    expected = slow_nt_xent(a, b, temperature)
    assert nt_xent(a, b, temperature=temperature).item() == pytest.approx(expected, rel=1e-9)


def test_identical_embeddings_give_the_log_of_the_number_of_negatives():
    same = torch.ones(4, 1)
    assert nt_xent(same, same).item() == pytest.approx(math.log(2 * 3))


def test_a_batch_of_one_is_refused():
    with pytest.raises(ValueError, match="batch of 2 or more, not 1"):
        nt_xent(torch.ones(1, 3), torch.ones(1, 3))
