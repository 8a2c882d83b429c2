"""A photograph as a user hands it over: refused in plain words, or read and brought to a size to work with."""

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from jaxtyping import Float, UInt8

from dualmod.data.image_collections import shrunk
from dualmod.inference import image_io

MAX_SIDE_PX = 2048
"""Longer side that the networks crop from: a hand of a tenth of it still fills their input."""


@dataclass(frozen=True)
class Photo:
    """A photograph.

    Attributes:
        image: sRGB, its longer side at most ``MAX_SIDE_PX``.
        width: Width of the file's image in pixels.
        height: Its height.
    """

    image: UInt8[np.ndarray, "height width 3"]
    width: int
    height: int

    def shrink(self, box_px: Float[np.ndarray, "4"]) -> Float[np.ndarray, "4"]:
        """A box in pixels of the file, in pixels of ``image``."""
        scale = np.array([self.image.shape[1] / self.width, self.image.shape[0] / self.height] * 2)
        return (box_px + 0.5) * scale - 0.5

    def size_in_words(self) -> str:
        """The size, and what it was shrunk to."""
        height, width = self.image.shape[:2]
        text = f"{self.width} x {self.height} px"
        return text if (width, height) == (self.width, self.height) else f"{text}, seen at {width} x {height}"


def read_photo(path: str | Path) -> Photo:
    """A file that a browser sent, upright; grey, 16-bit and transparent images are converted.

    Raises:
        ValueError: in words for a page, when it is no image, is cut short, is too large or too small.
    """
    try:
        image = image_io.read_photo(Path(path)).pixels
    except (ValueError, cv2.error) as error:
        reason = str(error).replace(f"image {path}", "the image")  # a page names no file of its server
        raise ValueError(f"This photo is of no use here: {reason}.") from error
    height, width = image.shape[:2]
    small = shrunk(image, MAX_SIDE_PX)
    if min(small.shape[:2]) < image_io.SMALLEST_SIDE_PX:
        raise ValueError(f"This image is {width} x {height} px, far too narrow for a hand; cut the hand out of it.")
    return Photo(small, width, height)
