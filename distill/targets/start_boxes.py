"""What the start network finds in each photo before adaptation: where the hand is, and which one. No label enters."""

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np
from jaxtyping import Float

from dualmod.geometry.crop import joints_box
from dualmod.geometry.windows import window_boxes
from dualmod.inference.predictor import HandEstimates, Predictor


@dataclass(frozen=True)
class LocatedHands:
    """The hand of each photo.

    Attributes:
        boxes_px: Box x0, y0, x1, y1 in pixels of the photo.
        right: Probability of a right hand.
    """

    boxes_px: Float[np.ndarray, "images 4"]
    right: Float[np.ndarray, "images"]


def locate_hands(predictor: Predictor, images: Sequence[np.ndarray]) -> LocatedHands:
    """Each photo's hand: found from the whole photo, then again from a crop about it; the surer of the two stays.

    As many photos as make a batch are in memory at a time.
    """
    count, step = len(images), predictor.batch_size
    parts = [_located(predictor, [images[i] for i in range(k, min(k + step, count))]) for k in range(0, count, step)]
    return LocatedHands(*(np.concatenate([getattr(part, f.name) for part in parts]) for f in fields(LocatedHands)))


def _located(predictor: Predictor, photos: list[np.ndarray]) -> LocatedHands:
    whole = [window_boxes(photo.shape[1::-1], (1.0,), predictor.crop_margin) for photo in photos]
    first = predictor.predict(photos, np.concatenate(whole))
    second = predictor.predict(photos, _boxes(first))
    surer = second.confidence.mean(1) > first.confidence.mean(1)
    boxes_px = np.where(surer[:, None], _boxes(second), _boxes(first))
    return LocatedHands(boxes_px, np.where(surer, second.right_probability, first.right_probability))


def _boxes(estimates: HandEstimates) -> np.ndarray:
    return np.stack([joints_box(joints) for joints in estimates.joints_px])
