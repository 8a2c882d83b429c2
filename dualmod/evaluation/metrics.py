"""Metrics of 2D and 3D hand pose, each for all joints, for each joint, and with a bootstrap interval.

Every metric is the mean of one number for each labelled joint of each image, so one rule gives value, per-joint values
and interval. An area under a PCK curve is such a mean too: the share of thresholds that the joint's error is under.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Int

from dualmod.evaluation.block_bootstrap import FEWEST_BLOCKS, block_sums, draw_blocks
from synth.common.conventions import NUM_JOINTS, ROOT_JOINT

PCK_BOX_THRESHOLDS = (0.05, 0.1, 0.2)
PCK_CROP_THRESHOLD = 0.05
AUC_2D_MAX = 0.2
AUC_3D_MM = (20.0, 50.0)
MISSED_PX = 1e9
"""Where the joints of a hand are put that was not found: further off than any threshold."""


@dataclass(frozen=True)
class Score:
    """One metric.

    Attributes:
        value: Mean over all labelled joints of all images; NaN when there is none.
        low: Lower end of the 95 % bootstrap interval over blocks of images; NaN where fewer than two have a label.
        high: Upper end.
        per_joint: Mean of each joint; NaN where no image labels it.
    """

    value: float
    low: float
    high: float
    per_joint: Float[np.ndarray, "21"]


@dataclass(frozen=True)
class DatasetMetrics:
    """The metrics of one network on one dataset.

    Attributes:
        num_images: Images that count.
        scores: By the metric's name.
        extras: What else was measured and how (handedness, what was given), ready for JSON.
    """

    num_images: int
    scores: dict[str, Score]
    extras: dict[str, Any]

    def to_json(self) -> dict[str, Any]:
        """Plain numbers: a metric under its name, ``per_joint`` and ``interval_95`` by metric; NaN becomes None."""
        return {
            "num_images": self.num_images,
            **{name: json_number(score.value) for name, score in self.scores.items()},
            "interval_95": {n: [json_number(s.low), json_number(s.high)] for n, s in self.scores.items()},
            "per_joint": {n: [json_number(v) for v in s.per_joint] for n, s in self.scores.items()},
            **self.extras,
        }


def scores_2d(
    joints_px: Float[np.ndarray, "images 21 2"],
    true_px: Float[np.ndarray, "images 21 2"],
    visible: Bool[np.ndarray, "images 21"],
    *,
    box_side_px: Float[np.ndarray, "images"],
    crop_side_px: Float[np.ndarray, "images"] | None,
    bootstrap: int = 1000,
    seed: int = 0,
    blocks: Int[np.ndarray, "images"] | None = None,
) -> dict[str, Score]:
    """``pck_box@a``, ``pck_crop@0.05`` and ``auc_2d``.

    Args:
        joints_px: Predicted joints in pixels.
        true_px: Labelled joints in the same pixels; anything where not ``visible``.
        visible: Which joints are labelled and count.
        box_side_px: Longer side of the labelled hand's box.
        crop_side_px: Side of the crop that the network saw, in the same pixels; None: not known, no ``pck_crop``.
        bootstrap: Resamples for the interval.
        seed: Seed of the resampling.
        blocks: Number of the block of each image, which is resampled as a whole; None: each image is one.

    Raises:
        ValueError: when shapes differ, a prediction is not finite, or a box has no size.
    """
    _require_same(joints_px, true_px, (NUM_JOINTS, 2))
    sides_px = [np.asarray(side) for side in (box_side_px, crop_side_px) if side is not None]
    if not all((side > 0).all() for side in sides_px):
        raise ValueError("a box or crop has no size, so errors cannot be measured in units of it")
    error_px = np.linalg.norm(joints_px - np.where(visible[..., None], true_px, 0), axis=-1)
    in_boxes = error_px / np.asarray(box_side_px)[:, None]
    values = {f"pck_box@{t:g}": in_boxes <= t for t in PCK_BOX_THRESHOLDS}
    if crop_side_px is not None:
        in_crops = error_px / np.asarray(crop_side_px)[:, None]
        values[f"pck_crop@{PCK_CROP_THRESHOLD:g}"] = in_crops <= PCK_CROP_THRESHOLD
    values["auc_2d"] = share_of_thresholds(in_boxes, 0.0, AUC_2D_MAX)
    resampling = {"bootstrap": bootstrap, "seed": seed, "blocks": blocks}
    return {name: score(v.astype(np.float64), visible, **resampling) for name, v in values.items()}


def scores_3d(
    joints_cam: Float[np.ndarray, "images 21 3"],
    true_cam: Float[np.ndarray, "images 21 3"],
    *,
    bootstrap: int = 1000,
    seed: int = 0,
    blocks: Int[np.ndarray, "images"] | None = None,
) -> dict[str, Score]:
    """``epe_mm`` (root moved onto the truth), its ``auc_3d_20_50``, and ``pa_mpjpe_mm`` (similarity alignment).

    The root is the middle MCP (Lin et al. 2023; SemiHand). The true scale is given when the pose is lifted to 3D
    (``dualmod.geometry.lifting``), not here. All joints count, hidden ones too.

    Args:
        joints_cam: Predicted joints in metres.
        true_cam: Labelled joints in metres.
        bootstrap: Resamples for the interval.
        seed: Seed of the resampling.
        blocks: Number of the block of each image, which is resampled as a whole; None: each image is one.

    Raises:
        ValueError: when shapes differ or a value is not finite.
    """
    _require_same(joints_cam, true_cam, (NUM_JOINTS, 3))
    if not np.isfinite(true_cam).all():
        raise ValueError("a 3D label is not finite; leave out images without 3D labels")
    all_joints = np.ones(joints_cam.shape[:2], bool)
    moved = joints_cam - joints_cam[:, ROOT_JOINT, None] + true_cam[:, ROOT_JOINT, None]
    error_mm = 1000 * np.linalg.norm(moved - true_cam, axis=-1)
    aligned_mm = 1000 * np.linalg.norm(similarity_aligned(joints_cam, true_cam) - true_cam, axis=-1)
    values = {
        "epe_mm": error_mm,
        "pa_mpjpe_mm": aligned_mm,
        "auc_3d_20_50": share_of_thresholds(error_mm, *AUC_3D_MM),
    }
    resampling = {"bootstrap": bootstrap, "seed": seed, "blocks": blocks}
    return {name: score(v, all_joints, **resampling) for name, v in values.items()}


def share_of_thresholds(error: np.ndarray, lowest: float, highest: float) -> np.ndarray:
    """Share of the thresholds in [lowest, highest] that ``error`` is under: its mean is the area under PCK."""
    return np.clip((highest - error) / (highest - lowest), 0, 1)


def similarity_aligned(
    points: Float[np.ndarray, "images joints 3"], onto: Float[np.ndarray, "images joints 3"]
) -> Float[np.ndarray, "images joints 3"]:
    """``points`` of each image after the best rotation (no reflection), scale and shift onto ``onto``."""
    centre, centre_onto = points.mean(1, keepdims=True), onto.mean(1, keepdims=True)
    centred, centred_onto = points - centre, onto - centre_onto
    U, singular, Vt = np.linalg.svd(np.swapaxes(centred, 1, 2) @ centred_onto)
    signs = np.ones_like(singular)
    signs[:, 2] = np.where(np.linalg.det(U @ Vt) < 0, -1.0, 1.0)
    R = (U * signs[:, None]) @ Vt
    size = np.maximum((centred**2).sum((1, 2)), 1e-18)
    scale = (singular * signs).sum(1) / size
    return scale[:, None, None] * centred @ R + centre_onto


def score(
    values: Float[np.ndarray, "images joints"],
    counts: Bool[np.ndarray, "images joints"],
    *,
    bootstrap: int,
    seed: int,
    blocks: Int[np.ndarray, "images"] | None = None,
) -> Score:
    """Mean of ``values`` where ``counts``, with the 95 % percentile interval over resampled blocks of images."""
    kept = np.where(counts, values, 0.0)
    blocks = np.arange(len(kept)) if blocks is None else blocks
    sums, labels = block_sums(kept.sum(1), blocks), block_sums(counts.sum(1), blocks)
    low = high = float("nan")
    if bootstrap > 0 and (labels > 0).sum() >= FEWEST_BLOCKS:
        draws = draw_blocks(len(sums), bootstrap, np.random.default_rng(seed))
        totals = draws @ labels
        means = (draws @ sums)[totals > 0] / totals[totals > 0]
        low, high = (float(v) for v in np.percentile(means, [2.5, 97.5]))
    per_joint = np.array([_mean(kept[:, j].sum(), counts[:, j].sum()) for j in range(kept.shape[1])])
    return Score(_mean(kept.sum(), counts.sum()), low, high, per_joint)


def _mean(total: float, count: int) -> float:
    return float(total / count) if count else float("nan")


def json_number(value: float) -> float | None:
    """A number with six digits; None where it is not finite, which JSON cannot say."""
    return round(float(value), 6) if np.isfinite(value) else None


def _require_same(predicted: np.ndarray, truth: np.ndarray, tail: tuple[int, int]) -> None:
    if predicted.shape != truth.shape or predicted.shape[1:] != tail:
        raise ValueError(f"predictions {predicted.shape} and labels {truth.shape} must both be (images, *{tail})")
    if not np.isfinite(predicted).all():
        raise ValueError("a predicted joint is not finite; the network's weights are broken")
