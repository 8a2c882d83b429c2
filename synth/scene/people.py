"""People behind the hand: heads with hair and shoulders in clothes, as coarse as they look out of focus."""

import cv2
import numpy as np
from jaxtyping import UInt8

SKIN_SRGB = np.array([[236, 200, 178], [216, 170, 140], [190, 140, 110], [150, 105, 80], [100, 66, 50]], np.float64)
HAIR_SRGB = np.array([[25, 20, 18], [60, 42, 30], [110, 75, 45], [180, 150, 100], [130, 125, 122]], np.float64)


def paint_person(rng: np.random.Generator, image: UInt8[np.ndarray, "side side 3"]) -> None:
    """Draw one person into ``image``: anywhere, often cut off by the border."""
    size_px = len(image)
    head = size_px * rng.uniform(0.12, 0.38)
    centre = np.array([rng.uniform(-0.1, 1.1), rng.uniform(-0.15, 0.75)]) * size_px
    skin = SKIN_SRGB[rng.integers(len(SKIN_SRGB))] * rng.uniform(0.75, 1.1) * (1 + rng.normal(size=3) * 0.03)
    hair = HAIR_SRGB[rng.integers(len(HAIR_SRGB))] * rng.uniform(0.7, 1.2)
    clothes = np.clip(rng.uniform(10, 240) + rng.normal(size=3) * 35, 0, 255)
    turn = rng.normal() * 12
    _ellipse(image, np.add(centre, (0, 2.55 * head)), (2.1 * head, 1.6 * head), turn / 3, clothes)
    _ellipse(image, np.add(centre, (0, 1.05 * head)), (0.42 * head, 0.5 * head), 0, 0.85 * skin)
    _ellipse(image, np.subtract(centre, (0, 0.12 * head)), (0.84 * head, rng.uniform(0.98, 1.35) * head), turn, hair)
    _ellipse(image, np.add(centre, (0, 0.12 * head)), (0.68 * head, 0.9 * head), turn, skin)
    _paint_face(rng, image, centre, head, skin, hair)
    _shade(rng, image, centre, head)


def _paint_face(
    rng: np.random.Generator, image: np.ndarray, centre: np.ndarray, head: float, skin: np.ndarray, hair: np.ndarray
) -> None:
    shift = rng.normal() * 0.1 * head
    for side in (-1, 1):
        eye = np.add(centre, (shift + side * 0.28 * head, 0))
        _ellipse(image, eye, (0.12 * head, 0.06 * head), 0, 0.3 * skin)
        _ellipse(image, np.subtract(eye, (0, 0.16 * head)), (0.17 * head, 0.04 * head), 4 * side, 0.6 * hair)
    _ellipse(image, np.add(centre, (shift, 0.3 * head)), (0.1 * head, 0.16 * head), 0, 0.86 * skin)
    _ellipse(image, np.add(centre, (shift, 0.58 * head)), (0.22 * head, 0.06 * head), 0, skin * [0.8, 0.5, 0.5])


def _shade(rng: np.random.Generator, image: np.ndarray, centre: np.ndarray, head: float) -> None:
    """Darken one side softly, so that the person is no flat cut-out."""
    grid = np.linspace(0, len(image), 32, dtype=np.float32)
    turn = rng.uniform(0, 2 * np.pi)
    across = ((grid[None] - centre[0]) * np.cos(turn) + (grid[:, None] - centre[1]) * np.sin(turn)) / head
    factor = 1 - rng.uniform(0.05, 0.4) / (1 + np.exp(-2 * across))
    factor = cv2.resize(factor.astype(np.float32), image.shape[1::-1], interpolation=cv2.INTER_LINEAR)
    cv2.multiply(image, cv2.merge([factor] * 3), image, dtype=cv2.CV_8U)


def _ellipse(
    image: np.ndarray, centre: np.ndarray, axes: tuple[float, float], turn_deg: float, colour: np.ndarray
) -> None:
    rgb = np.clip(colour, 0, 255).tolist()
    place, extent = (int(centre[0]), int(centre[1])), (max(1, int(axes[0])), max(1, int(axes[1])))
    cv2.ellipse(image, place, extent, float(turn_deg), 0, 360, rgb, -1, cv2.LINE_AA)
