"""What a camera does to the colours: focus, motion, few pixels, white balance, noise, compression."""

from dataclasses import dataclass

import cv2
import numpy as np
import simplejpeg
from jaxtyping import UInt8

from synth.config import check, option
from synth.sensor.noise import noise_window

Image = UInt8[np.ndarray, "height width 3"]
REFERENCE_PX = 128
"""Blur widths are given for an image of this side and grow with it."""


@dataclass
class RgbOptions:
    """How strong the camera's faults are; all 0 leaves the rendered image as it is."""

    blur_px: float = option(0.75, "largest sigma of the focus blur, pixels of a 128 px image; most are far sharper")
    motion_blur_share: float = option(0.08, "share of images with motion blur")
    low_resolution_share: float = option(0.1, "share of images that were enlarged from fewer pixels")
    noise: float = option(0.014, "largest sigma of the read noise, as a share of white")
    colour_cast: float = option(0.035, "sigma of the white balance's error, logarithm of the channel gains")
    contrast: float = option(0.2, "sigma of the tone curve's exponent, logarithm")
    jpeg_share: float = option(0.5, "share of images that were compressed once before")
    min_jpeg_quality: int = option(30, "lowest JPEG quality, 1 to 100")

    def __post_init__(self) -> None:
        for key in ("blur_px", "noise", "colour_cast", "contrast"):
            check(0 <= getattr(self, key) <= 5, f"rgb.{key}", getattr(self, key), "in [0, 5]")
        for key in ("motion_blur_share", "low_resolution_share", "jpeg_share"):
            check(0 <= getattr(self, key) <= 1, f"rgb.{key}", getattr(self, key), "in [0, 1]")
        check(1 <= self.min_jpeg_quality <= 95, "rgb.min_jpeg_quality", self.min_jpeg_quality, "in [1, 95]")


def sense_rgb(rng: np.random.Generator, image: Image, options: RgbOptions) -> Image:
    """The image as a real camera would have delivered it."""
    scale = image.shape[0] / REFERENCE_PX
    if options.blur_px > 0:
        sigma = max(0.05, options.blur_px * rng.random() ** 3) * scale
        image = cv2.GaussianBlur(image, (0, 0), sigma)
    if rng.random() < options.motion_blur_share:
        image = cv2.filter2D(image, -1, motion_kernel(rng.uniform(0, np.pi), rng.uniform(2, 6) * scale))
    if rng.random() < options.low_resolution_share:
        image = _resampled(rng, image)
    image = _toned(rng, image, options)
    if options.noise > 0:
        image = add_noise(rng, image, options.noise * rng.random() ** 2)
    if rng.random() < options.jpeg_share:
        image = _recompressed(image, int(rng.integers(options.min_jpeg_quality, 96)))
    return image


def motion_kernel(angle: float, length_px: float) -> np.ndarray:
    """A line through the centre that sums to 1."""
    half = int(np.ceil(length_px / 2))
    kernel = np.zeros((2 * half + 1, 2 * half + 1), np.float32)
    reach = length_px / 2 * np.array([np.cos(angle), np.sin(angle)])
    start, end = half - reach, half + reach
    cv2.line(kernel, (round(start[0]), round(start[1])), (round(end[0]), round(end[1])), 1.0, 1, cv2.LINE_AA)
    return kernel / kernel.sum()


def add_noise(rng: np.random.Generator, image: Image, read_sigma: float) -> Image:
    """Shot noise, whose variance grows with brightness, and read noise.

    Args:
        rng: Source of all randomness.
        image: sRGB.
        read_sigma: Sigma at black as a share of white; at white it is twice as much.
    """
    brightness = 0.25 + 0.75 * np.arange(256) / 255
    sigma = cv2.LUT(image, (2 * 255 * read_sigma * np.sqrt(brightness)).astype(np.float32))
    noise = cv2.multiply(sigma, noise_window(rng, *image.shape[:2]))
    return cv2.add(image, noise, dtype=cv2.CV_8U)


def _toned(rng: np.random.Generator, image: Image, options: RgbOptions) -> Image:
    gains = np.exp(rng.normal(size=3) * options.colour_cast)
    exponent = np.exp(rng.normal() * options.contrast)
    levels = np.clip((np.arange(256) / 255.0)[:, None] ** exponent * gains, 0, 1)
    return cv2.LUT(image, np.rint(levels * 255).astype(np.uint8)[None])


def _resampled(rng: np.random.Generator, image: Image) -> Image:
    height, width = image.shape[:2]
    share = rng.uniform(0.35, 0.9)
    small = (max(8, int(width * share)), max(8, int(height * share)))
    reduced = cv2.resize(image, small, interpolation=cv2.INTER_AREA)
    return cv2.resize(reduced, (width, height), interpolation=cv2.INTER_LINEAR)


def _recompressed(image: Image, quality: int) -> Image:
    encoded = simplejpeg.encode_jpeg(
        np.ascontiguousarray(image), quality=quality, colorspace="RGB", colorsubsampling="420"
    )
    return simplejpeg.decode_jpeg(encoded, colorspace="RGB")
