"""People behind the hand: heads with hair and shoulders in clothes, somewhat out of focus.

A person is painted on a layer of its own, shaded and softened, and laid over the background with a soft outline: flat
ellipses with hard edges look cut out of paper.
"""

import cv2
import numpy as np
from jaxtyping import Float32, UInt8

from synth.scene.backgrounds.procedural import smooth_noise

SKIN_SRGB = np.array([[236, 200, 178], [216, 170, 140], [190, 140, 110], [150, 105, 80], [100, 66, 50]], np.float64)
HAIR_SRGB = np.array([[25, 20, 18], [60, 42, 30], [110, 75, 45], [180, 150, 100], [130, 125, 122]], np.float64)
SOFTNESS = (0.03, 0.14)
"""Sigma of the blur, in heads."""
COARSENESS = 2
"""People are painted with so many times fewer pixels: they are out of focus."""
SHADE_PX = 32
"""Light that changes slowly is computed on this grid and enlarged."""


def paint_person(rng: np.random.Generator, image: UInt8[np.ndarray, "side side 3"]) -> None:
    """Draw one person into ``image``: anywhere, often cut off by the border."""
    size_px = len(image) // COARSENESS
    head = size_px * rng.uniform(0.12, 0.38)
    centre = np.array([rng.uniform(-0.1, 1.1), rng.uniform(-0.15, 0.75)]) * size_px
    layer, cover = np.zeros((size_px, size_px, 3), np.uint8), np.zeros((size_px, size_px), np.uint8)
    _Painter(rng, layer, cover, centre, head).paint()
    sigma = head * rng.uniform(*SOFTNESS)
    share = cv2.GaussianBlur(cover, (0, 0), sigma).astype(np.float32)[..., None] / 255
    # blurred with their cover, so that the black around the person does not bleed in
    colour = cv2.GaussianBlur(layer * _light(rng, size_px, centre, head), (0, 0), sigma)
    premultiplied = np.concatenate([np.minimum(colour, 255 * share), share], -1)
    person = cv2.resize(premultiplied, image.shape[1::-1], interpolation=cv2.INTER_LINEAR)
    image[:] = (image * (1 - person[..., 3:]) + person[..., :3]).astype(np.uint8)


class _Painter:
    """Paints the parts of one person, from back to front."""

    def __init__(self, rng: np.random.Generator, layer: np.ndarray, cover: np.ndarray, centre: np.ndarray, head: float):
        self._rng, self._layer, self._cover, self._centre, self._head = rng, layer, cover, centre, head
        self._skin = SKIN_SRGB[rng.integers(len(SKIN_SRGB))] * rng.uniform(0.75, 1.1) * (1 + rng.normal(size=3) * 0.03)
        self._hair = HAIR_SRGB[rng.integers(len(HAIR_SRGB))] * rng.uniform(0.7, 1.2)

    def paint(self) -> None:
        """Clothes, neck, hair and face."""
        rng, skin, hair = self._rng, self._skin, self._hair
        clothes = np.clip(rng.uniform(10, 240) + rng.normal(size=3) * 35, 0, 255)
        turn = rng.normal() * 12
        self._ellipse((0, 6.5), (1.5, 4.8), turn / 3, clothes)
        for side in (-1, 1):
            self._ellipse((1.62 * side, 5.2), (0.45, 3.2), -4 * side, clothes * rng.uniform(0.8, 1.0))
            self._ellipse((0.85 * side, 2.45), (1.15, 0.62), 22 * side, clothes)
        self._ellipse((0, 1.2), (0.4, 0.62), 0, 0.78 * skin)
        self._ellipse((0, 1.75), (0.6, 0.3), 0, 0.85 * clothes)
        self._ellipse((0, -0.12), (0.84, rng.uniform(0.98, 1.35)), turn, hair)
        self._ellipse((0, 0.02), (0.66, 0.82), turn, skin)
        self._ellipse((0, 0.4), (0.54, 0.62), turn, skin)
        if rng.random() < 0.6:
            self._ellipse((rng.normal() * 0.2, -0.62), (0.7, 0.32), turn, hair)
        self._paint_face()

    def _paint_face(self) -> None:
        rng, skin = self._rng, self._skin
        shift, brow = rng.normal() * 0.12, 0.5 * skin + 0.4 * self._hair
        for side in (-1, 1):
            self._ellipse((shift + side * 0.26, 0.0), (0.17, 0.11), 0, 0.82 * skin)
            self._ellipse((shift + side * 0.26, 0.02), (0.1, 0.05), 0, 0.4 * skin)
            self._ellipse((shift + side * 0.27, -0.16), (0.16, 0.035), 4 * side, brow)
        self._ellipse((shift, 0.2), (0.08, 0.24), 0, 1.06 * skin)
        self._ellipse((shift, 0.42), (0.13, 0.06), 0, 0.84 * skin)
        self._ellipse((shift, 0.64), (0.2, 0.06), 0, skin * [0.84, 0.62, 0.62])
        if rng.random() < 0.25:
            self._ellipse((shift, 0.82), (0.42, 0.3), 0, 0.55 * skin + 0.4 * self._hair)

    def _ellipse(self, at: tuple[float, float], axes: tuple[float, float], turn_deg: float, colour: np.ndarray) -> None:
        """One part, its place relative to the head's centre and its half axes in heads."""
        place = np.rint(self._centre + self._head * np.array(at)).astype(int).tolist()
        extent = [max(1, round(self._head * axis)) for axis in axes]
        rgb = np.clip(colour, 0, 255).tolist()
        cv2.ellipse(self._layer, place, extent, float(turn_deg), 0, 360, rgb, -1, cv2.LINE_AA)
        cv2.ellipse(self._cover, place, extent, float(turn_deg), 0, 360, 255, -1, cv2.LINE_AA)


def _light(
    rng: np.random.Generator, size_px: int, centre: np.ndarray, head: float
) -> Float32[np.ndarray, "side side 1"]:
    """A factor on the colours: one side is darker, and folds, locks and cheeks vary a little."""
    grid = np.linspace(0, size_px, SHADE_PX, dtype=np.float32)
    turn = rng.uniform(0, 2 * np.pi)
    across = ((grid[None] - centre[0]) * np.cos(turn) + (grid[:, None] - centre[1]) * np.sin(turn)) / head
    factor = 1 - rng.uniform(0.15, 0.5) / (1 + np.exp(-2.5 * across))
    cells = int(np.clip(3 * size_px / head, 6, SHADE_PX))
    factor = factor * (1 + 0.12 * smooth_noise(rng, SHADE_PX, cells)[..., 0])
    return cv2.resize(factor.astype(np.float32), (size_px, size_px), interpolation=cv2.INTER_CUBIC)[..., None]
