"""What finds hands in whole photographs, as everything that predicts takes it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from jaxtyping import Float, UInt8


@dataclass(frozen=True)
class HandBox:
    """One hand found in one photo.

    Attributes:
        box_px: Box of its joints, x0, y0, x1, y1 in pixels of the photo; may reach beyond its border.
        score: How surely it is a hand, 0 to 1.
        right_probability: Probability of a right hand, as the photo shows it.
    """

    box_px: Float[np.ndarray, "4"]
    score: float
    right_probability: float


class Locator(Protocol):
    """Finds the hands in photos."""

    def find(self, images: Sequence[UInt8[np.ndarray, "height width 3"]]) -> list[list[HandBox]]:
        """The hands of each photo, surest first; an empty list where there is none.

        Args:
            images: RGB photos of any size.
        """
        ...
