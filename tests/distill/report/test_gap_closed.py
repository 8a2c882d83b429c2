"""The share of a gap, on numbers that can be checked by hand."""

import pytest

from distill.report.gap_closed import gaps_closed
from distill.report.runs import Evaluated, Stage


def stage(label: str, metric: str, values: dict[int, float]) -> Stage:
    return Stage(label, {seed: {"set": Evaluated({metric: value}, {}, {})} for seed, value in values.items()})


def closed(metric: str, start: dict[int, float], reached: dict[int, float], bound: dict[int, float]):
    pairs = (("dual", start), ("adapted", reached), ("upper_bound", bound))
    return gaps_closed(*(stage(label, metric, values) for label, values in pairs))


@pytest.mark.parametrize(
    ("metric", "start", "reached", "bound"),
    [("pck_box@0.1", 0.5, 0.6, 0.9), ("epe_mm", 30.0, 27.5, 20.0)],
)
def test_a_quarter_of_the_way_is_a_quarter_whatever_is_better(metric, start, reached, bound):
    (gap,) = closed(metric, {0: start}, {0: reached}, {0: bound})
    assert gap.share == pytest.approx(0.25) and gap.by_seed[0] == pytest.approx(0.25)
    assert gap.sentence.startswith(f"set, {metric}: adapted closes 25% of the gap (dual ")


def test_only_seeds_of_all_three_count_and_their_spread_is_said():
    (gap,) = closed("pck_box@0.1", {0: 0.4, 1: 0.6, 2: 0.0}, {0: 0.5, 1: 0.6}, {1: 0.8, 0: 0.8, 3: 1.0})
    assert gap.start == pytest.approx(0.5) and gap.bound == pytest.approx(0.8)
    assert gap.by_seed == pytest.approx({0: 1 / 3, 1: 0.0}) and gap.share == pytest.approx(1 / 6)
    assert "by seed 0% to 33%" in gap.sentence


def test_behind_the_start_is_below_zero():
    (gap,) = closed("epe_mm", {0: 30.0}, {0: 31.0}, {0: 20.0})
    assert gap.share == pytest.approx(-0.1)


@pytest.mark.parametrize("bound", [0.52, 0.5, 0.3])
def test_a_gap_that_is_none_is_not_divided_by(bound):
    (gap,) = closed("pck_box@0.1", {0: 0.5}, {0: 0.6}, {0: bound})
    assert gap.share is None and gap.by_seed == {} and "no gap" in gap.sentence


def test_other_metrics_and_sets_have_no_row():
    assert closed("auc_2d", {0: 0.5}, {0: 0.6}, {0: 0.9}) == []
    assert closed("epe_mm", {0: 0.5}, {0: 0.6}, {}) == []
