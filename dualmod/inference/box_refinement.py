"""A second look at what a detector found: the box of the joints that the pose network sees there takes its place."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import UInt8
from torchvision.ops import nms

from dualmod.detection.detector import Detector, HandBox
from dualmod.geometry.crop import joints_box
from dualmod.inference.predictor import Predictor

LEAST_FIND = 0.08
"""Score from which on a detector's find is looked at."""
MOST_FINDS = 4
"""Finds of a photo that are looked at when one hand is asked for, the surest ones."""
LOOKS = 2
LEAST_SCORE = 0.02
"""Of a hand, by both networks. Like the numbers above it was chosen on 200 held-out scenes (docs/detector.md)."""
SURE_FIND = 0.3
"""Score of a find that stays whatever the pose network says: a weakly trained one is unsure of everything."""

SAME_HAND_IOU = 0.5
"""Overlap of boxes above which two finds have become the same hand."""


@dataclass(frozen=True)
class SecondLook:
    """The finds of another detector, each in the box of the joints that the pose network sees in it.

    The pose network was trained on crops about the joints' box; a detector's box is coarser. It looks ``LOOKS`` times,
    each time from the joints that it saw before. A score is the find's times the mean confidence of the joints, so that
    what is no hand falls behind; below ``LEAST_SCORE`` it is left out, unless the find was a ``SURE_FIND``.

    Attributes:
        detector: Finds hands; unsure finds are welcome.
        predictor: The pose network.
    """

    detector: Detector
    predictor: Predictor

    def find(self, images: Sequence[UInt8[np.ndarray, "height width 3"]]) -> list[list[HandBox]]:
        """The hands of each photo, surest first; an empty list where there is none."""
        return [self._looked_at(image, hands) for image, hands in zip(images, self.detector.find(images), strict=True)]

    def _looked_at(self, image: UInt8[np.ndarray, "height width 3"], hands: list[HandBox]) -> list[HandBox]:
        if not hands:
            return []
        boxes_px, confidence = np.stack([hand.box_px for hand in hands]), np.ones((len(hands), 1))
        for _ in range(LOOKS):
            seen = self.predictor.predict([image] * len(hands), boxes_px)
            boxes_px, confidence = np.stack([joints_box(joints) for joints in seen.joints_px]), seen.confidence
        looked = [
            HandBox(box_px, hand.score * float(sure), hand.right_probability)
            for hand, box_px, sure in zip(hands, boxes_px, confidence.mean(1), strict=True)
        ]
        sure = [
            new for old, new in zip(hands, looked, strict=True) if new.score >= LEAST_SCORE or old.score >= SURE_FIND
        ]
        sure.sort(key=lambda hand: -hand.score)
        boxes, scores = (torch.tensor(np.array([getattr(h, n) for h in sure])) for n in ("box_px", "score"))
        return [sure[k] for k in nms(boxes.reshape(-1, 4), scores, SAME_HAND_IOU)]
