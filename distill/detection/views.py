"""Views of whole unlabelled photos for the detector: plain, smaller, and changed in colour, scale and crop."""

import math
from dataclasses import dataclass, fields

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from distill.targets.photos import PHOTO, TargetPhotos
from dualmod.data.appearance import TextureConfig, change_texture
from dualmod.data.augment import rgb_tensor
from dualmod.detection.letterbox import Letterbox, letterbox
from dualmod.geometry.crop import warp
from synth.common.config import check, option


@dataclass
class PhotoViewsConfig:
    """How the views of a photo differ from the plain one."""

    min_small: float = option(0.6, "scale of the smaller view, on which the teacher has to agree with itself: smallest")
    max_small: float = option(0.85, "largest one")
    min_scale: float = option(0.6, "scale of the strong view, from which the student learns: smallest")
    max_scale: float = option(1.7, "largest one")
    strength: float = option(0.8, "strength of the strong view's change of texture, 0 to 1")
    texture: TextureConfig = option(TextureConfig(cut=0.0), "the strong view's change of texture")

    def __post_init__(self) -> None:
        check(0 < self.min_small <= self.max_small <= 1, "views.min_small", self.min_small, "at most max_small <= 1")
        legal = 0.1 <= self.min_scale <= self.max_scale <= 10
        check(legal, "views.min_scale", self.min_scale, "0.1 or more, and at most max_scale <= 10")
        check(0 <= self.strength <= 1, "views.strength", self.strength, "0 to 1")


@dataclass(frozen=True)
class PhotoViews:
    """Views of a batch of photos, each fitted into the network's square.

    Attributes:
        weak: The whole photo in [0, 1].
        small: The same, smaller and off the middle.
        strong: Another part of it at another scale, perhaps mirrored, with another texture.
        A_small_weak: Takes pixels of ``weak`` to those of ``small``; scale and shift alone.
        A_strong_weak: The same to those of ``strong``; a negative scale along x mirrors.
    """

    weak: Float[Tensor, "batch 3 side side"]
    small: Float[Tensor, "batch 3 side side"]
    strong: Float[Tensor, "batch 3 side side"]
    A_small_weak: Float[Tensor, "batch 2 3"]
    A_strong_weak: Float[Tensor, "batch 2 3"]

    def __len__(self) -> int:
        return len(self.weak)

    def to(self, device: torch.device | str) -> "PhotoViews":
        """The views on another device (Lightning calls it)."""
        return PhotoViews(**{f.name: getattr(self, f.name).to(device) for f in fields(self)})


class PhotoViewBatches:
    """Batch ``step`` of the photos: a pure function of the seed and the step."""

    def __init__(
        self,
        photos: TargetPhotos,
        config: PhotoViewsConfig,
        *,
        side_px: int,
        batch_size: int,
        seed: int,
        balance: str = PHOTO,
    ):
        self.photos, self.config, self.side_px = photos, config, side_px
        self.batch_size, self.seed, self.balance = batch_size, seed, balance

    def __call__(self, step: int) -> PhotoViews:
        """The batch of a step."""
        rng = np.random.default_rng([self.seed, step, 8])
        chosen = self.photos.draw(self.batch_size, self.balance, rng)
        weak, small, strong, to_small, to_strong = zip(*(self._views(int(i), rng) for i in chosen), strict=True)
        return PhotoViews(
            weak=rgb_tensor(list(weak)),
            small=rgb_tensor(list(small)),
            strong=rgb_tensor(list(strong)),
            A_small_weak=torch.from_numpy(np.stack(to_small).astype(np.float32)),
            A_strong_weak=torch.from_numpy(np.stack(to_strong).astype(np.float32)),
        )

    def _views(self, index: int, rng: np.random.Generator) -> tuple[np.ndarray, ...]:
        config, side = self.config, self.side_px
        photo = self.photos.images[index]
        weak = letterbox(photo, side)
        room = 0.5 * side
        scale = rng.uniform(config.min_small, config.max_small)
        A_small_weak = _zoom(scale, room + (1 - scale) * side * rng.uniform(-0.5, 0.5, 2), side)
        scale = math.exp(rng.uniform(math.log(config.min_scale), math.log(config.max_scale)))
        shift = abs(1 - scale) * side * rng.uniform(-0.5, 0.5, 2)
        A_strong_weak = _zoom(scale, room + shift, side, mirror=bool(rng.random() < 0.5))
        small, strong = (warp(photo, _after(A, weak), side) for A in (A_small_weak, A_strong_weak))
        strong = change_texture(strong, strong, config.texture, rng, config.strength)
        return weak.rgb, small, strong, A_small_weak, A_strong_weak


def _zoom(scale: float, centre_px: np.ndarray, side_px: int, mirror: bool = False) -> Float[np.ndarray, "2 3"]:
    """Scales the square, and takes its centre to a place measured from the outer edge."""
    factors = np.array([-scale if mirror else scale, scale])
    return np.column_stack([np.diag(factors), centre_px - 0.5 - factors * (side_px - 1) / 2])


def _after(A_view_weak: np.ndarray, weak: Letterbox) -> Float[np.ndarray, "2 3"]:
    """``A_view_photo``: the photo's pixels to those of its letterbox, and then to the view's."""
    linear = A_view_weak[:, :2] * weak.scale
    start = 0.5 * weak.scale - 0.5 + weak.corner_px
    return np.column_stack([linear, A_view_weak[:, :2] @ start + A_view_weak[:, 2]])
