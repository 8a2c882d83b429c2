"""Labelled photographs as training data. Only the upper bound learns from them; adaptation has no way here."""

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from dualmod.data.appearance import change_texture
from dualmod.data.augment import AugmentConfig, draw_warp, rgb_tensor
from dualmod.data.image_collections import LabelledImages
from dualmod.geometry.crop import BORDERS, apply_affine, crop_image, uv_from_px
from synth.common.conventions import LEFT, REFERENCE_BONE, ROOT_JOINT, UNKNOWN


@dataclass(frozen=True)
class PhotoBatch:
    """Augmented crops of right hands with the labels that their photos have.

    Attributes:
        rgb: sRGB in [0, 1].
        joints_uv: Joints in units of the crop's side; 0 where not labelled.
        joint_weight: 1 where a joint is labelled and in the crop, else 0.
        joints_depth: Depth behind the root in reference-bone lengths; 0 without 3D labels.
        has_depth: Whether the photo has 3D labels.
        has_side: Whether the photo's label says which hand it is.
    """

    rgb: Float[Tensor, "batch 3 side side"]
    joints_uv: Float[Tensor, "batch 21 2"]
    joint_weight: Float[Tensor, "batch 21"]
    joints_depth: Float[Tensor, "batch 21"]
    has_depth: Bool[Tensor, "batch"]
    has_side: Bool[Tensor, "batch"]

    def to(self, device: torch.device | str) -> "PhotoBatch":
        """The batch on another device (Lightning calls it)."""
        return PhotoBatch(**{f.name: getattr(self, f.name).to(device) for f in fields(self)})


class LabelledBatches:
    """Batch ``step`` of the labelled photos: a pure function of the seed and the step; sets are equally likely."""

    def __init__(
        self,
        sets: Sequence[LabelledImages],
        rows: Sequence[Int[np.ndarray, "chosen"]],
        is_left: Sequence[Bool[np.ndarray, "images"]],
        augment: AugmentConfig,
        *,
        batch_size: int,
        seed: int,
    ) -> None:
        """
        Args:
            sets: Labelled sets.
            rows: Rows of each set to learn from.
            is_left: Whether each photo of each set shows a left hand, by its label or as the start network sees it.
            augment: Geometry and texture of the crops, as for renders.
            batch_size: Photos in a batch.
            seed: Seed of choice and augmentation.
        """
        self.sets, self.rows, self.is_left = sets, rows, is_left
        self.augment, self.batch_size, self.seed = augment, batch_size, seed

    def __call__(self, step: int) -> PhotoBatch:
        """The batch of a step."""
        rng = np.random.default_rng([self.seed, step, 5])
        chosen = rng.integers(len(self.sets), size=self.batch_size)
        hands = [self._hand(int(k), int(rng.choice(self.rows[k])), rng) for k in chosen]
        crops, joints_uv, weight, depth, has_depth, has_side = zip(*hands, strict=True)
        donors = np.roll(np.arange(len(crops)), 1)
        textured = [
            change_texture(crop, crops[donor], self.augment.texture, rng, self.augment.view_strength)
            for crop, donor in zip(crops, donors, strict=True)
        ]
        return PhotoBatch(
            rgb=rgb_tensor(textured),
            joints_uv=_floats(joints_uv),
            joint_weight=_floats(weight),
            joints_depth=_floats(depth),
            has_depth=torch.tensor(has_depth),
            has_side=torch.tensor(has_side),
        )

    def _hand(self, index: int, row: int, rng: np.random.Generator) -> tuple:
        labelled, side = self.sets[index], self.augment.crop_px
        image, seen = labelled.image(row), labelled.visible[row]
        joints_px, box = labelled.joints_px[row], labelled.boxes_px[row].reshape(2, 2)
        if self.is_left[index][row]:
            image = np.ascontiguousarray(image[:, ::-1])
            joints_px, box = _flipped(joints_px, image.shape[1]), _flipped(box, image.shape[1])
        corners = np.array([[x, y] for x in box[:, 0] for y in box[:, 1]])
        A_crop_image = draw_warp(corners, self.augment, rng)
        crop = crop_image(image, A_crop_image, side, BORDERS[int(rng.integers(len(BORDERS)))])
        joints_uv = uv_from_px(apply_affine(A_crop_image, joints_px), side)
        inside = seen & ((joints_uv >= 0) & (joints_uv <= 1)).all(-1)
        depth = _depth_in_bones(labelled.joints_cam[row])
        has_depth = bool(np.isfinite(depth).all())
        has_side = labelled.handedness[row] != UNKNOWN
        return crop, np.where(seen[:, None], joints_uv, 0), inside, np.where(has_depth, depth, 0), has_depth, has_side


def left_hands(labelled: LabelledImages, right_probability: Float[np.ndarray, "images"]) -> Bool[np.ndarray, "images"]:
    """Whether each photo shows a left hand: by its label, and where that is unknown by ``right_probability``."""
    known = np.array([hand != UNKNOWN for hand in labelled.handedness])
    return np.where(known, [hand == LEFT for hand in labelled.handedness], right_probability < 0.5)


def _depth_in_bones(joints_cam: Float[np.ndarray, "21 3"]) -> Float[np.ndarray, "21"]:
    start, end = REFERENCE_BONE
    return (joints_cam[:, 2] - joints_cam[ROOT_JOINT, 2]) / np.linalg.norm(joints_cam[end] - joints_cam[start])


def _flipped(points_px: Float[np.ndarray, "points 2"], width_px: int) -> Float[np.ndarray, "points 2"]:
    return np.stack([width_px - 1 - points_px[:, 0], points_px[:, 1]], 1)


def _floats(rows: Sequence[np.ndarray]) -> Tensor:
    return torch.from_numpy(np.stack(rows).astype(np.float32))
