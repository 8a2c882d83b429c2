"""A photograph as a user hands it over: refused in plain words, or read and brought to a size to work with."""

import warnings
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from jaxtyping import Float, UInt8

from dualmod.data.images import read_image, shrunk
from synth.optional import import_optional, install_extra

MAX_SIDE_PX = 2048
"""Longer side that the networks crop from: a hand of a tenth of it still fills their input."""
MAX_PIXELS = 150_000_000
"""Decoded, that many take half a gigabyte; no phone's photo has more."""
LEAST_SIDE_PX = 16


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
    """A file that a browser sent, turned as its EXIF says; grey, 16-bit and transparent images are converted.

    Raises:
        ValueError: in words for a page, when it is no image, is cut short, is too large or too small.
    """
    if _too_many_pixels(path):
        raise ValueError(
            f"This image has more than {MAX_PIXELS / 1e6:.0f} million pixels. Shrink it first, or cut the hand out: "
            f"the network sees a small crop in any case."
        )
    try:
        image = read_image(path)
    except (ValueError, cv2.error) as error:
        raise ValueError(
            "This file cannot be read as an image. Give a JPEG, PNG or WebP file that other programs open."
        ) from error
    height, width = image.shape[:2]
    if min(height, width) < LEAST_SIDE_PX:
        raise ValueError(
            f"This image is {width} x {height} px; a hand cannot be made out in less than {LEAST_SIDE_PX} px a side."
        )
    small = shrunk(image, MAX_SIDE_PX)
    if min(small.shape[:2]) < LEAST_SIDE_PX:
        raise ValueError(f"This image is {width} x {height} px, far too narrow for a hand; cut the hand out of it.")
    return Photo(small, width, height)


def _too_many_pixels(path: str | Path) -> bool:
    """Whether a file's header announces more than ``MAX_PIXELS``, without decoding any; False when nothing is told."""
    pillow = import_optional("PIL.Image", wanted_by="handbridge demo", mend=install_extra("demo"))
    try:
        with warnings.catch_warnings(action="ignore"), pillow.open(path) as opened:
            return opened.width * opened.height > MAX_PIXELS
    except pillow.DecompressionBombError:  # its own limit, above ours, is met while it opens the file
        return True
    except (OSError, ValueError, SyntaxError):
        return False
