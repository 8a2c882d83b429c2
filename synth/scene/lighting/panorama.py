"""HDR panoramas: reading and checking the files, and what a scene needs of each, worked out once per process."""

import zipfile
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from jaxtyping import Float, UInt16

from synth.common.files import require_folder
from synth.geometry.camera import Camera
from synth.scene.arm.skin import LUMINANCE
from synth.scene.lighting.equirectangular import pixel_directions, pixel_solid_angles, pixels_of
from synth.scene.lighting.panorama_lights import Lamps, split_lamps
from synth.scene.lighting.spherical_harmonics import project_irradiance

SUFFIXES = (".npz", ".hdr")
MAX_NEGATIVE_SHARE = 0.2
"""Scaling a panorama down rings beside the sun: up to a tenth of the light of good files is negative there."""
SUN, LOST_CHANNEL = 10.0, 0.05
"""Pixels brighter than this multiple of the mean are white where a channel has less than this share of the brightest:
no lamp is so colourful, but packed files lose channels of the sun."""
LIGHT_WIDTH_PX = 512
PICTURE_WIDTH_PX = 1024
CODES = 4096
BRIGHTEST = 64.0
"""The picture is clipped at this multiple of the mean radiance; what is brighter is white in every exposure."""


@dataclass(frozen=True)
class Panorama:
    """One panorama, ready to light scenes and to stand behind them. Radiance is scaled to mean luminance 1.

    Attributes:
        name: The file's name without its ending.
        ambient_sh: Irradiance over pi without the lamps, world frame (``irradiance.py``).
        lamps: Its brightest regions, world frame.
        mean: Mean radiance over the sphere, linear RGB: what an average surface receives, over pi.
        codes: Cube root of the radiance, as whole numbers below ``CODES``.
    """

    name: str
    ambient_sh: Float[np.ndarray, "9 3"]
    lamps: Lamps
    mean: Float[np.ndarray, "3"]
    codes: UInt16[np.ndarray, "height width 3"]

    def picture(self, camera: Camera, R_cam_world: Float[np.ndarray, "3 3"], scale: float) -> np.ndarray:
        """What ``camera`` sees of it as sRGB, height x width x 3.

        Args:
            camera: Intrinsics and size.
            R_cam_world: Rotation from the world frame to the camera frame.
            scale: Factor on the radiance; 1 is white then, and what is brighter too.
        """
        u, v = np.meshgrid(np.arange(camera.width, dtype=np.float32), np.arange(camera.height, dtype=np.float32))
        to_world = (R_cam_world.T @ np.linalg.inv(camera.K)).astype(np.float32)
        height, width = self.codes.shape[:2]
        place = pixels_of(np.stack([u, v, np.ones_like(u)], -1) @ to_world.T, height, width)
        rows = np.clip(place[..., 1], 0, height - 1)
        seen = cv2.remap(self.codes, place[..., 0], rows, cv2.INTER_LINEAR, borderMode=cv2.BORDER_WRAP)
        levels = np.minimum(scale * BRIGHTEST * (np.arange(CODES) / (CODES - 1)) ** 3, 1)
        srgb = np.where(levels <= 0.0031308, 12.92 * levels, 1.055 * levels ** (1 / 2.4) - 0.055)
        return np.rint(255 * srgb).astype(np.uint8)[np.asarray(seen, np.uint16)]


def list_panoramas(folder: str, key: str) -> list[Path]:
    """The panoramas of a folder, sorted.

    Raises:
        FileNotFoundError: when the folder is missing or holds none.
    """
    root = require_folder(folder, key)
    files = sorted(f for f in root.iterdir() if f.suffix.lower() in SUFFIXES and f.is_file())
    if not files:
        raise FileNotFoundError(
            f"{key}={root} holds no panorama ({', '.join(SUFFIXES)}; convert others to .hdr); choose another folder"
        )
    return files


def check_panoramas(files: list[Path], key: str) -> None:
    """Read each file once.

    Raises:
        ValueError: naming the first that cannot light a scene, and why.
    """
    for file in files:
        read_radiance(file, key)


def read_radiance(file: Path, key: str) -> Float[np.ndarray, "height width 3"]:
    """Linear RGB of a panorama, at least 0 and mended about its sun.

    Raises:
        ValueError: when the file cannot be read, is not H x 2H x 3, or holds no light, values that are not finite or
            more negative light than scaling leaves.
    """
    radiance = _read(file, key)
    where = f"{key}: {file}"
    height = radiance.shape[0]
    if radiance.shape != (height, 2 * height, 3) or height < 8:
        raise ValueError(f"{where} has the shape {radiance.shape}; a panorama is H x 2H x 3 with H of 8 or more")
    if not np.isfinite(radiance).all():
        raise ValueError(f"{where} holds values that are not finite; repair or remove it")
    radiance = radiance.astype(np.float32)
    angles = pixel_solid_angles(height, 2 * height)[..., None]
    light, negative = ((np.maximum(sign * radiance, 0) * angles).sum() for sign in (1, -1))
    if negative > MAX_NEGATIVE_SHARE * light:
        raise ValueError(f"{where} holds negative light, {negative:.3g} to {light:.3g} positive; repair or remove it")
    if light <= 0:
        raise ValueError(f"{where} is black; remove it")
    return _mended(radiance)


class Panoramas:
    """The panoramas ``files``; each is read when it is first asked for and kept."""

    def __init__(self, files: list[Path]):
        self._files = files
        self._ready: dict[int, Panorama] = {}

    def sample(self, rng: np.random.Generator) -> Panorama:
        """One of them."""
        index = int(rng.integers(len(self._files)))
        if index not in self._ready:
            file = self._files[index]
            self._ready[index] = prepare_panorama(file.stem, read_radiance(file, "panoramas"))
        return self._ready[index]


def prepare_panorama(name: str, radiance: Float[np.ndarray, "height width 3"]) -> Panorama:
    """All that scenes need of radiance that is finite and at least 0."""
    small = _reduced(radiance, LIGHT_WIDTH_PX).astype(np.float64)
    directions, angles = pixel_directions(*small.shape[:2]), pixel_solid_angles(*small.shape[:2])
    mean = (small * angles[..., None]).sum((0, 1)) / (4 * np.pi)
    brightness = float(mean @ LUMINANCE)
    lamps, rest = split_lamps(small / brightness, directions, angles)
    picture = _reduced(radiance, PICTURE_WIDTH_PX) / np.float32(brightness * BRIGHTEST)
    codes = np.rint((CODES - 1) * np.cbrt(np.minimum(picture, 1))).astype(np.uint16)
    return Panorama(name, project_irradiance(rest, directions, angles), lamps, mean / brightness, codes)


def _mended(radiance: np.ndarray) -> np.ndarray:
    """Radiance without what packing and scaling leave about a sun: negative pixels, and channels that were lost."""
    clipped = np.maximum(radiance, 0)
    ringing = (radiance < 0).any(-1, keepdims=True)
    smooth = np.where(ringing, cv2.blur(clipped, (3, 3)), clipped)
    brightest = smooth.max(-1, keepdims=True)
    lost = (smooth.min(-1, keepdims=True) < LOST_CHANNEL * brightest) & (brightest > SUN * clipped.mean())
    return np.where(lost, brightest, smooth)


def _reduced(radiance: np.ndarray, max_width: int) -> np.ndarray:
    if radiance.shape[1] <= max_width:
        return radiance
    return cv2.resize(radiance, (max_width, max_width // 2), interpolation=cv2.INTER_AREA)


def _read(file: Path, key: str) -> np.ndarray:
    reason = "not a picture"
    try:
        if file.suffix.lower() == ".npz":
            with np.load(file, allow_pickle=False) as content:
                radiance = content["rgb"]
        else:
            picture = cv2.imread(str(file), cv2.IMREAD_UNCHANGED)
            radiance = np.zeros(0) if picture is None else picture[..., ::-1]
    except (OSError, ValueError, KeyError, zipfile.BadZipFile, cv2.error) as error:
        radiance, reason = np.zeros(0), str(error)
    if radiance.size == 0:
        raise ValueError(f"{key}: {file} cannot be read as a panorama ({reason}); delete or replace it")
    if not np.issubdtype(radiance.dtype, np.floating):
        raise ValueError(f"{key}: {file} holds {radiance.dtype}, no floating-point radiance; remove it")
    return radiance
