"""Unlabelled photographs as training data: where the hand is, and a weak and a strong view of it.

No label enters here: boxes come from the network that is to be adapted.
"""

from dataclasses import dataclass, fields

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from dualmod.data.augment import AugmentConfig, rgb_tensor
from dualmod.data.crop import crop_matrix, crop_side_px, invert_affine, joints_box, px_from_uv, uv_from_px, warp
from dualmod.data.real import UnlabelledImages
from dualmod.data.texture import change_texture
from dualmod.lift import ASSUMED_FOCAL
from dualmod.predictor import HandEstimates, Predictor


def locate_hands(predictor: Predictor, images: UnlabelledImages) -> Float[np.ndarray, "images 4"]:
    """Box of each photo's hand in pixels: found from the whole photo, then once more from a crop about it; the surer of
    the two stays."""
    photos = [images[i] for i in range(len(images))]
    first = predictor.predict(photos, np.stack([_whole_box(photo, predictor.crop_margin) for photo in photos]))
    second = predictor.predict(photos, _boxes(first))
    surer = second.confidence.mean(1) > first.confidence.mean(1)
    return np.where(surer[:, None], _boxes(second), _boxes(first))


@dataclass(frozen=True)
class TargetBatch:
    """Two views of unlabelled hands.

    Attributes:
        weak: Nearly upright crops in [0, 1], on which pseudo-labels are made.
        strong: The same hands turned, re-cropped and with another texture, on which the student learns.
        A_strong_weak: Takes ``joints_uv`` of the weak view to those of the strong one.
        focal: Focal length in sides of the weak crop, assumed where K is not known.
    """

    weak: Float[Tensor, "batch 3 side side"]
    strong: Float[Tensor, "batch 3 side side"]
    A_strong_weak: Float[Tensor, "batch 2 3"]
    focal: Float[Tensor, "batch"]

    def __len__(self) -> int:
        return len(self.weak)

    def to(self, device: torch.device | str) -> "TargetBatch":
        """The batch on another device (Lightning calls it)."""
        return TargetBatch(**{f.name: getattr(self, f.name).to(device) for f in fields(self)})

    def mirrored(self, rows: Bool[Tensor, "batch"]) -> "TargetBatch":
        """The batch with those ``rows`` mirrored in both views."""
        flip = rows[:, None, None, None]
        # M A M with M: u -> 1 - u on both sides of the map
        linear, shift = self.A_strong_weak[:, :, :2], self.A_strong_weak[:, :, 2]
        sign = linear.new_tensor([-1.0, 1.0])
        moved_linear = linear * sign[:, None] * sign
        moved_shift = (shift + linear[:, :, 0]) * sign + linear.new_tensor([1.0, 0.0])
        moved = torch.cat([moved_linear, moved_shift[:, :, None]], 2)
        return TargetBatch(
            weak=torch.where(flip, self.weak.flip(-1), self.weak),
            strong=torch.where(flip, self.strong.flip(-1), self.strong),
            A_strong_weak=torch.where(rows[:, None, None], moved, self.A_strong_weak),
            focal=self.focal,
        )


class TargetBatches:
    """Batch ``step`` of the unlabelled hands: a pure function of the seed and the step."""

    def __init__(
        self,
        images: UnlabelledImages,
        boxes_px: Float[np.ndarray, "images 4"],
        augment: AugmentConfig,
        *,
        batch_size: int,
        seed: int,
    ):
        self.images, self.boxes_px, self.augment = images, boxes_px, augment
        self.batch_size, self.seed = batch_size, seed

    def __call__(self, step: int) -> TargetBatch:
        """The batch of a step."""
        rng = np.random.default_rng([self.seed, step, 3])
        rows = [self._views(int(i), rng) for i in rng.integers(len(self.images), size=self.batch_size)]
        weak, strong, matrices, focal = zip(*rows, strict=True)
        donors = np.roll(np.arange(len(rows)), 1)
        textured = [
            change_texture(image, strong[donor], self.augment.texture, rng, self.augment.view_strength)
            for image, donor in zip(strong, donors, strict=True)
        ]
        return TargetBatch(
            weak=rgb_tensor(list(weak)),
            strong=rgb_tensor(textured),
            A_strong_weak=torch.from_numpy(np.stack(matrices).astype(np.float32)),
            focal=torch.tensor(focal, dtype=torch.float32),
        )

    def _views(self, index: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray, float]:
        image, box = self.images[index], self.boxes_px[index]
        side = self.augment.crop_px
        weak_side = crop_side_px(box, rng.uniform(1.45, 1.75))
        A_weak_image = _jittered_crop(box, weak_side, 0.03, 0.0, side, rng)
        strong_side = crop_side_px(box, rng.uniform(self.augment.min_margin, self.augment.max_margin))
        turn = self.augment.rotation_rad * rng.standard_normal()
        A_strong_image = _jittered_crop(box, strong_side, self.augment.centre_jitter, turn, side, rng)
        focal = ASSUMED_FOCAL * max(image.shape[:2]) / weak_side
        matrix = _between_uv(A_strong_image, A_weak_image, side)
        return warp(image, A_weak_image, side), warp(image, A_strong_image, side), matrix, focal


def _jittered_crop(
    box: np.ndarray, side_px: float, jitter: float, turn: float, out_px: int, rng: np.random.Generator
) -> np.ndarray:
    centre = (box[:2] + box[2:]) / 2 + jitter * side_px * rng.standard_normal(2)
    return crop_matrix(centre, side_px, out_px=out_px, rotation_rad=turn)


def _between_uv(A_strong_image: np.ndarray, A_weak_image: np.ndarray, side: int) -> np.ndarray:
    """The affine map between the two crops in units of their side, found from where it takes three points."""
    corners_uv = np.array([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
    A_image_weak = invert_affine(A_weak_image)
    image_px = px_from_uv(corners_uv, side) @ A_image_weak[:, :2].T + A_image_weak[:, 2]
    origin, along_u, along_v = uv_from_px(image_px @ A_strong_image[:, :2].T + A_strong_image[:, 2], side)
    return np.stack([along_u - origin, along_v - origin, origin], 1)


def _whole_box(photo: np.ndarray, margin: float) -> np.ndarray:
    """The box whose crop shows the whole photo."""
    height, width = photo.shape[:2]
    half = max(height, width) / (2 * margin)
    centre = np.array([(width - 1) / 2, (height - 1) / 2])
    return np.concatenate([centre - half, centre + half])


def _boxes(estimates: HandEstimates) -> np.ndarray:
    return np.stack([joints_box(joints) for joints in estimates.joints_px])
