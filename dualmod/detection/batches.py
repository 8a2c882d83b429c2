"""Batches of composed scenes: each a pure function of the seed and the step."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from dualmod.data.augment import rgb_tensor
from dualmod.detection.copy_paste_scenes import Composer, Scene
from dualmod.detection.cutouts import Cutout, Cutouts
from dualmod.detection.scene_config import MAX_HANDS, SceneConfig
from dualmod.detection.targets import NONE, SceneHands
from synth.scene.backgrounds.photos import Photos, check_photos, list_photos

HELD_OUT_STREAM = 7


@dataclass(frozen=True)
class SceneBatch:
    """Images and the hands in them.

    Attributes:
        rgb: sRGB in [0, 1].
        hands: Boxes in pixels of these images.
    """

    rgb: Float[Tensor, "batch 3 side side"]
    hands: SceneHands

    def __len__(self) -> int:
        return len(self.rgb)

    def __getitem__(self, rows: slice | Tensor) -> "SceneBatch":
        return SceneBatch(self.rgb[rows], self.hands[rows])

    def to(self, device: torch.device | str) -> "SceneBatch":
        """The batch on another device (Lightning calls it)."""
        return SceneBatch(self.rgb.to(device), self.hands.to(device))


class SceneBatches:
    """The batch of a step."""

    def __init__(self, cutouts: Cutouts, composer: Composer, *, batch_size: int, seed: int):
        self.cutouts, self.composer = cutouts, composer
        self.batch_size, self.seed = batch_size, seed

    def __call__(self, step: int) -> SceneBatch:
        """The scenes of one step; over the steps, samples come in one random order after another."""
        scenes = [self._scene(step * self.batch_size + row) for row in range(self.batch_size)]
        return scene_batch(scenes)

    def _scene(self, number: int) -> Scene:
        # each scene takes from its own few places of the order, whether it needs them all or not
        places = iter(range(number * (MAX_HANDS + 2), (number + 1) * (MAX_HANDS + 2)))
        train = self.cutouts.train

        def draw() -> Cutout:
            place = next(places)
            order = _permutation(self.seed, place // len(train), len(train))
            return self.cutouts[int(train[order[place % len(train)]])]

        return self.composer(draw, np.random.default_rng([self.seed, number, 6]))


def held_out_scenes(cutouts: Cutouts, composer: Composer, count: int) -> SceneBatch:
    """Scenes of samples that training never sees; the same for all seeds."""
    scenes: list[Scene] = []
    for number in range(count):
        rng = np.random.default_rng([number, HELD_OUT_STREAM])
        scenes.append(composer(lambda rng=rng: cutouts[int(rng.choice(cutouts.held_out))], rng))
    return scene_batch(scenes)


def scene_batch(scenes: Sequence[Scene]) -> SceneBatch:
    """Scenes as one batch, padded to ``MAX_HANDS`` hands."""
    count = len(scenes)
    boxes = np.zeros((count, MAX_HANDS, 4), np.float32)
    right = np.full((count, MAX_HANDS), np.nan, np.float32)
    kind = np.full((count, MAX_HANDS), NONE, np.int64)
    for row, scene in enumerate(scenes):
        number = len(scene.kind)
        boxes[row, :number], right[row, :number], kind[row, :number] = scene.boxes_px, scene.right, scene.kind
    hands = SceneHands(torch.from_numpy(boxes), torch.from_numpy(right), torch.from_numpy(kind))
    return SceneBatch(rgb_tensor([scene.rgb for scene in scenes]), hands)


def make_composer(config: SceneConfig, side_px: int, background_dir: str) -> Composer:
    """The composer with the photos of a folder as backgrounds, or painted ones alone when it is empty.

    Raises:
        FileNotFoundError: when the folder is missing or holds no picture.
        ValueError: when one of them cannot be read.
    """
    if not background_dir:
        return Composer(config, side_px)
    files = list_photos(background_dir)
    check_photos(files)
    return Composer(config, side_px, Photos(files))


@lru_cache(maxsize=4)
def _permutation(seed: int, epoch: int, count: int) -> np.ndarray:
    return np.random.default_rng([seed, epoch, 5]).permutation(count)
