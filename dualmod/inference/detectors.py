"""Detectors that need no training of their own: windows, searched by the pose network, and a given box."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice

import numpy as np
from jaxtyping import Float, UInt8

from dualmod.checkpoints.released import detector_file
from dualmod.detection.detector import Detector, HandBox
from dualmod.geometry.crop import joints_box
from dualmod.geometry.windows import window_boxes
from dualmod.inference.box_refinement import MAX_DETECTIONS, MIN_DETECTION_SCORE, RefinedDetector
from dualmod.inference.predictor import Predictor

WINDOW_SHARES = (1.0, 0.6, 0.35)
"""Sides of the windows in longer sides of the photo; neighbours overlap by half."""
LARGE_WINDOW_BONUS = 0.3
"""A hand found in a window of share s competes with its confidence times s to this power: there are many small windows,
and the surest of many is surer by chance. On 60 renders, whole and pasted into photos, 0.15 to 0.5 serve alike."""

GIVEN, DETECTOR, WINDOWS = "given", "detector", "windows"
"""Where a box comes from."""


class SlidingWindowDetector:
    """The one hand of each photo, found by the pose network itself: it looks at a pyramid of windows.

    The surest prediction of each layer is cropped again around its own joints, as adaptation does;
    the surest of all stays. It always finds something: a low score is the sign that there is no hand.
    """

    def __init__(self, predictor: Predictor, shares: Sequence[float] = WINDOW_SHARES) -> None:
        self.predictor, self.shares = predictor, tuple(shares)

    def find(self, images: Sequence[UInt8[np.ndarray, "height width 3"]]) -> list[list[HandBox]]:
        """One hand for each photo; its score is the mean confidence of its joints."""
        return [[self._find_one(image)] for image in images]

    def _find_one(self, image: UInt8[np.ndarray, "height width 3"]) -> HandBox:
        layers = [window_boxes(image.shape[1::-1], (share,), self.predictor.crop_margin) for share in self.shares]
        found = iter(self._looked_at(image, np.concatenate(layers)))
        first = [max(islice(found, len(layer)), key=_score) for layer in layers]
        second = self._looked_at(image, np.stack([hand.box_px for hand in first]))
        bonus = [share**LARGE_WINDOW_BONUS for share in self.shares]
        rated = zip([*first, *second], [*bonus, *bonus], strict=True)
        return max(rated, key=lambda pair: pair[0].score * pair[1])[0]

    def _looked_at(
        self, image: UInt8[np.ndarray, "height width 3"], boxes_px: Float[np.ndarray, "n 4"]
    ) -> list[HandBox]:
        found = self.predictor.predict([image] * len(boxes_px), boxes_px)
        rows = zip(found.joints_px, found.confidence, found.right_probability, strict=True)
        return [HandBox(joints_box(j), float(c.mean()), float(r)) for j, c, r in rows]


@dataclass(frozen=True)
class GivenBox:
    """The box that the user gave, for every photo.

    Attributes:
        box_px: x0, y0, x1, y1 in pixels of the upright photo.
    """

    box_px: tuple[float, float, float, float]

    def find(self, images: Sequence[UInt8[np.ndarray, "height width 3"]]) -> list[list[HandBox]]:
        """The box, where the photo has a pixel of it.

        Raises:
            ValueError: when it lies outside a photo.
        """
        for image in images:
            height, width = image.shape[:2]
            x0, y0, x1, y1 = self.box_px
            if x1 < 0 or y1 < 0 or x0 > width - 1 or y0 > height - 1:
                raise ValueError(
                    f"box={x0:g},{y0:g},{x1:g},{y1:g} lies outside the photo of {width} x {height} px; "
                    f"give x0,y0,x1,y1 in pixels of the upright photo"
                )
        return [[HandBox(np.array(self.box_px, np.float64), 1.0, 0.5)] for _ in images]


def open_detector(
    predictor: Predictor,
    *,
    box_px: tuple[float, float, float, float] | None,
    detector: str,
    device: str,
    most_hands: int = 1,
) -> tuple[Detector, str]:
    """The detector that the options ask for, and its name: ``given``, ``detector`` or ``windows``.

    Args:
        predictor: The pose network that searches in windows.
        box_px: The hand's box where it is given; nothing is searched then.
        detector: A file, ``released``, or ``windows``.
        device: Where a detector runs.
        most_hands: Hands of a photo that are asked for; a detector proposes twice as many, ``MAX_DETECTIONS`` at least.

    Raises:
        FileNotFoundError: when the detector's file is missing.
        ValueError: when it is no detector.
    """
    if box_px is not None:
        return GivenBox(box_px), GIVEN
    if detector != WINDOWS:
        from dualmod.detection.centernet_detector import CenterNetDetector
        from dualmod.detection.decode import DecodeConfig  # only who gives one needs it

        looked_at = DecodeConfig(min_score=MIN_DETECTION_SCORE, max_hands=max(MAX_DETECTIONS, 2 * most_hands))
        finder = CenterNetDetector.load(detector_file(detector), device, config=looked_at)
        return RefinedDetector(finder, predictor), DETECTOR
    return SlidingWindowDetector(predictor), WINDOWS


def _score(hand: HandBox) -> float:
    return hand.score
