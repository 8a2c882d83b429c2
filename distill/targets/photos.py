"""The photos of one or several targets: which set each is of, how sets share a batch, which are neighbours."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Int
from torch.utils.data import ConcatDataset, Subset

from dualmod.data.image_collections import Frame
from dualmod.data.image_sets import open_target
from dualmod.data.video import VideoFrame

PHOTO, SET = BALANCES = ("photo", "set")


@dataclass(frozen=True)
class TargetPhotos:
    """Photos of all targets, one after another.

    Attributes:
        images: sRGB images.
        sets: Number of the target that each photo comes from.
        neighbours: Photo before and after each one in its video; -1 where there is none.
    """

    images: Sequence[np.ndarray]
    sets: Int[np.ndarray, "photos"]
    neighbours: Int[np.ndarray, "photos 2"]

    def __len__(self) -> int:
        return len(self.sets)

    def rows(self, chosen: Int[np.ndarray, "chosen"]) -> "TargetPhotos":
        """Some of the photos, each on its own: their neighbours stay behind."""
        images = Subset(self.images, chosen.tolist())  # type: ignore[arg-type]
        return TargetPhotos(images, self.sets[chosen], np.full((len(chosen), 2), -1))  # type: ignore[arg-type]

    def draw(self, count: int, balance: str, rng: np.random.Generator) -> Int[np.ndarray, "count"]:
        """Photos of a batch: each as likely as any other, or each set as likely (``balance``)."""
        if balance == PHOTO or self.sets[-1] == 0:
            return rng.integers(len(self), size=count)
        sizes = np.bincount(self.sets)
        chosen = rng.integers(len(sizes), size=count)
        first = np.concatenate([[0], np.cumsum(sizes)[:-1]])
        return first[chosen] + rng.integers(sizes[chosen])


def open_photos(target: str, root: str) -> TargetPhotos:
    """The photos of every target in ``target``, which are separated by commas.

    Raises:
        FileNotFoundError: when a folder is missing.
        ValueError: when a target holds no image that can be read.
    """
    parts = [open_target(part.strip(), root=root) for part in target.split(",")]
    images = ConcatDataset(parts)  # type: ignore[arg-type]
    sets = np.repeat(np.arange(len(parts)), [len(part) for part in parts])
    return TargetPhotos(images, sets, neighbours([image for part in parts for image in part.paths]))  # type: ignore[arg-type]


def neighbours(images: Sequence[Path | Frame]) -> Int[np.ndarray, "photos 2"]:
    """Rows of the frame before and after: frames of a video, or files of one folder whose names end in a number."""
    rows = {key: row for row, key in enumerate(map(_frame, images)) if key is not None}
    found = np.full((len(images), 2), -1)
    for (place, number), row in rows.items():
        found[row] = [rows.get((place, number + step), -1) for step in (-1, 1)]
    return found


def _frame(image: Path | Frame) -> tuple[str, int] | None:
    """The video that an image is of, and its number: of a file, everything but the number that its name ends in."""
    if isinstance(image, VideoFrame):
        return str(image.video.path), image.index
    if not isinstance(image, Path):
        return None
    match = re.fullmatch(r"(.*?)(\d+)", image.stem)
    return (str(image.with_name(match[1] + image.suffix)), int(match[2])) if match else None
