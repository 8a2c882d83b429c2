"""The numbers of an ablation's tables: paired differences, means over sets, ranks."""

import pytest

from distill.experiments.ablation_table import MEAN_OF_SETS, by_seed, difference, ranks_over_sets
from distill.report.runs import Evaluated, Stage


def stage(label: str, scores: dict[int, dict[str, float]]) -> Stage:
    return Stage(label, {s: {n: Evaluated({"auc_2d": v}, {}, {}) for n, v in by.items()} for s, by in scores.items()})


def test_a_difference_is_paired_by_seed_and_a_mean_takes_seeds_with_all_sets() -> None:
    own = stage("a", {0: {"x": 0.5, "y": 0.7}, 1: {"x": 0.6, "y": 0.8}, 2: {"x": 0.9}})
    other = stage("b", {1: {"x": 0.5, "y": 0.6}, 0: {"x": 0.4, "y": 0.5}})
    assert by_seed(own, MEAN_OF_SETS, "auc_2d") == pytest.approx({0: 0.6, 1: 0.7})
    on_x = difference(own, other, "x", "auc_2d")
    assert on_x is not None and on_x.mean == pytest.approx(0.1) and on_x.half_width == pytest.approx(0, abs=1e-9)
    assert on_x.is_settled and on_x.num_seeds == 2
    assert difference(own, stage("c", {7: {"x": 1.0}}), "x", "auc_2d") is None
    one = difference(own, stage("c", {0: {"x": 0.2}}), "x", "auc_2d")
    assert one is not None and one.half_width is None and not one.is_settled


def test_ranks_are_means_over_sets_for_each_seed_that_all_have() -> None:
    scores = {0: {"x": 0.5, "y": 0.7}, 1: {"x": 0.6, "y": 0.8}, 2: {"x": 0.9, "y": 0.9}}
    first = stage("first", scores)
    second = stage("second", {0: {"x": 0.6, "y": 0.5}, 1: {"x": 0.5, "y": 0.5}})
    third = stage("third", {0: {"x": 0.5, "y": 0.8}, 1: {"x": 0.1, "y": 0.1}})
    ranks = ranks_over_sets([first, second, third], "auc_2d")
    # seed 0: x has 2.5, 1, 2.5 (a tie) and y has 2, 3, 1; seed 1: first, second, third on both
    assert ranks == {"first": [2.25, 1.0], "second": [2.0, 2.0], "third": [1.75, 3.0]}
    assert ranks_over_sets([first, stage("fourth", {7: {"x": 1.0, "y": 1.0}})], "auc_2d") == {"first": [], "fourth": []}
    assert ranks_over_sets([], "auc_2d") == {}
