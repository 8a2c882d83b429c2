"""The reliability diagram against joints counted by hand."""

import numpy as np
import pytest

from distill.report.calibration import BINS, reliability, reliability_figure, surest_half


def test_bins_hold_as_many_joints_each_and_are_sorted() -> None:
    confidence = np.linspace(1, 0, 20)
    right = np.arange(20) < 5  # the five surest
    sure, share = reliability((confidence, right))
    assert len(sure) == BINS and (np.diff(sure) > 0).all()
    assert share.tolist() == [0] * 7 + [0.5, 1, 1]
    assert sure[-1] == pytest.approx((1 + 18 / 19) / 2)


def test_the_surer_half_counts_alone() -> None:
    confidence, right = np.array([0.1, 0.9, 0.8, 0.2]), np.array([True, True, False, False])
    assert surest_half((confidence, right)) == {"right": 0.5, "right_of_surest_half": 0.5}
    assert surest_half((confidence, confidence > 0.5)) == {"right": 0.5, "right_of_surest_half": 1.0}


def test_a_useless_confidence_is_a_flat_line_and_few_joints_do() -> None:
    _, share = reliability((np.full(1000, 0.3), np.arange(1000) % 2 == 0))
    assert share == pytest.approx(0.5)
    sure, share = reliability((np.array([0.5, 0.2, 0.3]), np.array([True, False, True])))
    assert sure.tolist() == [0.2, 0.3, 0.5] and share.tolist() == [0, 1, 1]
    assert reliability_figure({"one": (sure, share > 0)}).startswith("data:image/svg+xml")
