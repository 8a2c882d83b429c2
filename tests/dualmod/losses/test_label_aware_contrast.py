"""CLCE's contrast against a double loop of its formula, its soft form, and degenerate input."""

import math

import pytest
import torch
from torch.nn import functional

from dualmod.losses.label_aware_contrast import label_aware_contrast


def slow(z, classes, temperature, hardness) -> float:
    """The paper's formula with classes, one anchor at a time."""
    total = 0.0
    for i in range(len(z)):
        s = [float(z[i] @ other) / temperature for other in z]
        positives = [s[k] for k in range(len(z)) if k != i and classes[k] == classes[i]]
        negatives = [s[k] for k in range(len(z)) if classes[k] != classes[i]]
        norm = sum(math.exp(hardness * n) for n in negatives)
        weighted = sum(len(negatives) * math.exp(hardness * n) / norm * math.exp(n) for n in negatives)
        alike = sum(math.exp(p) for p in positives)
        total -= math.log(alike / len(positives) / (alike + weighted))
    return total / len(z)


def slow_soft(z, share, temperature, hardness) -> float:
    """Every other view as a positive by its share and a negative by the rest."""
    total, count = 0.0, len(z)
    for i in range(count):
        others = [k for k in range(count) if k != i]
        e = {k: math.exp(float(z[i] @ z[k]) / temperature) for k in others}
        p = {k: float(share[i, k]) for k in others}
        norm = sum((1 - p[k]) * e[k] ** hardness for k in others)
        size = sum(1 - p[k] for k in others)
        weighted = sum((1 - p[k]) * size * e[k] ** hardness / norm * e[k] for k in others)
        alike = sum(p[k] * e[k] for k in others)
        total -= math.log(alike / sum(p.values()) / (alike + weighted))
    return total / count


def unit(*shape: int) -> torch.Tensor:
    return functional.normalize(torch.randn(*shape, dtype=torch.float64), dim=-1)


def same_class(classes: list[int]) -> torch.Tensor:
    labels = torch.tensor(classes)
    return (labels[:, None] == labels).double()


@pytest.mark.parametrize("hardness", [0.0, 1.0, 2.5])
def test_equals_the_double_loop(hardness):
    torch.manual_seed(0)
    z, classes = unit(6, 5), [0, 1, 0, 1, 0, 1]
    mine = label_aware_contrast(z, same_class(classes), temperature=0.5, hardness=hardness)
    assert mine.item() == pytest.approx(slow(z, classes, 0.5, hardness), rel=1e-9)


def test_the_soft_form_equals_its_loop():
    torch.manual_seed(1)
    z, share = unit(5, 4), torch.rand(5, 5).double()
    mine = label_aware_contrast(z, share, temperature=0.3, hardness=1.0)
    assert mine.item() == pytest.approx(slow_soft(z, share, 0.3, 1.0), rel=1e-9)


@pytest.mark.parametrize("hardness", [0.0, 1.0])
def test_identical_embeddings_give_the_log_of_the_number_of_other_views(hardness):
    z = torch.ones(6, 1, dtype=torch.float64)
    mine = label_aware_contrast(z, same_class([0, 1, 0, 1, 2, 2]), hardness=hardness)
    assert mine.item() == pytest.approx(math.log(5))


def test_harder_negatives_cost_more():
    torch.manual_seed(2)
    z, likeness = unit(6, 5), same_class([0, 1, 0, 1, 0, 1])
    losses = [label_aware_contrast(z, likeness, hardness=h).item() for h in (0.0, 1.0, 2.0)]
    assert losses == sorted(losses) and losses[0] < losses[2]


def test_one_class_alone_has_no_negatives_and_finite_gradients():
    z = unit(4, 3).requires_grad_()
    loss = label_aware_contrast(z, torch.ones(4, 4).double())
    assert loss.item() == pytest.approx(math.log(3))  # only 1 / |P| is left
    loss.backward()
    assert z.grad is not None and torch.isfinite(z.grad).all()


def test_gradients_are_finite_where_embeddings_coincide_and_a_view_stands_alone():
    z = torch.ones(3, 2).div(2**0.5).requires_grad_()
    loss = label_aware_contrast(z, same_class([0, 0, 1]).float())
    loss.backward()
    assert loss.item() == pytest.approx(math.log(2)) and z.grad is not None and torch.isfinite(z.grad).all()


def test_without_any_positive_it_is_zero_and_moves_nothing():
    z = unit(3, 2).requires_grad_()
    loss = label_aware_contrast(z, torch.eye(3).double())
    loss.backward()
    assert loss.item() == 0 and z.grad is not None and not z.grad.any()
