"""The official metrics of FreiHAND (Zimmermann et al. 2019), which HO-3D and DexYCB took over.

Source: ``eval.py`` and ``EvalUtil`` of github.com/lmb-freiburg/freihand and github.com/lmb-freiburg/hand3d. They differ
from ``metrics.py`` in what is standard there: errors before alignment are absolute, in the camera frame; alignment may
mirror; the area under PCK goes from 0 to 50 mm by the trapezoidal rule over 100 thresholds, the error at a threshold
included; F-scores are of vertices, for each image, with strict thresholds of 5 and 15 mm. What papers call F@5 and F@15
is ``pa_f@5`` and ``pa_f@15`` here.

Our network predicts joints alone. The metrics of meshes are for predictions in FreiHAND's ``pred.json``
(``score_submission``), whatever made them.
"""

import json
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float
from scipy.spatial import KDTree

from synth.common.files import require_file

AUC_MM = 50.0
AUC_THRESHOLDS = 100
F_MM = (5, 15)
MM_PER_M = 1000.0


def joint_scores(
    joints_cam: Float[np.ndarray, "images joints 3"], true_cam: Float[np.ndarray, "images joints 3"]
) -> dict[str, float]:
    """``mpjpe_mm`` and ``auc_0_50`` in the camera frame, ``pa_mpjpe_mm`` and ``pa_auc_0_50`` after alignment.

    Args:
        joints_cam: Predicted joints in metres.
        true_cam: Labelled joints in metres.

    Raises:
        ValueError: when shapes differ, there is no image, or a value is not finite.
    """
    return _point_scores(joints_cam, true_cam, "mpjpe_mm", "auc_0_50")


def mesh_scores(
    verts_cam: Float[np.ndarray, "images verts 3"], true_cam: Float[np.ndarray, "images verts 3"]
) -> dict[str, float]:
    """``mpvpe_mm``, ``auc_mesh_0_50``, ``f@5`` and ``f@15`` in the camera frame; each with ``pa_`` after alignment.

    Args:
        verts_cam: Predicted vertices in metres, those of the labels' mesh in their order.
        true_cam: Labelled vertices in metres.

    Raises:
        ValueError: when shapes differ, there is no image, or a value is not finite.
    """
    scores = _point_scores(verts_cam, true_cam, "mpvpe_mm", "auc_mesh_0_50")
    for prefix, points in (("", verts_cam), ("pa_", aligned(verts_cam, true_cam))):
        for limit in F_MM:
            each = [f_score(p, t, limit / MM_PER_M) for p, t in zip(points, true_cam, strict=True)]
            scores[f"{prefix}f@{limit}"] = float(np.mean(each))
    return scores


def score_submission(predictions: str | Path, folder: str | Path, split: str = "evaluation") -> dict[str, float]:
    """The scores of a ``pred.json`` as it is sent to the challenge, against the released labels.

    Args:
        predictions: Two lists, joints and vertices of each image, in metres.
        folder: FreiHAND's folder, with ``evaluation_xyz.json`` and ``evaluation_verts.json``.
        split: ``evaluation`` or ``training``.

    Raises:
        FileNotFoundError: when a file is missing.
        ValueError: when predictions and labels differ in shape, or a file is no JSON of such lists.
    """
    folder = Path(folder).expanduser()
    joints_cam, verts_cam = _lists(require_file(predictions, "predictions"), 2)
    truth = [_read(require_file(folder / f"{split}_{part}.json", "folder")) for part in ("xyz", "verts")]
    return joint_scores(joints_cam, _points(truth[0])) | mesh_scores(verts_cam, _points(truth[1]))


def rounded(scores: dict[str, float]) -> dict[str, float]:
    """Scores with the six places that ``metrics.json`` has."""
    return {name: round(value, 6) for name, value in scores.items()}


def aligned(
    points: Float[np.ndarray, "images points 3"], onto: Float[np.ndarray, "images points 3"]
) -> Float[np.ndarray, "images points 3"]:
    """``points`` of each image after the best shift, scale and orthogonal map (mirroring allowed) onto ``onto``."""
    centre = onto.mean(1, keepdims=True)
    target, source = onto - centre, points - points.mean(1, keepdims=True)
    target_size, source_size = (np.linalg.norm(x, axis=(1, 2), keepdims=True) + 1e-8 for x in (target, source))
    target, source = target / target_size, source / source_size
    U, singular, Vt = np.linalg.svd(np.swapaxes(source, 1, 2) @ target)
    return source @ (U @ Vt) * singular.sum(1)[:, None, None] * target_size + centre


def area_under_pck(error_mm: Float[np.ndarray, "..."]) -> float:
    """Area under the share of errors at or below a threshold from 0 to 50 mm, as a share of the full one."""
    thresholds = np.linspace(0, AUC_MM, AUC_THRESHOLDS)
    pck = np.searchsorted(np.sort(error_mm, axis=None), thresholds, side="right") / error_mm.size
    return float(np.trapezoid(pck, thresholds) / AUC_MM)


def f_score(points: Float[np.ndarray, "points 3"], truth: Float[np.ndarray, "true_points 3"], limit: float) -> float:
    """Harmonic mean of the shares of points of each set that are nearer than ``limit`` to some point of the other."""
    recall = float(np.mean(KDTree(truth).query(points)[0] < limit))
    precision = float(np.mean(KDTree(points).query(truth)[0] < limit))
    return 2 * recall * precision / (recall + precision) if recall + precision > 0 else 0.0


def _point_scores(points: np.ndarray, truth: np.ndarray, mean_name: str, area_name: str) -> dict[str, float]:
    if points.shape != truth.shape or points.ndim != 3 or points.shape[2] != 3 or not points.size:
        raise ValueError(f"predictions {points.shape} and labels {truth.shape} must both be (images, points, 3)")
    if not (np.isfinite(points).all() and np.isfinite(truth).all()):
        raise ValueError("a predicted or labelled point is not finite; leave that image out of both")
    scores = {}
    for prefix, moved in (("", points), ("pa_", aligned(points, truth))):
        error_mm = MM_PER_M * np.linalg.norm(moved - truth, axis=-1)
        scores |= {prefix + mean_name: float(error_mm.mean()), prefix + area_name: area_under_pck(error_mm)}
    return scores


def _lists(path: Path, count: int) -> list[np.ndarray]:
    content = _read(path)
    if not isinstance(content, list) or len(content) != count:
        raise ValueError(f"{path} must be a list of {count} lists: joints and vertices of each image")
    return [_points(part) for part in content]


def _read(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"{path} is no JSON ({error}); write or download it again") from error


def _points(lists: Any) -> np.ndarray:
    try:
        return np.asarray(lists, np.float64)
    except (TypeError, ValueError) as error:
        raise ValueError("joints or vertices are no numbers of one shape; each image needs as many points") from error
