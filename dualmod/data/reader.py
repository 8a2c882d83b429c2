"""What every reader of a public dataset is made of: the class to derive from, and how labels are checked and stacked.

A reader is one module of ``dualmod/data/readers`` whose class ``Layout`` derives from ``Reader``; the module's name is
the name in ``dataset=NAME:PATH`` and ``target=NAME:PATH``. It reads the dataset where it was unpacked, in the layout of
its authors, and gives joints in our order, in metres and in the camera frame of ``synth/common/conventions.py``.

What lists the images to adapt to (``images``) knows folders and file names alone and opens no label file.
"""

import abc
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from jaxtyping import Bool, Float

from dualmod.data.blocks import blocks_of
from dualmod.data.image_collections import IMAGE_SUFFIXES, Frame, LabelledImages
from dualmod.geometry.crop import joints_box
from synth.common.conventions import NUM_JOINTS


@dataclass(frozen=True)
class HandLabel:
    """One labelled hand in one image.

    Attributes:
        file: The image, below the dataset's folder.
        joints_px: Joints in pixels, our order; anything where not ``visible``.
        visible: Which joints are labelled and count in 2D.
        handedness: ``right``, ``left`` or ``unknown``, as the image shows it.
        joints_cam: Joints in metres, camera frame; None without 3D labels.
        K: Intrinsics; None where not known.
        box_px: The dataset's own box of the hand, x0, y0, x1, y1; None for that of the visible joints.
        block: Name of the recording that the image is of, which intervals resample as a whole; empty where the dataset
            names none: the image is a block of its own, with all of its hands.
    """

    file: str
    joints_px: Float[np.ndarray, "21 2"]
    visible: Bool[np.ndarray, "21"]
    handedness: str
    joints_cam: Float[np.ndarray, "21 3"] | None = None
    K: Float[np.ndarray, "3 3"] | None = None
    box_px: Float[np.ndarray, "4"] | None = None
    block: str = ""


class Reader(abc.ABC):
    """One dataset on disk.

    Attributes:
        page: Official page of the dataset, where it is downloaded.
        licence: Its terms in a few words.
        definition: What its joints are, for the metrics file.
        kind: Kind of its labels, one of ``real.LABEL_NOTES``; empty where it has none.
        splits: Our names of splits and those of the dataset; ``test`` is measured on, ``adapt`` is the usual target.
    """

    page: ClassVar[str]
    licence: ClassVar[str]
    definition: ClassVar[str]
    kind: ClassVar[str] = "gt3d"
    splits: ClassVar[dict[str, str]]

    def __init__(self, path: str | Path) -> None:
        """Open the dataset at ``path``.

        Raises:
            FileNotFoundError: when there is no such folder.
        """
        self.path = Path(path).expanduser()
        if not self.path.is_dir():
            raise FileNotFoundError(f"{self.entry} is no folder; unpack the download of {self.page} there")

    @property
    def name(self) -> str:
        """The reader's name."""
        return type(self).__module__.rpartition(".")[2]

    @property
    def entry(self) -> str:
        """The dataset as it is written on the command line."""
        return f"{self.name}:{self.path}"

    @abc.abstractmethod
    def images(self, split: str) -> Sequence[Path | Frame]:
        """The images of a split in a fixed order; opens no label file.

        Raises:
            FileNotFoundError: when a folder of images is missing or empty.
            ValueError: when there is no such split.
        """

    @abc.abstractmethod
    def labels(self, split: str) -> Iterator[HandLabel]:
        """The labelled hands of a split in a fixed order.

        Raises:
            FileNotFoundError: when a file of labels is missing.
            ValueError: when there is no such split, or a file does not hold what it should.
        """

    def labelled(self, split: str) -> LabelledImages:
        """The labelled hands of a split, one row each.

        Raises:
            FileNotFoundError: when a file of labels or an image is missing.
            ValueError: when there is no such split or no labelled hand in it, or a file is damaged.
        """
        rows = [row for row in self.labels(split) if row.visible.any()]
        if not rows:
            raise ValueError(f"{self.entry} has no labelled hand in split={split}; see {self.page}")
        for file in dict.fromkeys(row.file for row in rows):
            self.require(file)
        missing = {"joints_cam": np.full((NUM_JOINTS, 3), np.nan), "K": np.full((3, 3), np.nan)}
        return LabelledImages(
            name=self.name,
            folder=self.path,
            files=tuple(row.file for row in rows),
            joints_px=np.stack([np.where(row.visible[:, None], row.joints_px, np.nan) for row in rows]),
            visible=np.stack([row.visible for row in rows]),
            joints_cam=np.stack([missing["joints_cam"] if row.joints_cam is None else row.joints_cam for row in rows]),
            K=np.stack([missing["K"] if row.K is None else row.K for row in rows]),
            handedness=tuple(row.handedness for row in rows),
            boxes_px=np.stack(
                [joints_box(row.joints_px, row.visible) if row.box_px is None else row.box_px for row in rows]
            ),
            label_kind=self.kind,
            definition=self.definition,
            blocks=blocks_of([row.block or row.file for row in rows]),
        )

    def native(self, split: str) -> str:
        """The dataset's own name of a split; its own names are taken too.

        Raises:
            ValueError: when there is no such split.
        """
        if split in self.splits:
            return self.splits[split]
        if split in self.splits.values():
            return split
        legal = ", ".join(dict.fromkeys([*self.splits, *self.splits.values()]))
        raise ValueError(f"split={split} is unknown to {self.entry}; legal: {legal}")

    def require(self, file: str) -> Path:
        """A file or folder of the dataset.

        Raises:
            FileNotFoundError: one line that names it and the official page.
        """
        path = self.path / file
        if not path.exists():
            raise FileNotFoundError(f"{self.entry} lacks {file}; download it from {self.page}")
        return path

    def read_json(self, file: str) -> Any:
        """The content of a JSON file of the dataset.

        Raises:
            FileNotFoundError: when it is missing.
            ValueError: when it is no JSON.
        """
        path = self.require(file)
        try:
            with path.open(encoding="utf-8") as opened:
                return json.load(opened)
        except (ValueError, OSError) as error:
            raise self.damaged(file, str(error)) from error

    def array(self, values: Any, shape: tuple[int, ...], file: str) -> Float[np.ndarray, "..."]:
        """Numbers of a label file in a shape; -1 stands for any length.

        Raises:
            ValueError: when they have another shape; the message names the file.
        """
        try:
            found = np.asarray(values, np.float64)
        except (TypeError, ValueError) as error:
            raise self.damaged(file, "it holds something else than numbers") from error
        if found.ndim != len(shape) or any(
            want not in (-1, have) for want, have in zip(shape, found.shape, strict=True)
        ):
            raise self.damaged(file, f"labels have shape {found.shape}, not {shape}")
        return found

    def damaged(self, file: str, why: str) -> ValueError:
        """The error for a file that does not hold what it should, in one line."""
        return ValueError(f"{self.entry}: {file} is not as expected ({why}); download it again from {self.page}")

    def image_files(self, folder: str, pattern: str = "*") -> list[Path]:
        """The image files below a folder of the dataset that match, in order.

        Raises:
            FileNotFoundError: when the folder is missing or has none.
        """
        root = self.require(folder)
        files = sorted(p for p in root.rglob(pattern) if p.suffix.lower() in IMAGE_SUFFIXES)
        if not files:
            raise FileNotFoundError(f"{self.entry} has no image {folder}/{pattern}; download them from {self.page}")
        return files


def projected(joints_cam: Float[np.ndarray, "*n 3"], K: Float[np.ndarray, "3 3"]) -> Float[np.ndarray, "*n 2"]:
    """Joints (camera frame, any unit) in pixels."""
    homogeneous = joints_cam @ K.T
    return homogeneous[..., :2] / homogeneous[..., 2:]


def intrinsics(fx: float, fy: float, cx: float, cy: float) -> Float[np.ndarray, "3 3"]:
    """``K`` in pixels."""
    return np.array([[fx, 0.0, cx], [0.0, fy, cy], [0.0, 0.0, 1.0]])


ALL_JOINTS = np.ones(NUM_JOINTS, bool)
"""``visible`` where every joint is labelled."""
