"""One cutout laid into an image: scaled without aliasing, turned, mirrored, with soft edges."""

import math
from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Float, UInt8

from dualmod.detection.cutouts import Cutout
from dualmod.geometry.crop import apply_affine, joints_box

EDGE_SIGMA_PX = 0.6
"""Softness of a pasted hand's outline, of about one pixel as in a photo."""


@dataclass(frozen=True)
class Layer:
    """A cutout in the frame of a scene.

    Attributes:
        rgb: sRGB, valid where ``cover`` is not 0.
        cover: Opacity of all that is pasted, 0 to 255.
        hand: 255 on the hand.
        box_px: Box of the joints, which may reach beyond the scene.
        is_right: Whether the scene shows a right hand.
        depth_m: Distance of a hand of this size in the scene.
        hand_area_px: Pixels of the hand, those beyond the scene's border included.
    """

    rgb: UInt8[np.ndarray, "side side 3"]
    cover: UInt8[np.ndarray, "side side"]
    hand: UInt8[np.ndarray, "side side"]
    box_px: Float[np.ndarray, "4"]
    is_right: bool
    depth_m: float
    hand_area_px: float


@dataclass(frozen=True)
class Placing:
    """Where a cutout goes.

    Attributes:
        centre_px: Place of the centre of the joints' box in the scene.
        scale: Pixels of the scene to a pixel of the render.
        turn_rad: Turn, clockwise as seen.
        mirror: Whether it is mirrored first, which makes a left hand of a right one.
    """

    centre_px: Float[np.ndarray, "2"]
    scale: float
    turn_rad: float = 0.0
    mirror: bool = False


def placed(cutout: Cutout, placing: Placing, side_px: int, *, arm_only: bool = False) -> Layer:
    """The cutout as a layer of a scene. An arm that the render's border cuts off goes straight on to the scene's.

    Args:
        cutout: What to paste.
        placing: Where.
        side_px: Side of the scene.
        arm_only: Leave out the hand and what is before it: the layer is no hand then.
    """
    A = scene_matrix(cutout.joints_px, placing)
    rgb, front, arm, hand = (_shrunk(part, placing.scale) for part in _parts(cutout))
    arm[[0, 0, -1, -1], [0, -1, 0, -1]] = 0  # an arm at a corner would go on over a whole quadrant
    A_small = _from_shrunk(A, cutout.hand.shape, front.shape)

    def warp(part: np.ndarray, border: int) -> np.ndarray:
        return cv2.warpAffine(part, A_small, (side_px, side_px), flags=cv2.INTER_LINEAR, borderMode=border)

    arm_cover = warp(arm, cv2.BORDER_REPLICATE)
    cover = arm_cover if arm_only else cv2.max(arm_cover, warp(front, cv2.BORDER_CONSTANT))
    return Layer(
        rgb=warp(rgb, cv2.BORDER_REPLICATE),
        cover=cv2.GaussianBlur(cover, (3, 3), EDGE_SIGMA_PX),
        hand=warp(hand, cv2.BORDER_CONSTANT),
        box_px=joints_box(apply_affine(A, cutout.joints_px)),
        is_right=cutout.is_right != placing.mirror,
        depth_m=cutout.depth_m / placing.scale,
        hand_area_px=float((cutout.hand > 0).sum()) * placing.scale**2,
    )


def scene_matrix(joints_px: Float[np.ndarray, "21 2"], placing: Placing) -> Float[np.ndarray, "2 3"]:
    """``A_scene_render``, which takes the render's pixels to the scene's."""
    cosine, sine = math.cos(placing.turn_rad), math.sin(placing.turn_rad)
    linear = placing.scale * np.array([[cosine, -sine], [sine, cosine]]) @ np.diag([-1.0 if placing.mirror else 1, 1])
    turned = joints_box(joints_px @ linear.T)
    return np.concatenate([linear, (placing.centre_px - (turned[:2] + turned[2:]) / 2)[:, None]], 1)


def blend(scene: UInt8[np.ndarray, "side side 3"], layer: Layer) -> UInt8[np.ndarray, "side side 3"]:
    """The scene with the layer over it."""
    share = layer.cover.astype(np.float32) / 255
    return cv2.blendLinear(np.ascontiguousarray(layer.rgb), np.ascontiguousarray(scene), share, 1 - share)


def _parts(cutout: Cutout) -> tuple[np.ndarray, ...]:
    return cutout.rgb, cutout.front, cutout.arm, cutout.hand


def _shrunk(part: np.ndarray, scale: float) -> np.ndarray:
    """Reduced to what a scale below 1 leaves, averaging over the pixels that fall into one; always a copy."""
    if scale >= 1:
        return part.copy()
    size = tuple(max(2, round(length * scale)) for length in part.shape[1::-1])
    return cv2.resize(part, size, interpolation=cv2.INTER_AREA)


def _from_shrunk(A: np.ndarray, full: tuple[int, ...], small: tuple[int, ...]) -> np.ndarray:
    """The matrix for an image that was reduced from ``full`` to ``small``; outer edges stay where they are."""
    factor = np.array([full[1] / small[1], full[0] / small[0]])
    return np.concatenate([A[:, :2] * factor, (A[:, :2] @ ((factor - 1) / 2) + A[:, 2])[:, None]], 1)
