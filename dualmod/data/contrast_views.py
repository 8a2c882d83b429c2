"""Views for equivariant contrast: each has its own turn, shift and scale, and says what they were.

A row is two views of one image (PeCLR) or of two images of similar hands (HandCLR). Images are renders, photographs, or
both in one batch.
"""

from dataclasses import dataclass, fields
from typing import Protocol

import numpy as np
import torch
from jaxtyping import Bool, Float, Int, UInt8
from torch import Tensor

from dualmod.data.appearance import change_texture
from dualmod.data.augment import AugmentConfig, rgb_tensor
from dualmod.data.hand_source import Hands
from dualmod.data.image_sets import UnlabelledImages
from dualmod.geometry.crop import BORDERS, apply_affine, box_longer_side, crop_matrix, joints_box, uv_from_px, warp
from dualmod.geometry.windows import window_boxes


@dataclass(frozen=True)
class ContrastView:
    """One view of each row.

    Attributes:
        rgb: sRGB in [0, 1].
        turn_rad: Turn in the image from x to y.
        shift: Where the hand's centre lies from the crop's, in crop sides, after the turn.
        joints_uv: Exact or predicted joints in crop sides; NaN where there are none.
    """

    rgb: Float[Tensor, "batch 3 side side"]
    turn_rad: Float[Tensor, "batch"]
    shift: Float[Tensor, "batch 2"]
    joints_uv: Float[Tensor, "batch 21 2"]

    def __len__(self) -> int:
        return len(self.rgb)

    def __getitem__(self, rows: slice) -> "ContrastView":
        return ContrastView(**{f.name: getattr(self, f.name)[rows] for f in fields(self)})

    def to(self, device: torch.device | str) -> "ContrastView":
        """The views on another device (Lightning calls it)."""
        return ContrastView(**{f.name: getattr(self, f.name).to(device) for f in fields(self)})


@dataclass(frozen=True)
class Picture:
    """An image with its hand: ``box_px`` is x0, y0, x1, y1, ``joints_px`` NaN where nothing is known."""

    rgb: UInt8[np.ndarray, "height width 3"]
    box_px: Float[np.ndarray, "4"]
    joints_px: Float[np.ndarray, "21 2"]


class Pictures(Protocol):
    """Images to contrast."""

    def draw(self, first: int, count: int, seed: int) -> list[int]:
        """Indices at ``count`` places of the endless order, from place ``first``."""
        ...

    def partners(self, indices: list[int]) -> list[int]:
        """The images that are the positives of some images; the same index means another view of the same image."""
        ...

    def pictures(self, indices: list[int]) -> list[Picture]:
        """The images."""
        ...


class RenderedPictures:
    """Renders, with exact joints."""

    def __init__(self, hands: Hands, similar: dict[int, int] | None = None):
        """
        Args:
            hands: The renders.
            similar: Index of each one's partner; None: itself.
        """
        self.hands, self.similar = hands, similar

    def draw(self, first: int, count: int, seed: int) -> list[int]:
        return self.hands.order(range(first, first + count), seed)

    def partners(self, indices: list[int]) -> list[int]:
        return indices if self.similar is None else [self.similar[i] for i in indices]

    def pictures(self, indices: list[int]) -> list[Picture]:
        return [Picture(hand.rgb, joints_box(hand.joints_px), hand.joints_px) for hand in self.hands.rows(indices)]


class PhotoPictures:
    """Photographs without labels: the hand fills the photo, or lies where its joints were predicted."""

    def __init__(
        self,
        images: UnlabelledImages,
        crop_margin: float,
        joints_px: Float[np.ndarray, "images 21 2"] | None = None,
        mirrored: Bool[np.ndarray, "images"] | None = None,
        similar: Int[np.ndarray, "images"] | None = None,
    ):
        """
        Args:
            images: The photographs.
            crop_margin: That of the network which learns: without joints a photo is taken for its crop at test.
            joints_px: Predicted joints in the photo, in the mirrored one where ``mirrored``; None: not known.
            mirrored: Which photos to mirror, so that all show right hands; None: none.
            similar: Index of each photo's partner; None: itself.
        """
        self.images, self.crop_margin = images, crop_margin
        self.joints_px, self.mirrored, self.similar = joints_px, mirrored, similar

    def draw(self, first: int, count: int, seed: int) -> list[int]:
        return np.random.default_rng([seed, first, 5]).integers(len(self.images), size=count).tolist()

    def partners(self, indices: list[int]) -> list[int]:
        return indices if self.similar is None else self.similar[indices].tolist()

    def pictures(self, indices: list[int]) -> list[Picture]:
        return [self._picture(index) for index in indices]

    def _picture(self, index: int) -> Picture:
        photo = self.images[index]
        if self.mirrored is not None and self.mirrored[index]:
            photo = np.ascontiguousarray(photo[:, ::-1])
        if self.joints_px is None:
            return Picture(photo, whole_box(photo, self.crop_margin), np.full((21, 2), np.nan))
        return Picture(photo, joints_box(self.joints_px[index]), self.joints_px[index])


def whole_box(photo: UInt8[np.ndarray, "height width 3"], crop_margin: float) -> Float[np.ndarray, "4"]:
    """The box whose crop, ``crop_margin`` times its side, shows the whole photo."""
    return window_boxes(photo.shape[1::-1], (1.0,), crop_margin)[0]


class ContrastBatches:
    """The two views of step ``k``: a pure function of the seed and the step."""

    def __init__(
        self,
        sources: list[tuple[Pictures, int]],
        augment: AugmentConfig,
        *,
        turn_rad: float,
        shift: float,
        seed: int,
    ):
        """
        Args:
            sources: Where images come from, and rows of a batch from each.
            augment: Side and margins of the crops, and change of texture.
            turn_rad: Largest turn either way.
            shift: Largest shift either way along each axis, in crop sides.
            seed: Seed of order and augmentation.
        """
        self.sources, self.augment, self.seed = sources, augment, seed
        self.turn_rad, self.shift = turn_rad, shift

    def __call__(self, step: int) -> tuple[ContrastView, ContrastView]:
        """The batch of a step; row i of both is a positive pair."""
        rng = np.random.default_rng([self.seed, step, 4])
        firsts: list[Picture] = []
        seconds: list[Picture] = []
        for pictures, count in self.sources:
            indices = pictures.draw(step * count, count, self.seed)
            partners = pictures.partners(indices)
            drawn = pictures.pictures(indices)
            firsts += drawn
            seconds += drawn if partners == indices else pictures.pictures(partners)
        return self._view(firsts, rng), self._view(seconds, rng)

    def _view(self, pictures: list[Picture], rng: np.random.Generator) -> ContrastView:
        crops, turns, shifts, joints = zip(*(self._crop(p, rng) for p in pictures), strict=True)
        donors = np.roll(np.arange(len(crops)), 1)
        strength, texture = self.augment.view_strength, self.augment.texture
        changed = [
            change_texture(crop, crops[d], texture, rng, strength) for crop, d in zip(crops, donors, strict=True)
        ]
        return ContrastView(
            rgb=rgb_tensor(changed),
            turn_rad=torch.tensor(turns, dtype=torch.float32),
            shift=torch.from_numpy(np.stack(shifts).astype(np.float32)),
            joints_uv=torch.from_numpy(np.stack(joints).astype(np.float32)),
        )

    def _crop(self, picture: Picture, rng: np.random.Generator) -> tuple[np.ndarray, float, np.ndarray, np.ndarray]:
        """One warp from the full image, what it did, and where it takes the joints."""
        side = self.augment.crop_px
        turn = float(rng.uniform(-self.turn_rad, self.turn_rad))
        shift = rng.uniform(-self.shift, self.shift, 2)
        margin = self.augment.margin(rng)
        side_px = max(8.0, margin * float(box_longer_side(picture.box_px)))
        A_crop_image = crop_matrix(
            (picture.box_px[:2] + picture.box_px[2:]) / 2, side_px, out_px=side, rotation_rad=turn
        )
        A_crop_image[:, 2] += shift * side
        border = BORDERS[int(rng.integers(len(BORDERS)))]
        joints_uv = uv_from_px(apply_affine(A_crop_image, picture.joints_px), side)
        return warp(picture.rgb, A_crop_image, side, border), turn, shift, joints_uv
