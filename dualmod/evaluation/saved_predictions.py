"""Saved predictions: what ``evaluate`` leaves and what any other program may write, measured without a network."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool, Float

from dualmod.data.image_collections import LabelledImages
from dualmod.evaluation.freihand_metrics import joint_scores, rounded
from dualmod.evaluation.metrics import MISSED_PX, DatasetMetrics, scores_2d, scores_3d
from dualmod.geometry.crop import box_longer_side, crop_side_px
from synth.common.conventions import NUM_JOINTS, RIGHT, UNKNOWN
from synth.common.files import read_npz, require_file

NAMES = ("files", "joints_px", "joints_cam", "right_probability", "crop_sides_px", "dataset")
ADVICE = "write files [N] and joints_px [N, 21, 2] with numpy.savez, NaN where no hand was found"
SHAPES = {
    "joints_px": (NUM_JOINTS, 2), "joints_cam": (NUM_JOINTS, 3), "right_probability": (), "crop_sides_px": (),
}  # fmt: skip


@dataclass(frozen=True)
class SavedPredictions:
    """Predictions by row; a hand that was not found is a row of NaN.

    Attributes:
        files: Image file of each row, as the set names it.
        joints_px: Joints in pixels of the stored image.
        joints_cam: Joints in metres, or all NaN where there are none.
        right_probability: Probability of a right hand; NaN where it is not told.
        crop_sides_px: Side of the crop that each hand was seen in, pixels of the stored image; NaN where not told.
    """

    files: tuple[str, ...]
    joints_px: Float[np.ndarray, "images 21 2"]
    joints_cam: Float[np.ndarray, "images 21 3"]
    right_probability: Float[np.ndarray, "images"]
    crop_sides_px: Float[np.ndarray, "images"]

    @property
    def columns(self) -> dict[str, np.ndarray]:
        """The arrays of ``predictions.npz``."""
        return {name: getattr(self, name) for name in SHAPES}

    @property
    def found(self) -> Bool[np.ndarray, "images"]:
        """Rows with a hand."""
        return np.asarray(np.isfinite(self.joints_px).all((1, 2)))


def read_predictions(path: str | Path, sets: list[LabelledImages]) -> list[SavedPredictions]:
    """The predictions for each set, in the order of its images.

    Raises:
        FileNotFoundError: when there is no such file.
        ValueError: when it is damaged, an array has the wrong shape, or an image of a set has no row or two.
    """
    path = require_file(path, "predictions")
    columns = read_npz(path, "predictions", NAMES, ADVICE)
    count = len(columns["files"])
    for name, shape in SHAPES.items():
        values = columns.setdefault(name, np.full((count, *shape), np.nan))
        if values.shape != (count, *shape) or not np.issubdtype(values.dtype, np.floating):
            raise ValueError(f"predictions={path}: {name} is {values.dtype} {values.shape}; {ADVICE}")
    return [_rows_of(path, columns, labelled, len(sets)) for labelled in sets]


def _rows_of(path: Path, columns: dict[str, np.ndarray], labelled: LabelledImages, num_sets: int) -> SavedPredictions:
    is_here = np.ones(len(columns["files"]), bool)
    if "dataset" in columns:
        is_here = columns["dataset"] == labelled.name
    elif num_sets > 1:
        raise ValueError(f"predictions={path} has no array dataset, which {num_sets} sets need; evaluate them apart")
    places: dict[str, int] = {}
    for row in np.flatnonzero(is_here):
        name = str(columns["files"][row])
        if name in places:
            raise ValueError(f"predictions={path} has two rows for {name} of {labelled.name}; keep one")
        places[name] = int(row)
    absent = [name for name in labelled.files if name not in places]
    if absent:
        raise ValueError(
            f"predictions={path} lacks {len(absent)} of {len(labelled)} images of {labelled.name}, first {absent[0]}; "
            "give every image a row, of NaN where no hand was found"
        )
    rows = [places[name] for name in labelled.files]
    saved = SavedPredictions(labelled.files, *(columns[name][rows].astype(np.float64) for name in SHAPES))
    sides_px = saved.crop_sides_px[saved.found]
    if not (np.isnan(sides_px).all() or (np.isfinite(sides_px) & (sides_px > 0)).all()):
        raise ValueError(
            f"predictions={path}: crop_sides_px must be above 0 for each hand of {labelled.name}, or left out for all"
        )
    return saved


def score_predictions(
    saved: SavedPredictions, labelled: LabelledImages, *, crop_margin: float | None, bootstrap: int, seed: int
) -> DatasetMetrics:
    """Metrics as of a network; a hand that was not found has all its joints wrong.

    3D metrics take ``joints_cam`` as it stands, over the images that have it, and ``extras`` says how many were missed.

    Args:
        saved: Predictions, rows as those of the set.
        labelled: The set.
        crop_margin: Side of the crop over the longer side of the labelled box, for ``pck_crop``; None: the saved
            sides. Without these ``pck_crop`` is left out.
        bootstrap: Resamples for the intervals.
        seed: Seed of the resampling.
    """
    found = saved.found
    scores = scores_2d(
        np.where(found[:, None, None], saved.joints_px, MISSED_PX),
        labelled.joints_px,
        labelled.visible,
        box_side_px=np.maximum(1.0, box_longer_side(labelled.boxes_px)),
        crop_side_px=_crop_sides(saved, labelled, crop_margin),
        bootstrap=bootstrap,
        seed=seed,
        blocks=labelled.blocks,
    )
    extras: dict[str, Any] = {
        "handedness": "predicted",
        "handedness_accuracy": _handedness_accuracy(saved, labelled),
        "labels": labelled.label_kind,
        "definition": labelled.definition,
        "num_blocks": labelled.num_blocks,
        "missed": int((~found).sum()),
        **({} if crop_margin is None else {"crop_margin": crop_margin}),
    }
    rows = np.isfinite(labelled.joints_cam).all((1, 2)) & np.isfinite(saved.joints_cam).all((1, 2)) & found
    if rows.any():
        ours, truth = saved.joints_cam[rows], labelled.joints_cam[rows]
        scores |= scores_3d(ours, truth, bootstrap=bootstrap, seed=seed, blocks=labelled.blocks[rows])
        extras["freihand"] = rounded(joint_scores(ours, truth))
        extras["given_for_3d"] = "joints_cam as they were saved"
        extras["images_3d"] = int(rows.sum())
    return DatasetMetrics(len(labelled), scores, extras)


def _crop_sides(
    saved: SavedPredictions, labelled: LabelledImages, crop_margin: float | None
) -> Float[np.ndarray, "images"] | None:
    """Sides of the crops; where no hand was found any side will do, as its joints are wrong by any."""
    if crop_margin is not None:
        return np.array([crop_side_px(box, crop_margin) for box in labelled.boxes_px])
    if np.isnan(saved.crop_sides_px).all():
        return None
    return np.where(saved.found, saved.crop_sides_px, 1.0)


def _handedness_accuracy(saved: SavedPredictions, labelled: LabelledImages) -> float | None:
    """None without labels or without predictions; a hand that was not found is named wrongly."""
    known = np.array([hand != UNKNOWN for hand in labelled.handedness])
    if not known.any() or np.isnan(saved.right_probability).all():
        return None
    is_right = np.array([hand == RIGHT for hand in labelled.handedness])
    named = (saved.right_probability > 0.5) == is_right
    return round(float((named & np.isfinite(saved.right_probability))[known].mean()), 6)
