"""Refine each detection to the box of its predicted joints."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import UInt8
from torchvision.ops import nms

from dualmod.detection.detector import Detector, HandBox
from dualmod.geometry.crop import joints_box
from dualmod.inference.predictor import Predictor

MIN_DETECTION_SCORE = 0.08
"""Least score of a detection that is refined."""
MAX_DETECTIONS = 4
"""Detections of an image that are refined when one hand is asked for, in the order of their scores."""
NUM_REFINEMENTS = 2
MIN_REFINED_SCORE = 0.02
"""Least score of a refined detection: the detector's score times the mean joint confidence. Chosen, as the
numbers above, on 200 held-out scenes (docs/detector.md)."""
CERTAIN_SCORE = 0.3
"""Score of a detection that is kept whatever the pose network says: a weakly trained one is sure of nothing."""

SAME_HAND_IOU = 0.5
"""IoU above which two refined boxes are the same hand (non-maximum suppression)."""


@dataclass(frozen=True)
class RefinedDetector:
    """Refine the boxes of another detector with the pose network.

    The pose network was trained on crops around the box of the joints, and a detector's boxes are coarser. It
    predicts ``NUM_REFINEMENTS`` times, each time in the box of the joints before. A refined score is the detector's
    times the mean confidence of the joints, so that false detections rank behind; below ``MIN_REFINED_SCORE`` a
    detection is dropped, unless its own score was ``CERTAIN_SCORE`` or more.

    Attributes:
        detector: The detector to refine; it may propose uncertain boxes.
        predictor: The pose network.
    """

    detector: Detector
    predictor: Predictor

    def find(self, images: Sequence[UInt8[np.ndarray, "height width 3"]]) -> list[list[HandBox]]:
        """Detect the hands of each image, highest score first.

        Args:
            images: sRGB images of any size.
        """
        return [self._refined(image, hands) for image, hands in zip(images, self.detector.find(images), strict=True)]

    def _refined(self, image: UInt8[np.ndarray, "height width 3"], hands: list[HandBox]) -> list[HandBox]:
        if not hands:
            return []
        boxes_px, confidence = np.stack([hand.box_px for hand in hands]), np.ones((len(hands), 1))
        for _ in range(NUM_REFINEMENTS):
            seen = self.predictor.predict([image] * len(hands), boxes_px)
            boxes_px, confidence = np.stack([joints_box(joints) for joints in seen.joints_px]), seen.confidence
        looked = [
            HandBox(box_px, hand.score * float(sure), hand.right_probability)
            for hand, box_px, sure in zip(hands, boxes_px, confidence.mean(1), strict=True)
        ]
        sure = [
            new
            for old, new in zip(hands, looked, strict=True)
            if new.score >= MIN_REFINED_SCORE or old.score >= CERTAIN_SCORE
        ]
        sure.sort(key=lambda hand: -hand.score)
        boxes, scores = (torch.tensor(np.array([getattr(h, n) for h in sure])) for n in ("box_px", "score"))
        return [sure[k] for k in nms(boxes.reshape(-1, 4), scores, SAME_HAND_IOU)]
