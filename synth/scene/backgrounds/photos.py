"""A folder of photos as backgrounds: random crops, flips, brightness."""

from pathlib import Path

import cv2
import numpy as np
import simplejpeg
from jaxtyping import UInt8

from synth.common.files import require_folder

SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".bmp")
SHORT_SIDE_PX = 320
"""Photos are kept reduced to this, as JPEG: memory stays small, and a crop costs a millisecond."""

CROP_SHARE = 0.5, 1.0
"""Side of a crop as a share of the photo's short side; a smaller one, enlarged, is softer than any real background."""


def list_photos(folder: str, key: str = "background_dir") -> list[Path]:
    """The pictures of a folder and the folders in it, sorted by path.

    Raises:
        FileNotFoundError: when the folder is missing or holds no picture.
    """
    root = require_folder(folder, key)
    files = sorted(f for f in root.rglob("*") if f.suffix.lower() in SUFFIXES and f.is_file())
    if not files:
        raise FileNotFoundError(f"{key}={root} holds no picture ({', '.join(SUFFIXES)}); choose another folder")
    return files


def check_photos(files: list[Path], key: str = "background_dir") -> None:
    """Decode each photo once, coarsely.

    Raises:
        ValueError: naming the first photo that cannot be read.
    """
    for file in files:
        if cv2.imread(str(file), cv2.IMREAD_REDUCED_COLOR_8) is None:
            raise ValueError(f"{key}: {file} cannot be read as a picture; delete or replace it")


class Photos:
    """The photos ``files``, whole or in random square crops; each is read when it is first drawn."""

    def __init__(self, files: list[Path]):
        self._files = files
        self._reduced: dict[int, bytes] = {}

    def whole(self, rng: np.random.Generator) -> UInt8[np.ndarray, "height width 3"]:
        """One of them, reduced."""
        return self._read(int(rng.integers(len(self._files))))

    def sample(self, rng: np.random.Generator, size_px: int) -> UInt8[np.ndarray, "side side 3"]:
        """A crop, perhaps flipped, of random size, brightness and contrast."""
        photo = self.whole(rng)
        height, width = photo.shape[:2]
        side = int(rng.uniform(*CROP_SHARE) * min(height, width))
        top, left = int(rng.integers(height - side + 1)), int(rng.integers(width - side + 1))
        crop = photo[top : top + side, left : left + side]
        if rng.random() < 0.5:
            crop = crop[:, ::-1]
        shape = cv2.INTER_AREA if side > size_px else cv2.INTER_LINEAR
        crop = cv2.resize(crop, (size_px, size_px), interpolation=shape)
        return np.ascontiguousarray(cv2.convertScaleAbs(crop, alpha=rng.uniform(0.6, 1.25), beta=rng.uniform(-5, 20)))

    def _read(self, index: int) -> np.ndarray:
        if index not in self._reduced:
            photo = cv2.imread(str(self._files[index]), cv2.IMREAD_COLOR)
            if photo is None:
                raise ValueError(f"{self._files[index]} cannot be read as a picture any more; restore it")
            scale = SHORT_SIDE_PX / min(photo.shape[:2])
            if scale < 1:
                photo = cv2.resize(photo, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
            rgb = np.ascontiguousarray(photo[..., ::-1])
            self._reduced[index] = simplejpeg.encode_jpeg(rgb, quality=92, colorspace="RGB")
        return simplejpeg.decode_jpeg(self._reduced[index], colorspace="RGB")
