"""Where the hands of a whole photograph are: the page's one seam to whatever finds them, and the user's own box."""

import re
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, UInt8

from distill.locate import locate_hands
from dualmod.predictor import Predictor

LEAST_BOX_PX = 4
NUMBER = r"[-+]?\d+(?:\.\d+)?"


@dataclass(frozen=True)
class FoundHand:
    """One hand of a photograph.

    Attributes:
        box_px: Box of its joints, x0, y0, x1, y1 in pixels of the photo; may reach beyond the photo.
        score: How surely it is a hand, in the finder's own measure.
    """

    box_px: Float[np.ndarray, "4"]
    score: float


HandsOf = Callable[[UInt8[np.ndarray, "height width 3"]], list[FoundHand]]
"""Finds the hands of an RGB photo, surest first; an empty list where there is none."""


def two_looks(predictor: Predictor) -> HandsOf:
    """A finder that needs the pose network alone: it looks at the whole photo, then at what it took for the hand.

    It always finds one hand; its score is the mean confidence of the joints, for the caller to set a least one.
    """

    def hands_of(image: np.ndarray) -> list[FoundHand]:
        boxes_px = locate_hands(predictor, [image]).boxes_px
        return [FoundHand(boxes_px[0], float(predictor.predict([image], boxes_px).confidence.mean()))]

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
