"""A photo of any size fitted into the network's square, and boxes taken back to it."""

from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Float, UInt8


@dataclass(frozen=True)
class Letterbox:
    """Where a photo lies in the square: in the middle, black beside it.

    Attributes:
        rgb: The square.
        scale: Pixels of the square to a pixel of the photo, along x and y (they differ by rounding to whole pixels).
        corner_px: Column and row of the photo's first pixel in the square.
    """

    rgb: UInt8[np.ndarray, "side side 3"]
    scale: Float[np.ndarray, "2"]
    corner_px: Float[np.ndarray, "2"]

    def to_photo(self, boxes_px: Float[np.ndarray, "boxes 4"]) -> Float[np.ndarray, "boxes 4"]:
        """Boxes in pixels of the square to pixels of the photo."""
        return ((boxes_px.reshape(-1, 2, 2) - self.corner_px + 0.5) / self.scale - 0.5).reshape(-1, 4)

    def from_photo(self, boxes_px: Float[np.ndarray, "boxes 4"]) -> Float[np.ndarray, "boxes 4"]:
        """Boxes in pixels of the photo to pixels of the square."""
        return ((boxes_px.reshape(-1, 2, 2) + 0.5) * self.scale - 0.5 + self.corner_px).reshape(-1, 4)


def letterbox(photo: UInt8[np.ndarray, "height width 3"], side_px: int) -> Letterbox:
    """The photo, reduced without aliasing or enlarged, so that its longer side fills the square.

    Raises:
        ValueError: when it has no pixels, or is no 8-bit RGB image.
    """
    if photo.ndim != 3 or photo.shape[2] != 3 or photo.dtype != np.uint8 or 0 in photo.shape:
        raise ValueError(f"a photo of shape {photo.shape} and type {photo.dtype} is no 8-bit RGB image; convert it")
    lengths = np.array(photo.shape[1::-1])
    size = np.maximum(1, np.rint(lengths * side_px / lengths.max()).astype(int))
    kind = cv2.INTER_AREA if size.max() < lengths.max() else cv2.INTER_LINEAR
    corner = (side_px - size) // 2
    square = np.zeros((side_px, side_px, 3), np.uint8)
    fitted = cv2.resize(np.ascontiguousarray(photo), (int(size[0]), int(size[1])), interpolation=kind)
    square[corner[1] : corner[1] + size[1], corner[0] : corner[0] + size[0]] = fitted
    return Letterbox(square, size / lengths, corner.astype(np.float64))
