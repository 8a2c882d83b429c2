"""What finds hands in whole photographs: the protocol that every detector keeps, and the box that it returns."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from jaxtyping import Float, UInt8


@dataclass(frozen=True)
class HandBox:
    """One hand in a photo.

    Attributes:
        box_px: Tight box x0, y0, x1, y1 around the joints in pixels of the photo.
        score: In [0, 1], comparable between boxes of one detector alone.
        right_probability: Probability that the photo shows a right hand; 0.5 where the detector has no opinion.
    """

    box_px: Float[np.ndarray, "4"]
    score: float
    right_probability: float


class Detector(Protocol):
    """Finds the hands of whole photos."""

    def find(self, images: Sequence[UInt8[np.ndarray, "height width 3"]]) -> list[list[HandBox]]:
        """The hands of each photo (sRGB, any size), surest first; an empty list for a photo without one."""
        ...
