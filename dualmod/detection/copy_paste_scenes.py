"""Wide scenes with no, one or several hands, pasted together from renders and backgrounds while training.

Each is a pure function of the generator that it is drawn from: hands small and large, left and right, some hidden in
part or cut off, arms without hands, and people and pictures without any as hard negatives.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, UInt8

from dualmod.data.appearance import change_colours, change_texture
from dualmod.detection.compositing import Layer, Placing, blend, placed
from dualmod.detection.cutouts import Cutout
from dualmod.detection.scene_config import MAX_HANDS, SceneConfig
from dualmod.detection.targets import HAND, IGNORED
from synth.scene.backgrounds.people import paint_person
from synth.scene.backgrounds.photos import Photos
from synth.scene.backgrounds.procedural import PAINTERS, SHARES

TRIES = 8
"""Places that are tried for a hand before it is left out."""
LEAST_REGION = 0.5
"""Shorter side over longer side of the photo in its square."""


@dataclass(frozen=True)
class Scene:
    """One image with its hands.

    Attributes:
        rgb: sRGB.
        boxes_px: Box of each hand's joints, as far as it lies in the photo.
        right: 1 for a right hand, 0 for a left one.
        kind: ``HAND`` or ``IGNORED``.
    """

    rgb: UInt8[np.ndarray, "side side 3"]
    boxes_px: Float[np.ndarray, "hands 4"]
    right: Float[np.ndarray, "hands"]
    kind: np.ndarray


class Composer:
    """Draws one scene after another."""

    def __init__(self, config: SceneConfig, side_px: int, photos: Photos | None = None):
        self.config, self.side_px, self.photos = config, side_px, photos

    def __call__(self, draw_cutout: Callable[[], Cutout], rng: np.random.Generator) -> Scene:
        """One scene.

        Args:
            draw_cutout: Gives the next hand to paste.
            rng: Source of all else that is random.
        """
        config, side = self.config, self.side_px
        shares = np.array(config.hands) / sum(config.hands)
        count = int(rng.choice(MAX_HANDS + 1, p=shares))
        layers: list[Layer] = []
        region = self._region(rng)
        first = draw_cutout() if count and rng.random() < config.whole_share else None
        if first is not None and first.is_alone:
            image, region, layer = self._whole(first, rng)
            layers.append(layer)
        else:
            image = self._background(rng)
        start = len(layers)
        while len(layers) < count:
            layer = self._pasted(draw_cutout(), region, [layer.box_px for layer in layers], rng)
            if layer is None:
                break
            layers.append(layer)
        owner = np.zeros((side, side), np.uint8)
        for number, layer in enumerate(layers[:start], 1):
            owner[layer.hand > 127] = number
        if rng.random() < config.arm_only_share:
            image = self._arm(draw_cutout(), image, region, [layer.box_px for layer in layers], rng)
        # what is far is pasted first, so that what is near hides it
        for number in sorted(range(start, len(layers)), key=lambda k: -layers[k].depth_m):
            image = blend(image, layers[number])
            owner[layers[number].cover > 127] = 0
            owner[(layers[number].hand > 127) & (layers[number].cover > 127)] = number + 1
        image = self._finished(image, region, rng)
        return self._labelled(image, layers, owner, region)

    def _region(self, rng: np.random.Generator) -> np.ndarray:
        """Rows and columns of the square that the photo fills: top, bottom, left, right."""
        side, region = self.side_px, np.array([0, self.side_px, 0, self.side_px])
        if rng.random() >= self.config.letterbox_share:
            return region
        length = round(side * rng.uniform(LEAST_REGION, 1))
        # photos are fitted into the middle; crops beyond a photo's edge have their bars anywhere
        start = (side - length) // 2 if rng.random() < 0.6 else int(rng.integers(side - length + 1))
        along = 2 * int(rng.integers(2))
        region[along : along + 2] = start, start + length
        return region

    def _background(self, rng: np.random.Generator) -> np.ndarray:
        side = self.side_px
        if self.photos is not None and rng.random() < self.config.photo_share:
            image = self.photos.sample(rng, side)
        else:
            image = PAINTERS[str(rng.choice(list(PAINTERS), p=SHARES))](rng, side)
        if rng.random() < self.config.person_share:
            image = image.copy()
            paint_person(rng, image)
        return image

    def _whole(self, cutout: Cutout, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, Layer]:
        """A render that fills as much of the scene as its size allows, and the part of the scene that it fills."""
        config, side = self.config, self.side_px
        share = _log_uniform(rng, config.min_whole_box, max(config.min_whole_box, config.max_box))
        scale = share * side / _longer_side(cutout)
        placing = Placing(side * rng.uniform(0.35, 0.65, 2), scale, 0.0, bool(rng.random() < 0.5))
        layer = placed(cutout, placing, side)
        plain = np.full_like(cutout.hand, 255)
        everything = Cutout(**{**vars(cutout), "front": plain, "arm": np.zeros_like(plain)})
        picture = placed(everything, placing, side)
        rows, columns = (np.flatnonzero((picture.cover > 250).any(axis)) for axis in (1, 0))
        if not (len(rows) and len(columns)):
            return np.zeros((side, side, 3), np.uint8), np.zeros(4, int), layer
        return picture.rgb, np.array([rows[0], rows[-1] + 1, columns[0], columns[-1] + 1]), layer

    def _pasted(
        self, cutout: Cutout, region: np.ndarray, others: list[np.ndarray], rng: np.random.Generator
    ) -> Layer | None:
        """The hand at a free place; None when there was none."""
        for _ in range(TRIES):
            placing = self._placing(cutout, region, rng)
            half = placing.scale * _longer_side(cutout) / 2
            about = np.concatenate([placing.centre_px - half, placing.centre_px + half])
            if all(_overlap(about, other) <= self.config.max_overlap for other in others):
                return self._lit(placed(cutout, placing, self.side_px), rng)
        return None

    def _placing(self, cutout: Cutout, region: np.ndarray, rng: np.random.Generator) -> Placing:
        config = self.config
        share = _log_uniform(rng, config.min_box, config.max_box)
        scale = share * self.side_px / _longer_side(cutout)
        any_turn = rng.random() < config.any_turn_share
        turn = rng.uniform(-math.pi, math.pi) if any_turn else config.turn_rad * rng.standard_normal()
        # at most about a quarter of the box lies beyond the photo's border
        low, high = region[[2, 0]].astype(float), region[[3, 1]].astype(float)
        room = 0.25 * share * self.side_px
        ends = np.sort([low + room, high - room], 0)  # they cross where the hand is larger than the photo
        centre = rng.uniform(*ends)
        return Placing(centre, scale, turn, bool(rng.random() < 0.5))

    def _arm(
        self, cutout: Cutout, image: np.ndarray, region: np.ndarray, boxes: list[np.ndarray], rng: np.random.Generator
    ) -> np.ndarray:
        """An arm without its hand, unless it would come to lie over a hand."""
        layer = self._lit(placed(cutout, self._placing(cutout, region, rng), self.side_px, arm_only=True), rng)
        for x0, y0, x1, y1 in np.clip(boxes, 0, self.side_px).astype(int) if boxes else []:
            if layer.cover[y0 : y1 + 1, x0 : x1 + 1].any():
                return image
        return blend(image, layer)

    def _lit(self, layer: Layer, rng: np.random.Generator) -> Layer:
        """In another light than that of its render."""
        rgb = change_colours(layer.rgb, self.config.texture, rng, self.config.strength)
        return Layer(**{**vars(layer), "rgb": rgb})

    def _finished(self, image: np.ndarray, region: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """As a camera sees the scene, in its letterbox."""
        image = change_texture(image, image, self.config.texture, rng, self.config.strength)
        top, bottom, left, right = region
        framed = np.zeros_like(image)
        framed[top:bottom, left:right] = image[top:bottom, left:right]
        return framed

    def _labelled(self, image: np.ndarray, layers: list[Layer], owner: np.ndarray, region: np.ndarray) -> Scene:
        top, bottom, left, right = region
        inside = owner[top:bottom, left:right]
        low, high = np.array([left, top, left, top]) - 0.5, np.array([right, bottom, right, bottom]) - 0.5
        boxes, sides, kinds = [], [], []
        for number, layer in enumerate(layers, 1):
            visible = float((inside == number).sum()) / max(layer.hand_area_px, 1.0)
            boxes.append(np.clip(layer.box_px, low, high))
            sides.append(float(layer.is_right))
            kinds.append(HAND if visible >= self.config.least_visible else IGNORED)
        return Scene(image, np.array(boxes).reshape(-1, 4), np.array(sides), np.array(kinds, np.int64))


def _longer_side(cutout: Cutout) -> float:
    return max(4.0, float(np.ptp(cutout.joints_px, axis=0).max()))


def _log_uniform(rng: np.random.Generator, low: float, high: float) -> float:
    return math.exp(rng.uniform(math.log(low), math.log(high)))


def _overlap(a: np.ndarray, b: np.ndarray) -> float:
    """Area that two boxes share, over that of the smaller one."""
    shared = np.clip(np.minimum(a[2:], b[2:]) - np.maximum(a[:2], b[:2]), 0, None).prod()
    return float(shared / max(min((a[2:] - a[:2]).prod(), (b[2:] - b[:2]).prod()), 1e-6))
