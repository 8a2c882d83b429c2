"""Whole photos without a box: the hand is found first, as ``predict`` finds it; one that is not found is wrong."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from jaxtyping import Float, UInt8

from dualmod.data.image_collections import LabelledImages
from dualmod.detection.detector import Detector, HandBox
from dualmod.evaluation.metrics import json_number, score
from dualmod.geometry.crop import box_longer_side
from dualmod.inference.predictor import HandEstimates, Predictor

NEAR = 0.2
"""Mean joint error, in longer sides of the labelled box, below which a photo counts as a hand drawn where it is."""


class WholePhotoPredictor:
    """Finds the surest hand of each photo, and predicts it."""

    def __init__(self, predictor: Predictor, detector: Detector) -> None:
        self.predictor, self.detector = predictor, detector

    @property
    def crop_margin(self) -> float:
        """That of the predictor."""
        return self.predictor.crop_margin

    def predict(
        self,
        images: Sequence[UInt8[np.ndarray, "height width 3"]],
        boxes_px: Float[np.ndarray, "hands 4"],
        handedness: list[str] | None = None,
    ) -> HandEstimates:
        """As ``Predictor.predict``, with no look at ``boxes_px``; joints are NaN where no hand is found."""
        found = [_surest(self.detector.find([images[row]])[0]) for row in range(len(images))]
        whole = [_whole(images[row]) for row in range(len(images))]
        boxes = np.stack([w if hand is None else hand.box_px for w, hand in zip(whole, found, strict=True)])
        estimates = self.predictor.predict(images, boxes, handedness)
        missed = np.array([hand is None for hand in found])
        return replace(estimates, joints_px=np.where(missed[:, None, None], np.nan, estimates.joints_px))


def whole_photo_extras(
    labelled: LabelledImages, joints_px: Float[np.ndarray, "images 21 2"], *, bootstrap: int, seed: int
) -> dict[str, Any]:
    """Hands that were missed, and the share of photos whose mean joint error is below ``NEAR``, with its interval."""
    gaps = np.linalg.norm(joints_px - labelled.joints_px, axis=-1)
    means_px = np.where(labelled.visible, gaps, 0).sum(1) / labelled.visible.sum(1)
    errors = means_px / np.maximum(1, box_longer_side(labelled.boxes_px))
    missed = ~np.isfinite(joints_px).all((1, 2))
    near = (errors < NEAR) & ~missed
    everyone = np.ones((len(near), 1), bool)
    share = score(near[:, None].astype(float), everyone, bootstrap=bootstrap, seed=seed, blocks=labelled.blocks)
    interval = [json_number(end) for end in (share.low, share.high)] if np.isfinite(share.low) else None
    return {
        "boxes": "found",
        "missed": int(missed.sum()),
        f"photos_near@{NEAR:g}": json_number(share.value),
        f"photos_near@{NEAR:g}_interval_95": interval,
    }


def _surest(hands: list[HandBox]) -> HandBox | None:
    return max(hands, key=lambda hand: hand.score, default=None)


def _whole(image: UInt8[np.ndarray, "height width 3"]) -> Float[np.ndarray, "4"]:
    height, width = image.shape[:2]
    return np.array([0.0, 0.0, width - 1, height - 1])
