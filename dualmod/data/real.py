"""Real photographs: unlabelled ones to adapt to, labelled ones to evaluate on.

A set is a folder with ``images/`` and ``annotations.npz``; any folder of photographs serves as an unlabelled target.
What opens a target reads the names of the files and their split, and no label.

``hand`` in the annotations is the hand that the picture shows (a palm with its thumb at the viewer's left is a left
hand). Seen with labels drawn on 18 rows of hagrid marked L, 18 marked R and 12 rows of ntu_real (all L): none
contradicts this; in a few dark fists the side cannot be told by eye. In hagrid it is a detector's guess.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from zipfile import BadZipFile

import cv2
import numpy as np
from jaxtyping import Bool, Float, UInt8

from dualmod.data.crop import joints_box
from synth.conventions import LEFT, RIGHT, UNKNOWN
from synth.files import require_folder

ANNOTATIONS = "annotations.npz"
IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff")
TARGET_KEYS = ("files", "split")
"""All that opening a target reads of the annotations."""

LABEL_NOTES = {
    "gt3d": "true 3D joints by the set's authors, projected with K; joint definition of the set",
    "gt2d": "joints marked by people or by several cameras; joint definition of each source",
    "tips2d": "tips of thumb and index finger marked by people; the box is the marked hand, not the two tips",
    "pseudo2d_ok": "another detector's joints, checked by eye, about 3 % of the box off: no claims below 3 points",
}
HANDEDNESS = {"L": LEFT, "R": RIGHT}
CACHE_BYTES = 2_000_000_000
log = logging.getLogger(__name__)


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

    def __len__(self) -> int:
        return len(self.files)

    def image(self, row: int) -> UInt8[np.ndarray, "height width 3"]:
        """The stored image, sRGB.

        Raises:
            ValueError: when the file cannot be read; the message names it.
        """
        return read_image(self.folder / self.files[row])


class UnlabelledImages(Sequence[UInt8[np.ndarray, "height width 3"]]):
    """Photographs without labels, sRGB, shrunk to ``max_side_px``; each shows one hand that fills much of it.

    Attributes:
        paths: The files that can be read.
        skipped: Names of the files that cannot.
    """

    def __init__(self, paths: Sequence[Path], max_side_px: int = 384) -> None:
        """Read each file once; keep the images while they fit into 2 GB.

        Raises:
            ValueError: when no file can be read.
        """
        self.max_side_px, self._cache, self._cached_bytes = max_side_px, {}, 0
        readable: list[Path] = []
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

    def _load(self, path: Path) -> UInt8[np.ndarray, "height width 3"]:
        if path in self._cache:
            return self._cache[path]
        image = shrunk(read_image(path), self.max_side_px)
        if self._cached_bytes + image.nbytes <= CACHE_BYTES:
            self._cache[path] = image
            self._cached_bytes += image.nbytes
        return image


def open_target(target: str | Path, split: str = "adapt", root: str | Path = "") -> UnlabelledImages:
    """Unlabelled images to adapt to.

    Args:
        target: A folder of photographs, the folder of a set, the name of a set in ``root``, or several with commas.
        split: Rows of a set to take; a plain folder is taken whole.
        root: Folder of the sets.

    Raises:
        FileNotFoundError: when a folder is missing.
        ValueError: when there is no image, or none that can be read.
    """
    paths: list[Path] = []
    for part in str(target).split(","):
        folder = Path(part.strip()).expanduser()
        if root and not folder.is_dir():
            folder = Path(root).expanduser() / part.strip()
        paths += _target_files(require_folder(folder, "target"), split)
    return UnlabelledImages(paths)


def open_labelled(root: str | Path, dataset: str, split: str = "test") -> LabelledImages:
    """The labelled images of a set.

    Args:
        root: Folder that holds the sets, one folder each.
        dataset: Name of the set.
        split: ``test``, or another split that has labels.

    Raises:
        FileNotFoundError: when ``root`` is missing.
        ValueError: when the set is unknown, or the split has no labelled image.
    """
    found = sorted(p.parent.name for p in require_folder(root, "root").glob(f"*/{ANNOTATIONS}"))
    if dataset not in found:
        raise ValueError(f"dataset={dataset} is not in root={root}; found: {', '.join(found) or 'none'}")
    folder = Path(root).expanduser() / dataset
    keys = ("files", "split", "uv", "vis", "xyz", "K", "hand", "label")
    data = _read_annotations(folder, keys, optional=("bbox",))
    visible = (data["vis"] > 0) & np.isfinite(data["uv"]).all(-1)
    rows = np.flatnonzero((data["split"] == split) & visible.any(1))
    if not len(rows):
        splits = ", ".join(sorted({str(s) for s, v in zip(data["split"], visible, strict=True) if v.any()}))
        raise ValueError(
            f"split={split} of dataset={dataset} has no labelled image; splits with labels: {splits or 'none'}"
        )
    joints_px = data["uv"][rows].astype(np.float64)
    kinds, counts = np.unique(data["label"][rows], return_counts=True)
    kind = str(kinds[counts.argmax()])
    own_boxes = data["bbox"][rows].astype(np.float64) if "bbox" in data else np.full((len(rows), 4), np.nan)
    boxes = [
        own if np.isfinite(own).all() else joints_box(joints, seen)
        for own, joints, seen in zip(own_boxes, joints_px, visible[rows], strict=True)
    ]
    return LabelledImages(
        name=dataset,
        folder=folder,
        files=tuple(str(f) for f in data["files"][rows]),
        joints_px=joints_px,
        visible=visible[rows],
        joints_cam=data["xyz"][rows].astype(np.float64),
        K=data["K"][rows].astype(np.float64),
        handedness=tuple(HANDEDNESS.get(str(h), UNKNOWN) for h in data["hand"][rows]),
        boxes_px=np.stack(boxes),
        label_kind=kind,
        definition=LABEL_NOTES.get(kind, "no note on this kind of label"),
    )


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


def _target_files(folder: Path, split: str) -> list[Path]:
    if (folder / ANNOTATIONS).exists():
        data = _read_annotations(folder, TARGET_KEYS)
        files = [folder / str(f) for f in data["files"][data["split"] == split]]
        if not files:
            splits = ", ".join(sorted({str(s) for s in data["split"]}))
            raise ValueError(f"target={folder} has no row of split={split}; found: {splits}")
        return files
    files = sorted(p for p in folder.rglob("*") if p.suffix.lower() in IMAGE_SUFFIXES and p.is_file())
    if not files:
        raise ValueError(f"target={folder} holds no image; give a folder of {', '.join(IMAGE_SUFFIXES)} files")
    return files


def _read_annotations(folder: Path, keys: tuple[str, ...], optional: tuple[str, ...] = ()) -> dict[str, np.ndarray]:
    """Those members of the archive and no other: numpy opens an archive without reading what is not asked for."""
    try:
        with np.load(folder / ANNOTATIONS, allow_pickle=False) as archive:
            found = {key: archive[key] for key in (*keys, *(k for k in optional if k in archive.files))}
    except (KeyError, BadZipFile, ValueError, OSError) as error:
        raise ValueError(f"{folder / ANNOTATIONS} cannot be read: {error}; fetch the set again") from error
    broken = [key for key, values in found.items() if not isinstance(values, np.ndarray)]
    if broken:
        raise ValueError(f"{folder / ANNOTATIONS} cannot be read: {', '.join(broken)} hold no array; fetch it again")
    return found


def _is_cut_short(data: bytes) -> bool:
    """Decoders fill what is missing of a JPEG or PNG with grey and say nothing, so the end marker is looked for."""
    if data[:2] == b"\xff\xd8":
        return data.rfind(b"\xff\xd9") < len(data) // 2
    if data[:4] == b"\x89PNG":
        return b"IEND" not in data[-64:] and b"IEND" not in data[len(data) // 2 :]
    return False
