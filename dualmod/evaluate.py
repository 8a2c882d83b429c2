"""Measure a network on labelled real photographs: predictions, metrics and a sheet of overlays.

Handedness is found out by the network (the headline numbers); where a set says which hand each photo shows, the
numbers with that given stand beside them. Nothing is chosen by these numbers. Predictions that were saved, by another
program too, are measured alike without a network.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import simplejpeg
from jaxtyping import Float, UInt8

from dualmod.checkpoints.released import pose_file
from dualmod.data.image_sets import LabelledImages, entry_name, open_labelled
from dualmod.evaluation.end_to_end import WholePhotoPredictor, whole_photo_extras
from dualmod.evaluation.freihand_metrics import joint_scores, rounded
from dualmod.evaluation.metrics import MISSED_PX, DatasetMetrics, scores_2d, scores_3d
from dualmod.evaluation.saved_predictions import read_predictions, score_predictions
from dualmod.geometry.lifting import TYPICAL_BONE_M, assumed_K, lift
from dualmod.inference.detectors import open_detector
from dualmod.inference.pose_overlays import overlay_sheet
from dualmod.inference.predictor import CROP_MARGIN, HandEstimates, Predictor, check_crop_margin
from dualmod.inference.test_time_augmentation import VIEWS, with_views
from synth.common.config import check, option, required, stage_main
from synth.common.conventions import REFERENCE_BONE, RIGHT, ROOT_JOINT, UNKNOWN
from synth.common.files import open_run_folder, written_atomically

GIVEN_FOR_3D = "true intrinsics and true length of the reference bone; the root's depth is predicted"
HANDEDNESS_CHOICES = ("predicted", "given", "both")


@dataclass
class EvaluateConfig:
    """Measure a checkpoint, or saved predictions, on labelled real images."""

    checkpoint: str = option("", "model.safetensors of pretrain or adapt; released: the one that comes along")
    dataset: str = required("name of a set in root or READER:PATH of a public dataset, or several with commas")
    out: str = required("folder for predictions.npz, metrics.json and overlays.jpg")
    predictions: str = option("", "in place of a checkpoint: predictions.npz that another run or program left")
    detector: str = option("", "whole photos: who finds the hand, a detector's file, released or windows; empty: boxes")
    root: str = option("", "folder of the real image sets that are named without a path")
    split: str = option("test", "split of the set; it must have labels")
    max_images: int = option(0, "evenly spaced images of each set at most; 0 for all")
    crop_margin: float = option(0.0, f"{CROP_MARGIN}; 0: the checkpoint's, or that of the saved predictions")
    views: int = option(1, f"looks at each hand, which vote on its joints, as in predict; 1 to {len(VIEWS)}")
    handedness: str = option("both", "predicted, given (unknown where no label says), or both: predicted is headline")
    batch_size: int = option(64, "images in one pass")
    bootstrap: int = option(1000, "resamples of the blocks of images for the 95 % intervals; 0 for none")
    seed: int = option(0, "seed of the resampling")
    device: str = option("auto", "auto, cpu or cuda")
    overwrite: bool = option(False, "delete what another run left in out")

    def __post_init__(self) -> None:
        if bool(self.checkpoint) == bool(self.predictions):
            raise ValueError("give checkpoint=FILE, or predictions=FILE in its place, and not both")
        check(not (self.predictions and self.detector), "detector", self.detector, "empty with predictions")
        check_crop_margin(self.crop_margin)
        check(self.handedness in HANDEDNESS_CHOICES, "handedness", self.handedness, f"one of {HANDEDNESS_CHOICES}")
        check(1 <= self.views <= len(VIEWS), "views", self.views, f"1 to {len(VIEWS)}")
        check(self.max_images >= 0, "max_images", self.max_images, "0 or more")
        names = [entry_name(entry) for entry in self.dataset.split(",")]
        check(len(set(names)) == len(names), "dataset", self.dataset, "one entry of each name; evaluate the rest apart")
        check(self.batch_size > 0, "batch_size", self.batch_size, "positive")
        check(self.bootstrap >= 0, "bootstrap", self.bootstrap, "0 or more")
        check(self.seed >= 0, "seed", self.seed, "0 or more")


@dataclass(frozen=True)
class Evaluation:
    """One network on one set.

    Attributes:
        labelled: The set.
        estimates: Predictions behind the headline numbers.
        joints_cam: Predicted joints in metres; relative to the root where the set has no 3D labels.
        metrics: The numbers.
    """

    labelled: LabelledImages
    estimates: HandEstimates
    joints_cam: Float[np.ndarray, "images 21 3"]
    metrics: DatasetMetrics

    @property
    def columns(self) -> dict[str, np.ndarray]:
        """The arrays of ``predictions.npz``."""
        names = ("joints_px", "joints_depth", "confidence", "right_probability", "crop_sides_px")
        return {"joints_cam": self.joints_cam, **{name: getattr(self.estimates, name) for name in names}}


def evaluate(config: EvaluateConfig) -> dict[str, DatasetMetrics]:
    """Evaluate on each set; leaves ``config.yaml``, ``predictions.npz``, ``metrics.json``, ``overlays.jpg`` in ``out``.

    Raises:
        FileNotFoundError: when the checkpoint, the predictions, ``root`` or a file of a dataset is missing.
        ValueError: when a set is unknown or has no labels, an image cannot be read, or saved predictions don't fit.
    """
    checkpoint = pose_file(config.checkpoint) if config.checkpoint else None
    sets = [open_labelled(config.root, name.strip(), config.split) for name in config.dataset.split(",")]
    if config.max_images:
        sets = [labelled.thinned(config.max_images) for labelled in sets]
    if checkpoint:
        predictor = Predictor.load(checkpoint, config.device, crop_margin=config.crop_margin or None)
        predictor.batch_size = config.batch_size
        looker = with_views(predictor, config.views)
        predicts: PredictsHands = looker
        if config.detector:
            detector, _ = open_detector(predictor, box_px=None, detector=config.detector, device=config.device)
            predicts = WholePhotoPredictor(looker, detector)
        return evaluate_with([predicts] * len(sets), sets, config)
    saved = read_predictions(config.predictions, sets)
    out = _open(config)
    resampling = {"bootstrap": config.bootstrap, "seed": config.seed}
    metrics = [
        score_predictions(s, labelled, crop_margin=config.crop_margin or None, **resampling)
        for s, labelled in zip(saved, sets, strict=True)
    ]
    return _write(out, sets, [s.columns for s in saved], metrics)


class PredictsHands(Protocol):
    """What ``Predictor.predict`` does, and the side of its crops over that of the box."""

    @property
    def crop_margin(self) -> float:
        """Side of a crop over the longer side of the hand's box."""
        ...

    def predict(
        self,
        images: Sequence[UInt8[np.ndarray, "height width 3"]],
        boxes_px: Float[np.ndarray, "hands 4"],
        handedness: list[str] | None = None,
    ) -> HandEstimates:
        """One hand in each photo."""
        ...


def evaluate_with(
    predictors: Sequence[PredictsHands], sets: list[LabelledImages], config: EvaluateConfig
) -> dict[str, DatasetMetrics]:
    """As ``evaluate``, with a predictor for each set."""
    out = _open(config)
    options = {"handedness": config.handedness, "bootstrap": config.bootstrap, "seed": config.seed}
    results = [evaluate_network(p, labelled, **options) for p, labelled in zip(predictors, sets, strict=True)]
    return _write(out, sets, [r.columns for r in results], [r.metrics for r in results])


def _open(config: EvaluateConfig) -> Path:
    return open_run_folder(config.out, config, free_keys=("batch_size", "device"), overwrite=config.overwrite)


def evaluate_network(
    predictor: PredictsHands,
    labelled: LabelledImages,
    *,
    handedness: str = "both",
    bootstrap: int = 1000,
    seed: int = 0,
) -> Evaluation:
    """Predict all images of a set and measure.

    Args:
        predictor: The network.
        labelled: Images with labels; the hand's box is given to the predictor.
        handedness: ``predicted``: the network finds out. ``given``: the label says, where there is one. ``both``: the
            headline is ``predicted``, and the metrics' ``extras`` hold ``given`` if any image has that label.
        bootstrap: Resamples for the intervals.
        seed: Seed of the resampling.
    """
    images = labelled.images
    is_known = any(hand != UNKNOWN for hand in labelled.handedness)
    first = "given" if handedness == "given" else "predicted"
    said = list(labelled.handedness) if first == "given" else None
    estimates = predictor.predict(images, labelled.boxes_px, said)
    joints_cam = joints_in_3d(labelled, estimates, images)
    extras: dict[str, Any] = {
        "handedness": first,
        "handedness_accuracy": handedness_accuracy(labelled, estimates),
        "crop_margin": predictor.crop_margin,
        "num_blocks": labelled.num_blocks,
        "labels": labelled.label_kind,
        "definition": labelled.definition,
    }
    if _rows_3d(labelled).any():
        extras["given_for_3d"] = GIVEN_FOR_3D
    if handedness == "both" and is_known:
        with_label = predictor.predict(images, labelled.boxes_px, list(labelled.handedness))
        in_3d = joints_in_3d(labelled, with_label, images)
        extras["given"] = measure(labelled, with_label, in_3d, {}, bootstrap=bootstrap, seed=seed).to_json()
    if isinstance(predictor, WholePhotoPredictor):
        extras |= whole_photo_extras(labelled, estimates.joints_px, bootstrap=bootstrap, seed=seed)
    metrics = measure(labelled, estimates, joints_cam, extras, bootstrap=bootstrap, seed=seed)
    return Evaluation(labelled, estimates, joints_cam, metrics)


def measure(
    labelled: LabelledImages,
    estimates: HandEstimates,
    joints_cam: Float[np.ndarray, "images 21 3"],
    extras: dict[str, Any],
    *,
    bootstrap: int,
    seed: int,
) -> DatasetMetrics:
    """2D metrics on all images, 3D metrics on those with 3D labels, intrinsics and a hand that was found."""
    found = np.asarray(np.isfinite(estimates.joints_px).all((1, 2)))
    scores = scores_2d(
        np.where(found[:, None, None], estimates.joints_px, MISSED_PX),
        labelled.joints_px,
        labelled.visible,
        box_side_px=np.maximum(1.0, (labelled.boxes_px[:, 2:] - labelled.boxes_px[:, :2]).max(1)),
        crop_side_px=estimates.crop_sides_px,
        bootstrap=bootstrap,
        seed=seed,
        blocks=labelled.blocks,
    )
    rows = _rows_3d(labelled) & found
    if rows.any():
        resampling = {"bootstrap": bootstrap, "seed": seed, "blocks": labelled.blocks[rows]}
        scores |= scores_3d(joints_cam[rows], labelled.joints_cam[rows], **resampling)
        extras = {**extras, "freihand": rounded(joint_scores(joints_cam[rows], labelled.joints_cam[rows]))}
    return DatasetMetrics(len(labelled), scores, extras)


def joints_in_3d(
    labelled: LabelledImages, estimates: HandEstimates, images: Sequence[UInt8[np.ndarray, "height width 3"]]
) -> Float[np.ndarray, "images 21 3"]:
    """Lifted joints in metres: in the camera frame with the true K and bone, else root-relative with assumed ones."""
    rows = _rows_3d(labelled)
    K = np.stack([labelled.K[i] if rows[i] else assumed_K(*images[i].shape[1::-1]) for i in range(len(labelled))])
    start, end = REFERENCE_BONE
    true_m = np.linalg.norm(labelled.joints_cam[:, end] - labelled.joints_cam[:, start], axis=-1)
    joints_cam = lift(estimates.joints_px, estimates.joints_depth, K, np.where(rows, true_m, TYPICAL_BONE_M))
    return np.where(rows[:, None, None], joints_cam, joints_cam - joints_cam[:, ROOT_JOINT, None])


def handedness_accuracy(labelled: LabelledImages, estimates: HandEstimates) -> float | None:
    """Share of the images with a handedness label whose hand the network names rightly; None without such labels."""
    known = np.array([hand != UNKNOWN for hand in labelled.handedness])
    if not known.any():
        return None
    is_right = np.array([hand == RIGHT for hand in labelled.handedness])
    return round(float(((estimates.right_probability > 0.5) == is_right)[known].mean()), 6)


def _rows_3d(labelled: LabelledImages) -> np.ndarray:
    return np.asarray(np.isfinite(labelled.joints_cam).all((1, 2)) & np.isfinite(labelled.K).all((1, 2)))


def _write(
    out: Path, sets: list[LabelledImages], predicted: list[dict[str, np.ndarray]], metrics: list[DatasetMetrics]
) -> dict[str, DatasetMetrics]:
    """Leave all files of an evaluation; the metrics by set."""
    columns: dict[str, np.ndarray] = {
        "files": np.concatenate([labelled.files for labelled in sets]),
        "dataset": np.concatenate([[labelled.name] * len(labelled) for labelled in sets]),
        "boxes_px": np.concatenate([labelled.boxes_px for labelled in sets]),
        **{name: np.concatenate([arrays[name] for arrays in predicted]) for name in predicted[0]},
    }
    with written_atomically(out / "predictions.npz") as partial, partial.open("wb") as file:
        np.savez_compressed(file, allow_pickle=False, **columns)
    sheet = overlay_sheet([(labelled, arrays["joints_px"]) for labelled, arrays in zip(sets, predicted, strict=True)])
    with written_atomically(out / "overlays.jpg") as partial:
        partial.write_bytes(simplejpeg.encode_jpeg(sheet, quality=88, colorspace="RGB"))
    by_set = {labelled.name: found for labelled, found in zip(sets, metrics, strict=True)}
    with written_atomically(out / "metrics.json") as partial:
        partial.write_text(json.dumps({name: found.to_json() for name, found in by_set.items()}, indent=2))
    return by_set


main = stage_main("evaluate", EvaluateConfig, evaluate)

if __name__ == "__main__":
    raise SystemExit(main())
