"""FreiHAND's metrics on cases worked out by hand, and against the official script's steps done one by one."""

import json

import numpy as np
import pytest
from scipy.linalg import orthogonal_procrustes

from dualmod.evaluation.freihand_metrics import (
    aligned,
    area_under_pck,
    f_score,
    joint_scores,
    mesh_scores,
    rounded,
    score_submission,
)

TURN = np.array([[0.0, -1, 0], [1, 0, 0], [0, 0, 1]])
STEP_MM = 50 / 99


@pytest.fixture
def truth() -> np.ndarray:
    return np.random.default_rng(0).normal(0, 0.03, (3, 21, 3)) + np.array([0, 0, 0.5])


def test_a_shift_of_10_mm_is_an_error_of_10_mm_and_none_after_alignment(truth):
    """10 mm lie between the thresholds 19 (9.6 mm) and 20 (10.1 mm): PCK is 0 up to the first and 1 from the second."""
    scores = joint_scores(truth + np.array([0.01, 0, 0]), truth)
    assert scores["mpjpe_mm"] == pytest.approx(10) and scores["pa_mpjpe_mm"] == pytest.approx(0, abs=1e-3)
    assert scores["auc_0_50"] == pytest.approx((50 - 19.5 * STEP_MM) / 50)
    assert scores["pa_auc_0_50"] == pytest.approx(1, abs=0.01)


def test_area_of_errors_at_and_beyond_the_ends():
    assert area_under_pck(np.zeros((2, 21))) == 1 and area_under_pck(np.full((2, 21), 51.0)) == 0
    # an error at the last threshold counts there alone: half a step of the trapezoid
    assert area_under_pck(np.full((1, 1), 50.0)) == pytest.approx(0.5 * STEP_MM / 50)
    assert area_under_pck(np.array([[0.0, 60.0]])) == pytest.approx(0.5)


def test_alignment_undoes_shift_scale_turn_and_a_mirror(truth):
    for change in (TURN, np.diag([1.0, 1, -1])):
        moved = 1.7 * (truth @ change.T) + [3, -2, 1]
        np.testing.assert_allclose(aligned(moved, truth), truth, atol=1e-6)


def test_f_score_of_points_worked_out_by_hand():
    """Truth at 0 and 100 mm, predictions at 3, 104, 50 mm: at 5 mm two of three are near, and both of the truth."""
    truth = np.array([[0.0, 0, 0], [0.1, 0, 0]])
    points = np.array([[0.003, 0, 0], [0.104, 0, 0], [0.05, 0, 0]])
    assert f_score(points, truth, 0.005) == pytest.approx(2 * (2 / 3) * 1 / (2 / 3 + 1))
    assert f_score(points, truth, 0.0035) == pytest.approx(2 * (1 / 3) * 0.5 / (1 / 3 + 0.5))
    assert f_score(points + 1, truth, 0.005) == 0
    assert f_score(np.array([[0.5, 0, 0]]), np.array([[0.0, 0, 0]]), 0.5) == 0  # the threshold itself is not under it


def test_against_the_official_steps_one_by_one(truth):
    rng = np.random.default_rng(1)
    points = 1.3 * truth @ TURN.T + rng.normal(0, 0.01, truth.shape) + [0.05, 0, 0.1]
    scores = joint_scores(points, truth) | mesh_scores(points, truth)
    plain, moved, f_plain, f_moved = [], [], [], []
    for found, true in zip(points, truth, strict=True):
        onto = official_alignment(true, found)
        plain.append(np.sqrt(((found - true) ** 2).sum(1)))
        moved.append(np.sqrt(((onto - true) ** 2).sum(1)))
        f_plain.append([official_f(true, found, t) for t in (0.005, 0.015)])
        f_moved.append([official_f(true, onto, t) for t in (0.005, 0.015)])
    assert 1 > scores["pa_f@15"] > scores["pa_f@5"] > 0 and scores["pa_mpjpe_mm"] > 5
    expected = {
        "mpjpe_mm": 1000 * np.mean(plain), "pa_mpjpe_mm": 1000 * np.mean(moved),
        "auc_0_50": official_area(np.array(plain)), "pa_auc_0_50": official_area(np.array(moved)),
        "f@5": np.mean(f_plain, 0)[0], "f@15": np.mean(f_plain, 0)[1],
        "pa_f@5": np.mean(f_moved, 0)[0], "pa_f@15": np.mean(f_moved, 0)[1],
    }  # fmt: skip
    for name, value in expected.items():
        assert scores[name] == pytest.approx(value, abs=1e-9), name
    assert scores["mpvpe_mm"] == scores["mpjpe_mm"] and scores["pa_auc_mesh_0_50"] == scores["pa_auc_0_50"]


def official_alignment(true: np.ndarray, found: np.ndarray) -> np.ndarray:
    """Centre and norm both, turn by scipy's orthogonal Procrustes, and give the truth's norm and centre."""
    one, two = true - true.mean(0), found - found.mean(0)
    size = np.linalg.norm(one) + 1e-8
    R, s = orthogonal_procrustes(one / size, two / (np.linalg.norm(two) + 1e-8))
    return two / (np.linalg.norm(two) + 1e-8) @ R.T * s * size + true.mean(0)


def official_area(errors: np.ndarray) -> float:
    """For each joint the trapezoidal area under its PCK, then the mean over joints."""
    thresholds = np.linspace(0, 0.05, 100)
    areas = [np.trapezoid([np.mean(e <= t) for t in thresholds], thresholds) / 0.05 for e in errors.T]
    return float(np.mean(areas))


def official_f(true: np.ndarray, found: np.ndarray, limit: float) -> float:
    distances = np.linalg.norm(true[:, None] - found[None], axis=-1)
    precision, recall = np.mean(distances.min(1) < limit), np.mean(distances.min(0) < limit)
    return float(2 * precision * recall / (precision + recall)) if precision + recall else 0.0


def test_a_submission_is_scored_from_its_files(tmp_path, truth):
    verts = np.concatenate([truth, truth + 0.01], 1)
    (tmp_path / "evaluation_xyz.json").write_text(json.dumps(truth.tolist()))
    (tmp_path / "evaluation_verts.json").write_text(json.dumps(verts.tolist()))
    (tmp_path / "pred.json").write_text(json.dumps([(truth + np.array([0, 0.02, 0])).tolist(), verts.tolist()]))
    scores = rounded(score_submission(tmp_path / "pred.json", tmp_path))
    assert scores["mpjpe_mm"] == 20 and scores["pa_mpjpe_mm"] == pytest.approx(0, abs=1e-3)
    assert scores["mpvpe_mm"] == 0 and scores["f@5"] == scores["pa_f@15"] == 1
    (tmp_path / "pred.json").write_text(json.dumps([truth.tolist(), verts[:, :5].tolist()]))
    with pytest.raises(ValueError, match=r"\(3, 5, 3\) and labels \(3, 42, 3\)"):
        score_submission(tmp_path / "pred.json", tmp_path)
    (tmp_path / "pred.json").write_text(json.dumps([truth.tolist(), truth.tolist()]))
    with pytest.raises(FileNotFoundError, match=r"evaluation_xyz\.json does not exist"):
        score_submission(tmp_path / "pred.json", tmp_path / "nowhere")
    (tmp_path / "pred.json").write_text("[1]")
    with pytest.raises(ValueError, match="must be a list of 2 lists"):
        score_submission(tmp_path / "pred.json", tmp_path)


def test_points_that_are_not_finite_are_refused(truth):
    with pytest.raises(ValueError, match="not finite"):
        joint_scores(truth * np.nan, truth)
