"""Sets of real images in memory: labelled ones, unlabelled ones, and how an image file is read.

Which files belong to a set, and what its labels mean, is the business of ``real.py`` and of ``readers``.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

import cv2
import numpy as np
from jaxtyping import Bool, Float, Int, UInt8

from synth.common.subsample import evenly_spaced

IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff")
CACHE_BYTES = 2_000_000_000
log = logging.getLogger(__name__)


class Frame(Protocol):
    """An image that is no file of its own, such as a frame of a video."""

    @property
    def name(self) -> str:
        """What to call it in a message."""
        ...

    def read(self) -> UInt8[np.ndarray, "height width 3"]:
        """The image, sRGB.

        Raises:
            ValueError: when it cannot be read; the message names it.
        """
        ...


@dataclass(frozen=True)
class LabelledImages:
    """The labelled images of one split of one set; row i of every field belongs together.

    Attributes:
        name: Name of the set.
        folder: Folder that ``files`` are relative to.
        files: Image files.
        joints_px: Labelled joints in pixels of the stored image; NaN where not labelled.
        visible: Which joints are labelled.
        joints_cam: Labelled joints in metres, camera frame; NaN without 3D labels.
        K: Intrinsics of the stored image; NaN where not known.
        handedness: ``right``, ``left`` or ``unknown``, as the image shows it.
        boxes_px: The hand's box (x0, y0, x1, y1): the set's own, else that of the labelled joints.
        label_kind: The set's word for how it was labelled, most frequent first.
        definition: What the labels are and what they can bear.
        blocks: Number of each image's block: the images of one recording, which intervals resample as a whole.
    """

    name: str
    folder: Path
    files: tuple[str, ...]
    joints_px: Float[np.ndarray, "images 21 2"]
    visible: Bool[np.ndarray, "images 21"]
    joints_cam: Float[np.ndarray, "images 21 3"]
    K: Float[np.ndarray, "images 3 3"]
    handedness: tuple[str, ...]
    boxes_px: Float[np.ndarray, "images 4"]
    label_kind: str
    definition: str
    blocks: Int[np.ndarray, "images"]

    def __len__(self) -> int:
        return len(self.files)

    def thinned(self, most: int) -> "LabelledImages":
        """``most`` evenly spaced rows, or all where there are no more."""
        if len(self) <= most:
            return self
        rows = evenly_spaced(len(self), most)
        names = ("joints_px", "visible", "joints_cam", "K", "boxes_px", "blocks")
        arrays = {name: getattr(self, name)[rows] for name in names}
        lists = {name: tuple(getattr(self, name)[row] for row in rows) for name in ("files", "handedness")}
        return replace(self, **arrays, **lists)

    @property
    def num_blocks(self) -> int:
        """Blocks that the images are of."""
        return len(np.unique(self.blocks))

    def image(self, row: int) -> UInt8[np.ndarray, "height width 3"]:
        """The stored image, sRGB.

        Raises:
            ValueError: when the file cannot be read; the message names it.
        """
        return read_image(self.folder / self.files[row])

    @property
    def images(self) -> "StoredImages":
        """All images, each read when it is asked for."""
        return StoredImages(self)


class StoredImages(Sequence[UInt8[np.ndarray, "height width 3"]]):
    """The images of a labelled set as a sequence; a slice is a list, and nothing is kept."""

    def __init__(self, labelled: LabelledImages) -> None:
        self._labelled = labelled

    def __len__(self) -> int:
        return len(self._labelled)

    def __getitem__(self, index: int | slice):  # type: ignore[override,no-untyped-def]
        rows = range(len(self))[index]
        return self._labelled.image(rows) if isinstance(rows, int) else [self._labelled.image(row) for row in rows]


class UnlabelledImages(Sequence[UInt8[np.ndarray, "height width 3"]]):
    """Photographs without labels, sRGB, shrunk to ``max_side_px``; each shows one hand that fills much of it.

    Attributes:
        paths: The files, or frames of videos, that can be read.
        skipped: Names of the files that cannot.
    """

    def __init__(self, paths: Sequence[Path | Frame], max_side_px: int = 384) -> None:
        """Read each file once; keep the images while they fit into 2 GB.

        Raises:
            ValueError: when no file can be read.
        """
        self.max_side_px, self._cache, self._cached_bytes = max_side_px, {}, 0
        readable: list[Path | Frame] = []
        skipped: list[str] = []
        for path in paths:
            try:
                self._load(path)
                readable.append(path)
            except ValueError:
                skipped.append(path.name)
        self.paths, self.skipped = tuple(readable), tuple(skipped)
        if not readable:
            raise ValueError(
                f"none of {len(paths)} images can be read (first: {paths[0]}); give JPEG, PNG or WebP files"
            )
        if skipped:
            log.warning(
                "%d of %d images cannot be read and are left out, first %s", len(skipped), len(paths), skipped[0]
            )

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: int) -> UInt8[np.ndarray, "height width 3"]:  # type: ignore[override]
        return self._load(self.paths[index])

    def _load(self, path: Path | Frame) -> UInt8[np.ndarray, "height width 3"]:
        if path in self._cache:
            return self._cache[path]
        image = shrunk(read_image(path) if isinstance(path, Path) else path.read(), self.max_side_px)
        if self._cached_bytes + image.nbytes <= CACHE_BYTES:
            self._cache[path] = image
            self._cached_bytes += image.nbytes
        return image


def read_image(path: str | Path) -> UInt8[np.ndarray, "height width 3"]:
    """An image file as sRGB, turned as its EXIF says; grey, 16-bit and transparent images are converted.

    Raises:
        ValueError: when it is missing, cut short or no image; the message names it.
    """
    path = Path(path)
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ValueError(f"image {path} cannot be read ({error.strerror}); restore or remove it") from error
    image = (
        None if not data or _is_cut_short(data) else cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR_RGB)
    )
    if image is None:
        raise ValueError(f"image {path} cannot be decoded; restore or remove it")
    return image


def shrunk(image: UInt8[np.ndarray, "height width 3"], max_side_px: int) -> UInt8[np.ndarray, "h w 3"]:
    """The image with its longer side at most ``max_side_px``."""
    height, width = image.shape[:2]
    scale = max_side_px / max(height, width)
    if scale >= 1:
        return image
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    return cv2.resize(image, size, interpolation=cv2.INTER_AREA)


def _is_cut_short(data: bytes) -> bool:
    """Decoders fill what is missing of a JPEG or PNG with grey and say nothing, so the end marker is looked for."""
    if data[:2] == b"\xff\xd8":
        return data.rfind(b"\xff\xd9") < len(data) // 2
    if data[:4] == b"\x89PNG":
        return b"IEND" not in data[-64:] and b"IEND" not in data[len(data) // 2 :]
    return False
