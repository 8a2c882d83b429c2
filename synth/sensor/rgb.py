"""What a camera does to the colours, in the order of the light's way: lens, motion, few pixels, tone, noise, JPEG."""

from dataclasses import dataclass

import cv2
import numpy as np
import simplejpeg
from jaxtyping import UInt8

from synth.common.config import check, option
from synth.sensor.lens import chromatic_shift, motion_kernel, optical_centre, vignette
from synth.sensor.noise import noise_window

Image = UInt8[np.ndarray, "height width 3"]
REFERENCE_PX = 128
"""Blur widths and shifts are given for an image of this side and grow with it."""
FAULTS = ("defocus", "blur", "vignetting", "chromatic", "motion", "resampling", "tone", "noise", "jpeg")
"""Names of all faults, in the order of the light's way."""
SHARES = ("defocus_share", "vignetting_share", "chromatic_share", "motion_blur_share", "low_resolution_share",
          "jpeg_share")  # fmt: skip


@dataclass
class RgbOptions:
    """How strong the camera's faults are; all shares and widths 0 (``rgb=ideal``) leave the rendered image as it is."""

    defocus_share: float = option(0.3, "share of images in which depth of field is limited")
    max_aperture_mm: float = option(40.0, "largest aperture of these, millimetres")
    vignetting_share: float = option(0.25, "share of images with dark corners")
    chromatic_share: float = option(0.15, "share of images whose colours part towards the border")
    blur_px: float = option(0.75, "largest sigma of the lens's softness, pixels of a 128 px image; most are sharper")
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
        for key in SHARES:
            check(0 <= getattr(self, key) <= 1, f"rgb.{key}", getattr(self, key), "in [0, 1]")
        check(2 <= self.max_aperture_mm <= 100, "rgb.max_aperture_mm", self.max_aperture_mm, "in [2, 100]")
        check(1 <= self.min_jpeg_quality <= 95, "rgb.min_jpeg_quality", self.min_jpeg_quality, "in [1, 95]")


@dataclass(frozen=True)
class Shot:
    """A photograph, and the names of the faults that were drawn for it."""

    image: Image
    faults: list[str]


def sense_rgb(rng: np.random.Generator, image: Image, options: RgbOptions) -> Shot:
    """The image as a real camera would have delivered it; defocus needs depth and comes before (``defocus.py``)."""
    scale = image.shape[0] / REFERENCE_PX
    faults = []
    if options.blur_px > 0:
        image = cv2.GaussianBlur(image, (0, 0), max(0.05, options.blur_px * rng.random() ** 3) * scale)
        faults.append("blur")
    vignetted, parted = rng.random(2) < (options.vignetting_share, options.chromatic_share)
    if vignetted or parted:
        centre_px = optical_centre(rng, len(image))
    if vignetted:
        image = vignette(image, centre_px, rng.uniform(0.03, 0.25))
        faults.append("vignetting")
    if parted:
        image = chromatic_shift(image, centre_px, rng.choice([-1.0, 1.0]) * rng.uniform(0.2, 1.0) / (REFERENCE_PX / 2))
        faults.append("chromatic")
    if rng.random() < options.motion_blur_share:
        image = cv2.filter2D(image, -1, motion_kernel(rng.uniform(0, np.pi), rng.uniform(2, 6) * scale))
        faults.append("motion")
    if rng.random() < options.low_resolution_share:
        image = _resampled(rng, image)
        faults.append("resampling")
    if options.colour_cast > 0 or options.contrast > 0:
        image = _toned(rng, image, options)
        faults.append("tone")
    if options.noise > 0:
        image = add_noise(rng, image, options.noise * rng.random() ** 2)
        faults.append("noise")
    if rng.random() < options.jpeg_share:
        image = _recompressed(image, int(rng.integers(options.min_jpeg_quality, 96)))
        faults.append("jpeg")
    return Shot(image, faults)


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
