"""Augmentation of renders: one view of each sample, or a pair under one geometric change, each with its own texture.

A view pair is (x, T(x)) or (G(x), T(G(x))) of Lin et al. 2023: geometry is shared, so that the labels of both views are
the same and contrastive learning never makes the features blind to the pose. Crop and geometric change are one warp
from the full image, with a jittered centre: static crop centres and black corners are shortcuts for a network.
"""

from dataclasses import dataclass, replace

import cv2
import numpy as np
import torch
from jaxtyping import Float, UInt8, UInt16
from torch import Tensor

from dualmod.data.appearance import TextureConfig, change_texture
from dualmod.data.batch import CLOSENESS_RANGE, HandBatch
from dualmod.data.depth_sensor import sense_closeness
from dualmod.geometry.crop import (
    BORDERS,
    apply_affine,
    box_crop_matrix,
    box_longer_side,
    crop_matrix,
    joints_box,
    uv_from_px,
    warp,
)
from synth.common.config import check, option
from synth.sensor import DEPTH_SENSORS

CLOSENESS_STEPS = 65535
"""Closeness 1 in the 16-bit images that are kept in memory."""


@dataclass(frozen=True)
class LabelledHand:
    """A right hand in its full image, ready to be warped.

    Attributes:
        rgb: sRGB.
        closeness: Closeness of the hand in steps of 1 / ``CLOSENESS_STEPS``; 0 elsewhere.
        mask: 255 on the hand, else 0.
        joints_px: Joints in pixels.
        joints_depth: Depth behind the root in reference-bone lengths.
        bone_m: Length of the reference bone in metres; NaN where it is not known.
    """

    rgb: UInt8[np.ndarray, "height width 3"]
    closeness: UInt16[np.ndarray, "height width"]
    mask: UInt8[np.ndarray, "height width"]
    joints_px: Float[np.ndarray, "21 2"]
    joints_depth: Float[np.ndarray, "21"]
    bone_m: float = float("nan")


@dataclass
class AugmentConfig:
    """Geometry, texture and depth noise of the training views."""

    crop_px: int = option(96, "side of the network's input, pixels; always the network's own")
    crop_margin: float = option(1.3, "side of the crop at test over that of the joints' box; always the network's own")
    geometric_share: float = option(0.85, "share of samples that are turned and stretched")
    rotation_rad: float = option(0.35, "standard deviation of the turn in the image, radians")
    any_rotation: float = option(0.05, "share of the turned samples whose turn is uniform over the circle")
    min_scale: float = option(0.85, "smallest side of the crop over that at test")
    max_scale: float = option(1.23, "largest one")
    centre_jitter: float = option(0.08, "standard deviation of the crop's centre, in longer box sides")
    stretch: float = option(0.06, "standard deviation of the log of width over height")
    view_strength: float = option(0.25, "strength of the texture change of the first view, 0 to 1")
    view_plus_strength: float = option(0.25, "strength of the texture change of the second view, 0 to 1")
    depth_jitter_bones: float = option(0.1, "standard deviation of the root's depth, reference-bone lengths")
    depth_noise_bones: float = option(0.03, "largest standard deviation of the depth noise, reference bones")
    depth_dropout: float = option(0.3, "probability of rectangles without depth")
    depth_sensor: str = option("ideal", f"depth camera of the second view: {', '.join(DEPTH_SENSORS)}")
    depth_smooth: float = option(0.5, "probability of a depth map at a quarter of the side, as the network predicts")
    texture: TextureConfig = option(TextureConfig(), "change of texture")

    def __post_init__(self) -> None:
        check(16 <= self.crop_px <= 1024, "augment.crop_px", self.crop_px, "16 to 1024 pixels")
        scales_legal = 0.3 <= self.min_scale <= self.max_scale <= 5
        check(scales_legal, "augment.min_scale", self.min_scale, "0.3 or more, and at most max_scale <= 5")
        for key in ("geometric_share", "any_rotation", "view_strength", "view_plus_strength"):
            check(0 <= getattr(self, key) <= 1, f"augment.{key}", getattr(self, key), "0 to 1")
        known = self.depth_sensor in DEPTH_SENSORS
        check(known, "augment.depth_sensor", self.depth_sensor, f"one of {', '.join(DEPTH_SENSORS)}")
        for key in ("depth_dropout", "depth_smooth"):
            check(0 <= getattr(self, key) <= 1, f"augment.{key}", getattr(self, key), "0 to 1")

    def for_network(self, crop_px: int, crop_margin: float) -> "AugmentConfig":
        """The same for the input of a network: side in pixels, and margin of the crop at test."""
        return replace(self, crop_px=crop_px, crop_margin=crop_margin)

    def margin(self, rng: np.random.Generator) -> float:
        """A random side of the crop over the longer side of the joints' box."""
        return self.crop_margin * float(rng.uniform(self.min_scale, self.max_scale))


def augment_pair(
    hands: list[LabelledHand], config: AugmentConfig, rng: np.random.Generator
) -> tuple[HandBatch, HandBatch]:
    """Two views with the same geometry and labels.

    Args:
        hands: One sample for each row.
        config: What may happen.
        rng: Source of all that is random.

    Returns:
        ``view``, which senses the exact depth, and ``view_plus`` with other texture, which senses depth as a camera or
        a network would give it (offset, noise, smoothing, holes).
    """
    warped = [_warp_hand(hand, config, rng) for hand in hands]
    first, second = (_textured(warped, config, rng, s) for s in (config.view_strength, config.view_plus_strength))
    view = assemble([(image, *row[1:]) for image, row in zip(first, warped, strict=True)])
    noisy = np.stack([disturb_depth(row, config, rng) for row in view.depth.numpy()[:, 0]])[:, None]
    return view, replace(view, rgb=rgb_tensor(second), sensed=torch.from_numpy(noisy))


def augment_single(
    hands: list[LabelledHand], config: AugmentConfig, rng: np.random.Generator, *, senses_depth: bool
) -> HandBatch:
    """One view of each sample, with the texture change of a pair's first view.

    Args:
        hands: One sample for each row.
        config: What may happen.
        rng: Source of all that is random.
        senses_depth: Whether half of the rows sense depth with the faults of a pair's second view; else all sense it
            exactly, which costs nothing.
    """
    warped = [_warp_hand(hand, config, rng) for hand in hands]
    rgb = _textured(warped, config, rng, config.view_strength)
    view = assemble([(image, *row[1:]) for image, row in zip(rgb, warped, strict=True)])
    if not senses_depth:
        return view
    sensed = [disturb_depth(row, config, rng) if rng.random() < 0.5 else row for row in view.depth.numpy()[:, 0]]
    return replace(view, sensed=torch.from_numpy(np.stack(sensed)[:, None]))


def plain_crops(hands: list[LabelledHand], crop_px: int, margin: float) -> HandBatch:
    """Upright crops about the joints' box without augmentation, as at test."""
    rows = []
    for hand in hands:
        A_crop_image = box_crop_matrix(joints_box(hand.joints_px), margin, crop_px)
        rows.append(_apply_warp(hand, A_crop_image, crop_px, "black"))
    return assemble(rows)


def draw_warp(
    joints_px: Float[np.ndarray, "21 2"], config: AugmentConfig, rng: np.random.Generator
) -> Float[np.ndarray, "2 3"]:
    """A random ``A_crop_image``; the margin is measured on the box of the turned joints, as a detector would see it."""
    turn, stretch = 0.0, 1.0
    if rng.random() < config.geometric_share:
        anywhere = rng.random() < config.any_rotation
        turn = rng.uniform(-np.pi, np.pi) if anywhere else config.rotation_rad * rng.standard_normal()
        stretch = float(np.exp(config.stretch * rng.standard_normal()))
    upright = crop_matrix(np.zeros(2), 1.0, out_px=1, rotation_rad=turn)
    box = joints_box(apply_affine(upright, joints_px))
    longer = max(1.0, float(box_longer_side(box)))
    centre = (box[:2] + box[2:]) / 2 + config.centre_jitter * longer * rng.standard_normal(2)
    centre_px = upright[:, :2].T @ (centre - upright[:, 2])
    side_px = longer * config.margin(rng)
    return crop_matrix(centre_px, side_px, out_px=config.crop_px, rotation_rad=turn, stretch=stretch)


def disturb_depth(
    closeness: Float[np.ndarray, "side side"], config: AugmentConfig, rng: np.random.Generator
) -> Float[np.ndarray, "side side"]:
    """Depth as an input that is not exact: a camera's faults, shifted root, noise, a coarse map, holes."""
    side = closeness.shape[0]
    if config.depth_sensor != "ideal":
        closeness = sense_closeness(closeness, config.depth_sensor, rng)
    jitter, noise = config.depth_jitter_bones * rng.standard_normal(), rng.uniform(0, config.depth_noise_bones)
    field = rng.standard_normal((side // 2, side // 2), dtype=np.float32) * noise + jitter
    field = cv2.resize(field, (side, side), interpolation=cv2.INTER_NEAREST) / CLOSENESS_RANGE
    result = np.where(closeness > 0, np.clip(closeness + field, 0.02, 1), 0).astype(np.float32)
    if rng.random() < config.depth_smooth:
        coarse = cv2.resize(result, (side // 4, side // 4), interpolation=cv2.INTER_AREA)
        result = cv2.resize(coarse, (side, side), interpolation=cv2.INTER_LINEAR)
    if rng.random() < config.depth_dropout:
        for _ in range(int(rng.integers(1, 4))):
            (left, top), (width, height) = rng.integers(0, side, 2), rng.integers(2, max(3, side // 4), 2)
            result[top : top + height, left : left + width] = 0
    return result


WarpedHand = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray]
"""RGB, closeness, mask, joints in crop units, joint depths."""


def assemble(rows: list[WarpedHand]) -> HandBatch:
    """The batch of warped hands, which sense their exact depth."""
    rgb, near, mask, uv, behind = (list(column) for column in zip(*rows, strict=True))
    joints_uv = np.stack(uv).astype(np.float32)
    inside = ((joints_uv >= 0) & (joints_uv <= 1)).all(-1)
    depth = torch.from_numpy(np.stack(near)[:, None].astype(np.float32) * np.float32(1 / CLOSENESS_STEPS))
    return HandBatch(
        rgb=rgb_tensor(rgb),
        depth=depth,
        mask=torch.from_numpy(np.stack(mask)[:, None].astype(np.float32) * np.float32(1 / 255)),
        joints_uv=torch.from_numpy(joints_uv),
        joints_depth=torch.from_numpy(np.stack(behind).astype(np.float32)),
        joint_weight=torch.from_numpy(inside.astype(np.float32)),
        sensed=depth,
    )


def rgb_tensor(images: list[UInt8[np.ndarray, "side side 3"]]) -> Float[Tensor, "batch 3 side side"]:
    """Crops as the network takes them: channels first, 0 to 1."""
    channels_first = torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2)
    return channels_first.contiguous().float().mul_(1 / 255)


def _textured(
    warped: list[WarpedHand], config: AugmentConfig, rng: np.random.Generator, strength: float
) -> list[UInt8[np.ndarray, "side side 3"]]:
    """The images under a change of texture; each may take that of another row."""
    rgb = [row[0] for row in warped]
    donors = np.roll(np.arange(len(rgb)), int(rng.integers(1, max(2, len(rgb)))))
    return [
        change_texture(image, rgb[donor], config.texture, rng, strength)
        for image, donor in zip(rgb, donors, strict=True)
    ]


def _warp_hand(hand: LabelledHand, config: AugmentConfig, rng: np.random.Generator) -> WarpedHand:
    A_crop_image = draw_warp(hand.joints_px, config, rng)
    return _apply_warp(hand, A_crop_image, config.crop_px, BORDERS[int(rng.integers(len(BORDERS)))])


def _apply_warp(hand: LabelledHand, A_crop_image: Float[np.ndarray, "2 3"], crop_px: int, border: str) -> WarpedHand:
    return (
        warp(hand.rgb, A_crop_image, crop_px, border),
        warp(hand.closeness, A_crop_image, crop_px),
        warp(hand.mask, A_crop_image, crop_px),
        uv_from_px(apply_affine(A_crop_image, hand.joints_px), crop_px),
        hand.joints_depth,
    )
