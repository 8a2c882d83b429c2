"""Parts of depth cameras: geometry that they fail at, and the steps of what they give out. Depth is z in metres, 0 for
nothing there; it never grows a value where it had none, since the rendered background has no depth."""

from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Bool, Float, UInt8

from synth.common.conventions import HAND_PARTS, PART_NAMES
from synth.sensor.noise import noise_window

EDGE_STEP_M = 0.02
"""Neighbouring pixels farther apart than this make an edge."""
SKIN_REFLECTANCE = (0.45, 0.65)
"""Skin in the near infrared, where melanin hardly absorbs; of the order of published spectra."""
THING_REFLECTANCE = (0.1, 0.8)


@dataclass(frozen=True)
class DepthView:
    """What a depth camera looks at.

    Attributes:
        depth_m: True depth, 0 where there is no surface.
        focal_px: Focal length of the image in pixels.
        parts: Part of each pixel (``PART_NAMES``); None when all is skin.
    """

    depth_m: Float[np.ndarray, "height width"]
    focal_px: float
    parts: UInt8[np.ndarray, "height width"] | None = None


def incidence_cosine(view: DepthView) -> Float[np.ndarray, "height width"]:
    """Cosine between the surface's normal and the camera's axis, from the flatter of both neighbours each way.

    A neighbour without a surface has no say, so outlines look as their inside does.
    """
    z = view.depth_m
    squared = np.zeros_like(z)
    for axis in (0, 1):
        step = np.diff(z, axis=axis)
        known = (np.delete(z, -1, axis) > 0) & (np.delete(z, 0, axis) > 0)
        step = np.where(known, np.abs(step), np.float32(np.inf))
        border = np.full_like(np.take(z, [0], axis), np.inf)
        slope = np.minimum(np.concatenate([step, border], axis), np.concatenate([border, step], axis))
        squared += np.where(np.isfinite(slope), slope, 0) ** 2
    scale = np.float32(view.focal_px) / np.maximum(z, np.float32(1e-3))
    return 1 / np.sqrt(1 + scale**2 * squared)


def depth_edges(depth_m: Float[np.ndarray, "height width"]) -> Bool[np.ndarray, "height width"]:
    """Pixels on a surface with a neighbour more than ``EDGE_STEP_M`` nearer or farther, or without a surface."""
    kernel = np.ones((3, 3), np.uint8)
    span = cv2.dilate(depth_m, kernel) - cv2.erode(depth_m, kernel)
    return (depth_m > 0) & (span > EDGE_STEP_M)


def unseen_by_second_eye(view: DepthView, baseline_m: float) -> Bool[np.ndarray, "height width"]:
    """Surface that a projector or camera ``baseline_m`` to the right cannot see: strips at the left of near things.

    A pixel at column x is at x - f b / z for the second eye; it is hidden when a pixel to its right lands at the same
    place or to the left of it.
    """
    z = view.depth_m
    disparity = np.where(z > 0, np.float32(view.focal_px * baseline_m) / np.maximum(z, np.float32(1e-3)), np.float32(0))
    place = np.arange(z.shape[1], dtype=np.float32) - disparity
    leftmost = np.minimum.accumulate(place[:, ::-1], axis=1)[:, ::-1]
    hidden = np.zeros(z.shape, bool)
    hidden[:, :-1] = place[:, :-1] >= leftmost[:, 1:]
    return hidden & (z > 0)


def grazing(rng: np.random.Generator, cosine: np.ndarray, from_deg: float, to_deg: float) -> np.ndarray:
    """Pixels lost because the surface turns away: none up to ``from_deg``, all from ``to_deg`` on."""
    angle = np.degrees(np.arccos(np.clip(cosine, 0, 1)))
    return rng.random(cosine.shape, np.float32) < (angle - from_deg) / (to_deg - from_deg)


def holes(rng: np.random.Generator, height: int, width: int, share: float) -> Bool[np.ndarray, "height width"]:
    """Blobs of lost pixels that cover about ``share`` of the image."""
    coarse = noise_window(rng, max(2, height // 6), max(2, width // 6))[..., 0]
    smooth = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)
    return smooth > np.quantile(smooth, 1 - share)


def in_disparity_steps(depth_m: np.ndarray, step_per_m: float) -> np.ndarray:
    """Depth in equal steps of 1/z: steps that grow with the square of the depth."""
    steps = np.maximum(np.rint(1 / (np.maximum(depth_m, np.float32(1e-3)) * np.float32(step_per_m))), 1)
    return (1 / (steps * np.float32(step_per_m))).astype(np.float32)


def infrared_reflectance(rng: np.random.Generator, view: DepthView) -> np.ndarray:
    """Share of infrared light that each pixel's surface reflects: one value for the skin, one for each other thing."""
    table = rng.uniform(*THING_REFLECTANCE, size=len(PART_NAMES)).astype(np.float32)
    table[[*HAND_PARTS, PART_NAMES.index("forearm"), PART_NAMES.index("other_hand")]] = rng.uniform(*SKIN_REFLECTANCE)
    return np.full(view.depth_m.shape, table[1]) if view.parts is None else table[view.parts]
