"""Changes of texture: what a camera and a scene do to the colours of a crop, with every label kept.

All work on ``uint8`` crops, since training on two cores waits for them. Randomness comes from the generator given.
"""

import functools
from dataclasses import dataclass

import cv2
import numpy as np
import scipy.fft
import simplejpeg
from jaxtyping import Float, UInt8

from synth.common.config import check, option

Image = UInt8[np.ndarray, "side side 3"]
LUMA = np.array([0.299, 0.587, 0.114])


@dataclass
class TextureConfig:
    """How often and how strongly crops change their texture; standard deviations unless said otherwise."""

    brightness: float = option(0.08, "shift, in units of the full range")
    contrast: float = option(0.20, "log of the factor about mid-grey")
    gamma: float = option(0.20, "log of the exponent")
    channel_gain: float = option(0.08, "log of each channel's factor (white balance)")
    saturation: float = option(0.30, "log of the factor")
    hue_rad: float = option(0.08, "turn about the grey axis, radians")
    grey: float = option(0.10, "probability of a grey image")
    blur: float = option(0.20, "probability of a Gaussian blur")
    max_blur_px: float = option(1.5, "largest blur, pixels")
    resample: float = option(0.30, "probability of down- and up-sampling")
    min_resample: float = option(0.3, "smallest side of it, as a share of the crop's side")
    noise: float = option(0.5, "probability of pixel noise")
    max_noise: float = option(0.05, "largest noise, in units of the full range")
    jpeg: float = option(0.25, "probability of JPEG artefacts")
    min_jpeg_quality: int = option(20, "lowest JPEG quality, 1 to 100")
    cut: float = option(0.30, "probability of rectangles of one colour, noise or another sample")
    max_cut: float = option(0.35, "largest side of a rectangle, as a share of the crop's side")
    amplitude: float = option(0.25, "probability of a changed amplitude spectrum")
    amplitude_spread: float = option(0.35, "log of the factor on the amplitudes")
    frame: float = option(0.25, "probability of black strips at borders, as of crops beyond a photo's edge")

    def __post_init__(self) -> None:
        for key in ("grey", "blur", "resample", "noise", "jpeg", "cut", "amplitude", "frame"):
            check(0 <= getattr(self, key) <= 1, f"texture.{key}", getattr(self, key), "a probability, 0 to 1")
        for key in ("min_resample", "max_cut"):
            check(0 < getattr(self, key) <= 1, f"texture.{key}", getattr(self, key), "above 0 and at most 1")
        check(1 <= self.min_jpeg_quality <= 100, "texture.min_jpeg_quality", self.min_jpeg_quality, "1 to 100")


def change_texture(
    image: Image, other: Image, config: TextureConfig, rng: np.random.Generator, strength: float = 1.0
) -> Image:
    """A new image of the same scene with other colours, sharpness, noise and patches.

    Args:
        image: sRGB crop; stays as it is.
        other: Another crop, the donor of pasted patches.
        config: What may happen.
        rng: Source of all that is random.
        strength: 0 to 1: factor on probabilities and spreads.
    """
    happens = rng.random(7) < strength * np.array(
        [config.amplitude, config.cut, config.blur, config.resample, config.noise, config.jpeg, config.frame]
    )
    result = image.copy()
    if happens[0]:
        result = change_amplitudes(result, strength * config.amplitude_spread, rng)
    if happens[1]:
        result = cut_and_paste(result, other, config.max_cut, rng)
    result = change_colours(result, config, rng, strength)
    if happens[2]:
        result = cv2.GaussianBlur(result, (0, 0), rng.uniform(0.3, max(0.31, config.max_blur_px)))
    if happens[3]:
        result = resample(result, rng.uniform(config.min_resample, 1.0))
    if happens[4]:
        result = add_noise(result, rng.uniform(0, strength * config.max_noise), rng)
    if happens[5]:
        result = jpeg_artefacts(result, int(rng.integers(config.min_jpeg_quality, 96)))
    if happens[6]:
        result = black_frame(result, rng)
    return result


def change_colours(image: Image, config: TextureConfig, rng: np.random.Generator, strength: float) -> Image:
    """Gamma, contrast, brightness and channel gains as one table; saturation, hue and grey as one matrix."""
    draw = np.clip(rng.standard_normal(8), -2.5, 2.5) * strength
    levels = np.linspace(0, 1, 256) ** np.exp(config.gamma * draw[0])
    levels = (levels - 0.5) * np.exp(config.contrast * draw[1]) + 0.5 + config.brightness * draw[2]
    table = levels[:, None] * np.exp(config.channel_gain * draw[3:6])
    table = np.clip(np.rint(255 * table), 0, 255).astype(np.uint8)[None]
    saturation = 0.0 if rng.random() < strength * config.grey else float(np.exp(config.saturation * draw[6]))
    return cv2.transform(cv2.LUT(image, table), colour_matrix(saturation, config.hue_rad * draw[7]))


def colour_matrix(saturation: float, hue_rad: float) -> Float[np.ndarray, "3 3"]:
    """The matrix on RGB columns that turns the hue about the grey axis and scales the distance from grey."""
    axis = np.full(3, 1 / np.sqrt(3))
    turn = cv2.Rodrigues(axis * hue_rad)[0]
    return saturation * turn + (1 - saturation) * np.tile(LUMA, (3, 1))


def change_amplitudes(image: Image, spread: float, rng: np.random.Generator) -> Image:
    """Another amplitude spectrum with the phase kept (Zhao et al. 2025, frequency augmentation).

    The log of the gain is a smooth random surface over the frequencies, one for each channel; mean colours stay.
    """
    side = image.shape[0]
    half = side // 2 + 1
    coarse = rng.standard_normal((5, 5, 3)).astype(np.float32) * spread
    gain = np.exp(cv2.resize(coarse, (half, half), interpolation=cv2.INTER_LINEAR)).transpose(2, 0, 1)
    rows = np.minimum(np.arange(side), side - np.arange(side))  # +f and -f share a gain, so the image stays real
    gain = gain[:, rows]
    gain[:, 0, 0] = 1
    spectrum = np.asarray(scipy.fft.rfft2(image.transpose(2, 0, 1).astype(np.float32)))
    changed = np.asarray(scipy.fft.irfft2(spectrum * gain, s=(side, side)))
    return np.ascontiguousarray(np.clip(np.rint(changed), 0, 255).astype(np.uint8).transpose(1, 2, 0))


def cut_and_paste(image: Image, other: Image, max_cut: float, rng: np.random.Generator) -> Image:
    """One to three rectangles replaced by a colour, by noise, or by what ``other`` shows in another place."""
    side = image.shape[0]
    result = image.copy()
    for _ in range(int(rng.integers(1, 4))):
        width, height = (int(max(2, side * s)) for s in rng.uniform(0.08, max(0.081, max_cut), 2))
        (left, from_left), (top, from_top) = (rng.integers(0, side - s + 1, 2) for s in (width, height))
        target = result[top : top + height, left : left + width]
        kind = rng.random()
        if kind < 0.5:
            target[:] = other[from_top : from_top + height, from_left : from_left + width]
        elif kind < 0.85:
            target[:] = rng.integers(0, 256, 3, dtype=np.uint8)
        else:
            target[:] = rng.integers(0, 256, target.shape, dtype=np.uint8)
    return result


def resample(image: Image, share: float) -> Image:
    """The image as a sensor of ``share`` of the side would give it, enlarged again."""
    side = image.shape[0]
    small = max(4, round(side * share))
    small_image = cv2.resize(image, (small, small), interpolation=cv2.INTER_AREA)
    return cv2.resize(small_image, (side, side), interpolation=cv2.INTER_LINEAR)


def add_noise(image: Image, sigma: float, rng: np.random.Generator) -> Image:
    """White Gaussian noise with standard deviation ``sigma`` of the full range."""
    side = image.shape[0]
    bank = _noise_bank(max(512, side))
    top, left = rng.integers(0, bank.shape[0] - side + 1, 2)
    window = bank[top : top + side, left : left + side]
    return cv2.addWeighted(image, 1.0, window, 255 * sigma, 0.0, dtype=cv2.CV_8U)


def jpeg_artefacts(image: Image, quality: int) -> Image:
    """The image after JPEG at ``quality`` with halved chroma."""
    data = simplejpeg.encode_jpeg(
        np.ascontiguousarray(image), quality=quality, colorspace="RGB", colorsubsampling="420"
    )
    return simplejpeg.decode_jpeg(data, colorspace="RGB")


def black_frame(image: Image, rng: np.random.Generator) -> Image:
    """Strips of up to 12 % of the side at some borders, black."""
    result = image.copy()
    for turns in np.flatnonzero(rng.random(4) < 0.6):
        turned = np.rot90(result, int(turns))  # a view: writing to it writes to the result
        turned[: int(image.shape[0] * rng.uniform(0.01, 0.12))] = 0
    return result


@functools.lru_cache(maxsize=2)
def _noise_bank(side: int) -> Float[np.ndarray, "side side 3"]:
    """Gaussian noise to cut windows from: drawing it anew would cost more than all the rest."""
    return np.random.default_rng(0).standard_normal((side, side, 3), dtype=np.float32)
