"""The reliability diagram against joints counted by hand."""

import base64
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from distill.report.calibration import BINS, calibration, reliability, reliability_figure, surest_half, tenths_table
from distill.report.runs import load_stages
from distill.report.sections import judged_joints
from dualmod.data.image_sets import open_labelled


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
    figure = reliability_figure({"one": (sure, share > 0)}, {"one": "#123456"})
    assert "#123456" in base64.b64decode(figure.partition(",")[2]).decode()


def test_each_tenth_has_its_mean_confidence_beside_its_share_of_right_joints() -> None:
    confidence = np.linspace(0.05, 1, 20)
    right = np.arange(20) >= 14  # the six surest
    tenths = [(c, float(k >= 7)) for k, c in enumerate(np.arange(0.075, 1, 0.1))]
    found = calibration((confidence, right))
    assert found["right"] == pytest.approx(0.3) and found["right_of_surest_half"] == pytest.approx(0.6)
    assert found["tenths"]["confidence"] == pytest.approx([c for c, _ in tenths])
    assert found["tenths"]["right"] == [share for _, share in tenths]
    (row,) = tenths_table({"one": (confidence, right)}, {"one": "red"})
    assert (row.label, row.colour) == ("one", "red")
    assert np.array(row.tenths) == pytest.approx(np.array(tenths))


def test_a_hand_that_was_not_found_is_wrong_with_no_confidence(evaluated: Callable[..., Path], toy_root: Path) -> None:
    runs = [evaluated("some", 0.1, missed=(0, 5, 7)), evaluated("other_program", 0.1)]
    stages = load_stages([str(run) for run in runs])
    del stages[1].of("toy")[0].predictions["confidence"]
    judged = judged_joints(stages, "toy", open_labelled(toy_root, "toy"))
    assert list(judged) == ["some"]
    confidence, right = judged["some"]
    assert (confidence == 0).sum() == 3 * 21 and not right[confidence == 0].any() and right[confidence > 0].all()
    assert reliability(judged["some"])[1][0] == 0
