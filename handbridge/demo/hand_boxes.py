"""Where the hands of a whole photograph are: the page's one seam to whatever finds them, and the user's own box."""

import re
from collections.abc import Callable
from dataclasses import replace

import numpy as np
from jaxtyping import Float, UInt8

from dualmod.detection.detector import Detector, HandBox
from dualmod.inference.predictor import Predictor

LEAST_BOX_PX = 4
MOST_HANDS = 4
NUMBER = r"[-+]?\d+(?:\.\d+)?"


HandsOf = Callable[[UInt8[np.ndarray, "height width 3"]], list[HandBox]]
"""Finds the hands of an RGB photo, surest first; an empty list where there is none."""


def sure_hands(predictor: Predictor, detector: Detector) -> HandsOf:
    """The hands of a detector; the score of each is the mean confidence of its joints."""

    def hands_of(image: np.ndarray) -> list[HandBox]:
        found = detector.find([image])[0][:MOST_HANDS]
        if not found:
            return []
        seen = predictor.predict([image] * len(found), np.stack([hand.box_px for hand in found]))
        scored = [replace(h, score=float(c.mean())) for h, c in zip(found, seen.confidence, strict=True)]
        return sorted(scored, key=lambda hand: -hand.score)

    return hands_of


def box_from_text(text: str, width: int, height: int) -> Float[np.ndarray, "4"] | None:
    """The box that a user typed or clicked, x0, y0, x1, y1 in pixels; None for an empty text.

    Corners may come in any order and with any separator.

    Raises:
        ValueError: when it is not four numbers, or hardly any of the box lies in the photo.
    """
    if not text.strip():
        return None
    found = re.findall(NUMBER, text)
    if len(found) != 4 or re.sub(NUMBER, "", text).strip(" ,;[]()\t\n"):
        raise ValueError(f"The box “{text.strip()}” is not four numbers: write x0, y0, x1, y1 in pixels of the photo.")
    x0, y0, x1, y1 = (float(number) for number in found)
    box = np.array([min(x0, x1), min(y0, y1), max(x0, x1), max(y0, y1)])
    inside = np.minimum(box[2:], (width, height)) - np.maximum(box[:2], 0)
    if (inside < LEAST_BOX_PX).any():
        raise ValueError(
            f"The box {_shown(box)} holds less than {LEAST_BOX_PX} x {LEAST_BOX_PX} pixels of the photo, "
            f"which has {width} x {height}: x goes from 0 to {width - 1}, y from 0 to {height - 1}."
        )
    return box


def box_text(first: tuple[float, float], second: tuple[float, float]) -> str:
    """Two opposite corners as ``box_from_text`` reads them."""
    (x0, y0), (x1, y1) = first, second
    return _shown(np.array([min(x0, x1), min(y0, y1), max(x0, x1), max(y0, y1)]))


def _shown(box: np.ndarray) -> str:
    return ", ".join(f"{value:.0f}" for value in box)
