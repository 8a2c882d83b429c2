"""Real photographs: unlabelled ones to adapt to, labelled ones to evaluate on.

A set is a folder with ``images/`` and ``annotations.npz``, a public dataset in its own layout (``NAME:PATH``, see
``readers``), or, as an unlabelled target, any folder of photographs or video. What opens a target reads the names of
the files and their split, and no label.

``hand`` in the annotations is the hand that the picture shows (a palm with its thumb at the viewer's left is a left
hand). Seen with labels drawn on 18 rows of hagrid marked L, 18 marked R and 12 rows of ntu_real (all L): none
contradicts this; in a few dark fists the side cannot be told by eye. In hagrid it is a detector's guess.
"""

from collections.abc import Sequence
from pathlib import Path
from zipfile import BadZipFile

import numpy as np

from dualmod.data.blocks import blocks_of
from dualmod.data.image_collections import IMAGE_SUFFIXES, Frame, LabelledImages, UnlabelledImages, read_image, shrunk
from dualmod.data.readers import load_reader, open_reader
from dualmod.data.video import VIDEO_SUFFIXES
from dualmod.geometry.crop import joints_box
from synth.common.conventions import LEFT, RIGHT, UNKNOWN
from synth.common.files import require_folder

__all__ = [
    "ANNOTATIONS",
    "LABEL_NOTES",
    "LabelledImages",
    "UnlabelledImages",
    "entry_name",
    "open_labelled",
    "open_target",
    "read_image",
    "shrunk",
    "target_names",
]

ANNOTATIONS = "annotations.npz"
BLOCK_KEY, NO_BLOCK = "seq", ("", "?")
"""The block of a row, such as a recording, and what stands there when none is known."""
TARGET_KEYS = ("files", "split")
"""All that opening a target reads of the annotations."""

LABEL_NOTES = {
    "gt3d": "true 3D joints by the set's authors, projected with K; joint definition of the set",
    "gt2d": "joints marked by people or by several cameras; joint definition of each source",
    "tips2d": "tips of thumb and index finger marked by people; the box is the marked hand, not the two tips",
    "pseudo2d_ok": "another detector's joints, checked by eye, about 3 % of the box off: no claims below 3 points",
}
HANDEDNESS = {"L": LEFT, "R": RIGHT}


def open_target(target: str | Path, split: str = "adapt", root: str | Path = "") -> UnlabelledImages:
    """Unlabelled images to adapt to.

    Args:
        target: A folder of photographs, a video, the folder of a set, the name of a set in ``root``, a public dataset
            as ``NAME:PATH``, or several with commas.
        split: Rows of a set to take; a plain folder or video is taken whole.
        root: Folder of the sets.

    Raises:
        FileNotFoundError: when a folder or file is missing.
        ValueError: when there is no image, or none that can be read, or no reader of that name.
    """
    return UnlabelledImages([path for part in str(target).split(",") for path in _target_images(part, split, root)])


def target_names(target: str | Path, column: str, root: str | Path = "") -> dict[Path, str]:
    """What a text column of a set's annotations, such as ``gesture``, says of each image file; for reports alone.

    Nothing for a target that is no set, or has no such column.

    Raises:
        ValueError: when the column holds anything but text: numbers may be labels.
    """
    folder = Path(str(target).strip()).expanduser()
    folder = folder if folder.is_dir() else Path(root).expanduser() / str(target).strip()
    if not (folder / ANNOTATIONS).exists():
        return {}
    data = _read_annotations(folder, ("files",), optional=(column,))
    if column not in data:
        return {}
    if data[column].dtype.kind != "U" or data[column].ndim != 1:
        raise ValueError(f"names={column} of target={folder} is no text; give a column of names, such as gesture")
    return {folder / str(file): str(name) for file, name in zip(data["files"], data[column], strict=True)}


def open_labelled(root: str | Path, dataset: str, split: str = "test") -> LabelledImages:
    """The labelled images of a set.

    Args:
        root: Folder that holds the sets, one folder each; not needed for a public dataset.
        dataset: Name of the set in ``root``, or a public dataset as ``NAME:PATH``.
        split: ``test``, or another split that has labels.

    Raises:
        FileNotFoundError: when ``root`` or a file of the dataset is missing.
        ValueError: when the set or its reader is unknown, or the split has no labelled image.
    """
    reader = open_reader(dataset)
    if reader is not None:
        return reader.labelled(split)
    if not str(root):
        raise ValueError(f"dataset={dataset} needs root=FOLDER, the folder of the sets, or a reader: dataset=NAME:PATH")
    found = sorted(p.parent.name for p in require_folder(root, "root").glob(f"*/{ANNOTATIONS}"))
    if dataset not in found:
        raise ValueError(f"dataset={dataset} is not in root={root}; found: {', '.join(found) or 'none'}")
    folder = Path(root).expanduser() / dataset
    keys = ("files", "split", "uv", "vis", "xyz", "K", "hand", "label")
    data = _read_annotations(folder, keys, optional=("bbox", BLOCK_KEY))
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
        blocks=_blocks(data, rows),
    )


def _blocks(data: dict[str, np.ndarray], rows: np.ndarray) -> np.ndarray:
    """Block of each row by its ``seq``; an image that none is named for is a block of its own."""
    files = [("file", str(file)) for file in data["files"][rows]]
    if BLOCK_KEY not in data:
        return blocks_of(files)
    named = [(BLOCK_KEY, str(name)) for name in data[BLOCK_KEY][rows]]
    return blocks_of([own if name[1] in NO_BLOCK else name for name, own in zip(named, files, strict=True)])


def entry_name(entry: str) -> str:
    """The name that an entry of ``dataset`` has in metrics and predictions: the set's, or the reader's."""
    return entry.strip().partition(":")[0]


def _target_images(part: str, split: str, root: str | Path) -> Sequence[Path | Frame]:
    reader = open_reader(part.strip())
    if reader is not None:
        return reader.images(split)
    path = Path(part.strip()).expanduser()
    if path.is_file() and path.suffix.lower() in VIDEO_SUFFIXES:
        return load_reader("video")(path).images("adapt")
    if root and not path.is_dir():
        path = Path(root).expanduser() / part.strip()
    return _target_files(require_folder(path, "target"), split)


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
    counts = {key: values.shape[:1] for key, values in found.items()}
    uneven = [key for key, count in counts.items() if count != counts["files"]]
    if uneven:
        raise ValueError(f"{folder / ANNOTATIONS} cannot be read: {', '.join(uneven)} lack rows of files; mend it")
    return found
