"""Metrics against slow references, analytic cases and invariants."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from dualmod.evaluation.metrics import (
    DatasetMetrics,
    score,
    scores_2d,
    scores_3d,
    share_of_thresholds,
    similarity_aligned,
)


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(11)


@pytest.fixture
def case(rng):
    true_px = rng.uniform(20, 200, (9, 21, 2))
    joints_px = true_px + rng.normal(0, 12, (9, 21, 2))
    visible = rng.random((9, 21)) < 0.8
    return joints_px, true_px, visible, rng.uniform(80, 160, 9), rng.uniform(150, 250, 9)


def test_2d_metrics_equal_a_loop(case):
    joints_px, true_px, visible, box, crop = case
    found = scores_2d(joints_px, true_px, visible, box_side_px=box, crop_side_px=crop, bootstrap=0)
    hits = {name: [] for name in ("pck_box@0.05", "pck_box@0.1", "pck_box@0.2", "pck_crop@0.05", "auc_2d")}
    thresholds = np.linspace(0, 0.2, 4001)
    for i in range(9):
        for j in range(21):
            if not visible[i, j]:
                continue
            error = float(np.hypot(*(joints_px[i, j] - true_px[i, j])))
            for a in (0.05, 0.1, 0.2):
                hits[f"pck_box@{a}"].append(error <= a * box[i])
            hits["pck_crop@0.05"].append(error <= 0.05 * crop[i])
            hits["auc_2d"].append(np.mean(error <= thresholds * box[i]))
    assert set(found) == set(hits)
    for name, values in hits.items():
        assert found[name].value == pytest.approx(np.mean(values), abs=3e-4)


def test_per_joint_values_and_joints_without_label(case):
    joints_px, true_px, visible, box, crop = case
    visible[:, 4] = False
    true_px[:, 4] = np.nan
    found = scores_2d(joints_px, true_px, visible, box_side_px=box, crop_side_px=crop, bootstrap=20)["pck_box@0.1"]
    error = np.linalg.norm(joints_px - true_px, axis=-1) / box[:, None]
    assert np.isnan(found.per_joint[4]) and np.isfinite(found.value)
    assert found.per_joint[7] == pytest.approx((error[visible[:, 7], 7] <= 0.1).mean())


def test_perfect_and_hopeless_predictions(case):
    _, true_px, visible, box, crop = case
    perfect = scores_2d(true_px, true_px, visible, box_side_px=box, crop_side_px=crop)
    assert all(s.value == s.low == s.high == 1 for s in perfect.values())
    hopeless = scores_2d(true_px + 1e4, true_px, visible, box_side_px=box, crop_side_px=crop)
    assert all(s.value == s.low == s.high == 0 for s in hopeless.values())


def test_3d_metrics_equal_a_loop(rng):
    true_cam = rng.normal(0, 0.05, (6, 21, 3)) + np.array([0, 0, 0.5])
    joints_cam = true_cam + rng.normal(0, 0.02, (6, 21, 3)) + rng.normal(0, 1, (6, 1, 3))
    found = scores_3d(joints_cam, true_cam, bootstrap=0)
    errors, aligned = [], []
    for p, t in zip(joints_cam, true_cam, strict=True):
        errors += [1000 * np.linalg.norm((p[j] - p[9]) - (t[j] - t[9])) for j in range(21)]
        q, r = p - p.mean(0), t - t.mean(0)
        rotation = Rotation.align_vectors(r, q)[0].as_matrix()
        turned = q @ rotation.T
        scale = (turned * r).sum() / (turned**2).sum()
        aligned += list(1000 * np.linalg.norm(scale * turned - r, axis=1))
    assert found["epe_mm"].value == pytest.approx(np.mean(errors))
    assert found["pa_mpjpe_mm"].value == pytest.approx(np.mean(aligned))
    curve = [np.mean(np.array(errors) <= t) for t in np.linspace(20, 50, 3001)]
    assert found["auc_3d_20_50"].value == pytest.approx(np.mean(curve), abs=1e-3)


def test_a_shift_costs_nothing_and_the_root_has_no_error(rng):
    true_cam = rng.normal(0, 0.05, (4, 21, 3))
    found = scores_3d(true_cam + np.array([0.3, -0.2, 1.0]), true_cam)
    assert found["epe_mm"].value == pytest.approx(0, abs=1e-9) and found["auc_3d_20_50"].value == 1
    noisy = scores_3d(true_cam + rng.normal(0, 0.01, true_cam.shape), true_cam)["epe_mm"]
    assert noisy.per_joint[9] == pytest.approx(0, abs=1e-9) and noisy.value > 5


@settings(max_examples=25, deadline=None)
@given(st.floats(0.2, 5), st.floats(-3, 3), st.integers(0, 1000))
def test_alignment_undoes_any_similarity(scale, angle, seed):
    rng = np.random.default_rng(seed)
    points = rng.normal(0, 1, (2, 21, 3))
    R = Rotation.from_rotvec(angle * rng.normal(0, 1, 3)).as_matrix()
    np.testing.assert_allclose(similarity_aligned(scale * points @ R + 4, points), points, atol=1e-8)


def test_alignment_does_not_mirror(rng):
    hand = rng.normal(0, 1, (1, 21, 3))
    aligned = similarity_aligned(hand * [-1, 1, 1], hand)
    assert np.linalg.norm(aligned - hand, axis=-1).mean() > 0.1


def test_share_of_thresholds_is_clipped_and_linear():
    np.testing.assert_allclose(share_of_thresholds(np.array([0, 20, 35, 50, 80.0]), 20, 50), [1, 1, 0.5, 0, 0])


def test_interval_is_seeded_and_as_wide_as_theory_says(rng):
    values = rng.normal(10, 2, (400, 21)) + rng.normal(0, 3, (400, 1))
    counts = np.ones(values.shape, bool)
    first, again, other = (score(values, counts, bootstrap=2000, seed=seed) for seed in (1, 1, 2))
    assert (first.low, first.high) == (again.low, again.high) != (other.low, other.high)
    standard_error = values.mean(1).std() / 20
    assert first.high - first.low == pytest.approx(2 * 1.96 * standard_error, rel=0.1)
    assert first.low < first.value < first.high


def test_json_has_no_nan(case):
    joints_px, true_px, visible, box, crop = case
    visible[:, 3] = False
    scores = scores_2d(joints_px, true_px, visible, box_side_px=box, crop_side_px=crop, bootstrap=10)
    told = DatasetMetrics(9, scores, {"labels": "gt2d"}).to_json()
    parsed = json.loads(json.dumps(told, allow_nan=False))
    assert parsed["num_images"] == 9 and parsed["labels"] == "gt2d"
    assert parsed["per_joint"]["auc_2d"][3] is None and len(parsed["interval_95"]["auc_2d"]) == 2
    assert parsed["pck_box@0.1"] == pytest.approx(scores["pck_box@0.1"].value, abs=1e-6)


def test_bad_input_is_refused(case):
    joints_px, true_px, visible, box, crop = case
    with pytest.raises(ValueError, match="no size"):
        scores_2d(joints_px, true_px, visible, box_side_px=0 * box, crop_side_px=crop)
    with pytest.raises(ValueError, match="must both be"):
        scores_2d(joints_px[:, :20], true_px, visible, box_side_px=box, crop_side_px=crop)
    with pytest.raises(ValueError, match="not finite"):
        scores_2d(joints_px * np.nan, true_px, visible, box_side_px=box, crop_side_px=crop)
    with pytest.raises(ValueError, match="3D label"):
        scores_3d(np.zeros((1, 21, 3)), np.full((1, 21, 3), np.nan))
