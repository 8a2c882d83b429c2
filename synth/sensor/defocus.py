"""What an aperture does: what lies nearer or farther than the focus is blurred, by how far the depth differs.

Two layers: the background is blurred before the hand is laid over it, so that neither bleeds into the other; then each
part of the hand is blurred by its own depth.
"""

from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Float, UInt8

Image = UInt8[np.ndarray, "height width 3"]
MIN_APERTURE_M = 0.002
"""Aperture of a small phone or webcam."""
ON_HAND_SHARE = 0.93
"""Autofocus misses seldom, and finds the background then."""
MAX_SIGMA_SHARE = 0.025
"""No blur is wider than this share of the image's side: a hand whose joints nobody could find teaches nothing."""
VISIBLE_SIGMA_PX = 0.35
"""Blur of the hand below this is left to the lens's own softness."""


@dataclass(frozen=True)
class Focus:
    """The aperture's diameter in metres, and the distance at which everything is sharp."""

    aperture_m: float
    distance_m: float


def sample_focus(rng: np.random.Generator, max_aperture_m: float, hand_m: float, background_m: float) -> Focus:
    """A lens that is focused on the hand, or now and then on what lies behind it."""
    aperture_m = np.exp(rng.uniform(np.log(MIN_APERTURE_M), np.log(max(max_aperture_m, MIN_APERTURE_M))))
    target_m = hand_m * np.exp(rng.normal() * 0.04) if rng.random() < ON_HAND_SHARE else background_m
    return Focus(float(aperture_m), float(target_m))


def confusion_px(focus: Focus, depth_m: Float[np.ndarray, "*n"], focal_px: float) -> Float[np.ndarray, "*n"]:
    """Diameter in pixels of the disc that a point at ``depth_m`` becomes (Potmesil and Chakravarty 1981).

    ``focal_px`` is the distance of the image plane, as the intrinsics have it: with it the thin-lens formula is exact.
    """
    return focal_px * focus.aperture_m * np.abs(1 / depth_m - 1 / focus.distance_m)


def defocus_background(image: Image, focus: Focus, distance_m: float, focal_px: float) -> Image:
    """The background as it looks from the focus; it stands at one distance."""
    sigma = _sigma_px(confusion_px(focus, np.array(distance_m), focal_px), len(image))
    return cv2.GaussianBlur(image, (0, 0), float(sigma)) if sigma > VISIBLE_SIGMA_PX / 2 else image


def defocus_surface(
    image: Image, background: Image, depth_m: Float[np.ndarray, "height width"], focus: Focus, focal_px: float
) -> Image:
    """The image with each part of the surface blurred by its depth.

    Args:
        image: The surface over the background.
        background: What lies behind, already blurred.
        depth_m: Depth of the surface; 0 where there is none.
        focus: The lens.
        focal_px: Focal length.
    """
    on_surface = depth_m > 0
    if not on_surface.any():
        return image
    nearest, farthest = depth_m[on_surface].min(), depth_m.max()
    extremes = _sigma_px(confusion_px(focus, np.array([nearest, farthest]), focal_px), len(image))
    widest = float(extremes.max())
    if widest < VISIBLE_SIGMA_PX:
        return image
    box = _box_around(on_surface, margin=int(np.ceil(3 * widest)))
    blurred = image.copy()
    sigma = _sigma_px(confusion_px(focus, np.where(on_surface, depth_m, focus.distance_m)[box], focal_px), len(image))
    blurred[box] = _mixed_levels(image[box], background[box], on_surface[box], sigma, widest)
    return blurred


def _mixed_levels(
    image: Image, background: Image, on_surface: np.ndarray, sigma_px: np.ndarray, widest_px: float
) -> Image:
    """Each pixel from the two nearest of three copies: the sharp image, and the surface alone blurred half and full."""
    mask = on_surface[..., None].astype(np.float32)
    layers = np.concatenate([image, np.ones_like(mask), sigma_px[..., None].astype(np.float32)], -1) * mask
    half, full = (cv2.GaussianBlur(layers, (0, 0), share * widest_px) for share in (0.5, 1.0))
    # Beside the surface its blur spreads: the nearest surface's sigma holds there.
    level = np.clip(full[..., 4:] * np.float32(2 / widest_px) / np.maximum(full[..., 3:4], np.float32(1e-3)), 0, 2)
    mixed = np.maximum(1 - level, 0) * image
    for layer, weight in ((half, 1 - np.abs(level - 1)), (full, np.maximum(level - 1, 0))):
        mixed += weight * (layer[..., :3] + (1 - layer[..., 3:4]) * background)
    return np.clip(np.rint(mixed), 0, 255).astype(np.uint8)


def _box_around(mask: np.ndarray, margin: int) -> tuple[slice, slice]:
    low_high = (np.flatnonzero(mask.any(axis))[[0, -1]] for axis in (1, 0))
    rows, columns = (slice(max(0, low - margin), high + margin + 1) for low, high in low_high)
    return rows, columns


def _sigma_px(diameter_px: np.ndarray, side_px: int) -> np.ndarray:
    """Sigma of the Gaussian with the variance of a disc, bounded."""
    return np.minimum(diameter_px / 4, MAX_SIGMA_SHARE * side_px)
