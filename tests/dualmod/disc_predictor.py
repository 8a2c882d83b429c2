"""A predictor whose hand is a bright disc: quick, and right by construction, for tests of what is around a network."""

import numpy as np
import torch

from dualmod.geometry.crop import crop_side_px
from dualmod.inference.predictor import HandEstimates

BRIGHT = 200
SURE, UNSURE = 0.8, 0.1
ANGLES = np.linspace(0, 2 * np.pi, 21, endpoint=False)
PATTERN = np.stack([np.cos(ANGLES), np.sin(ANGLES)], 1)
"""The joints: 21 points on the disc's edge."""


def disc_image(x: float, y: float, radius: float = 20, size: tuple[int, int] = (160, 120)) -> np.ndarray:
    """A black image with a white disc; ``size`` is width and height."""
    columns, rows = np.meshgrid(np.arange(size[0]), np.arange(size[1]))
    disc = (columns - x) ** 2 + (rows - y) ** 2 <= radius**2
    return np.repeat((disc * 255).astype(np.uint8)[..., None], 3, 2)


class DiscPredictor:
    """Finds the part of the disc that the crop shows; says right in the left half of the image, left in the other."""

    crop_margin = 1.6
    device = torch.device("cpu")

    def __init__(self) -> None:
        self.handedness: list[list[str] | None] = []
        self.boxes: list[np.ndarray] = []

    def predict(self, images, boxes_px, handedness=None) -> HandEstimates:
        self.handedness.append(handedness)
        self.boxes.append(np.asarray(boxes_px))
        found = [self._one(image, box) for image, box in zip(images, boxes_px, strict=True)]
        count = len(found)
        right = np.array([0.9 if joints[:, 0].mean() < image.shape[1] / 2 else 0.1
                          for image, (joints, _) in zip(images, found, strict=True)])  # fmt: skip
        said = handedness or ["unknown"] * count
        return HandEstimates(
            joints_px=np.stack([joints for joints, _ in found]),
            joints_depth=np.tile(np.linspace(0, 1, 21), (count, 1)),
            confidence=np.stack([np.full(21, sure) for _, sure in found]),
            right_probability=right,
            mirrored=np.array([h == "left" or (h == "unknown" and r < 0.5) for h, r in zip(said, right, strict=True)]),
            crops=np.zeros((count, 8, 8, 3), np.uint8),
            masks=np.ones((count, 8, 8)),
            depths=np.zeros((count, 8, 8)),
            crop_sides_px=np.array([crop_side_px(box, self.crop_margin) for box in boxes_px]),
        )

    def _one(self, image: np.ndarray, box: np.ndarray) -> tuple[np.ndarray, float]:
        centre, half = (box[:2] + box[2:]) / 2, crop_side_px(box, self.crop_margin) / 2
        low, high = np.maximum(0, np.ceil(centre - half)).astype(int), np.maximum(0, centre + half + 1).astype(int)
        rows, columns = np.nonzero(image[low[1] : high[1], low[0] : high[0], 0] > BRIGHT)
        if not len(rows):
            return centre + half * PATTERN / self.crop_margin, UNSURE
        middle = np.array([columns.mean() + low[0], rows.mean() + low[1]])
        radius = max(1.0, float(np.sqrt(len(rows) / np.pi)))
        # a hand that fills more of the crop is seen more sharply
        return middle + radius * PATTERN, SURE * min(1.0, 0.5 + radius / half)
