"""A dataset that ``handbridge generate`` made, as labelled images: every sample is a row.

Source: our own; ``docs/dataset.md``.

    manifest.json  shard-000000.tar (00000000.rgb.jpg, .depth.png, .seg.png, .json, ...)  shard-000001.tar

- Joints: our own order; all 21 count, hidden ones and those outside of the image too.
- Units: metres, camera frame x right, y down, z forward; ``K`` projects ``joints_cam`` onto ``joints_px``.
- Handedness: as the image shows it, right and left.
- Splits: one, whatever it is called: ``test`` and ``adapt`` are the same images. Renders to measure on are a dataset of
  their own, with another seed.
- Box: that of the 21 joints. Depth, segmentation and pose parameters are not read.

Not confirmed: nothing, the files are ours.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass, fields
from pathlib import Path
from typing import ClassVar

import numpy as np
from jaxtyping import UInt8

from dualmod.data.image_collections import LabelledImages
from dualmod.data.reader import ALL_JOINTS, HandLabel, Reader
from synth.common.conventions import NUM_JOINTS
from synth.dataset import SampleStore


@dataclass(frozen=True)
class Render:
    """The image of one sample."""

    store: SampleStore
    position: int

    @property
    def name(self) -> str:
        """As the row of this sample is called."""
        return _file(self.position)

    def read(self) -> UInt8[np.ndarray, "height width 3"]:
        """The image, sRGB.

        Raises:
            ValueError: when it cannot be decoded.
        """
        return self.store.rgb(self.position)


@dataclass(frozen=True)
class LabelledRenders(LabelledImages):
    """Labelled images that lie in shards.

    Attributes:
        store: The shards.
    """

    store: SampleStore

    def image(self, row: int) -> UInt8[np.ndarray, "height width 3"]:
        return self.store.rgb(int(self.files[row].partition(".")[0]))


class Layout(Reader):
    """A dataset made by generate."""

    page = "handbridge generate, which makes it"
    licence = "that of the hand model, and of what was drawn; see its manifest.json"
    definition = "joints of the hand model that made the renders, fingertip vertices on its surface"
    splits: ClassVar[dict[str, str]] = {"test": "all", "train": "all", "adapt": "all"}

    def __init__(self, path: str | Path) -> None:
        self.store = SampleStore(Path(path).expanduser())
        super().__init__(path)

    def images(self, split: str) -> list[Render]:
        self.native(split)
        return [Render(self.store, position) for position in range(len(self.store))]

    def labels(self, split: str) -> Iterator[HandLabel]:
        self.native(split)
        for position in range(len(self.store)):
            file = _file(position)
            try:
                found = json.loads(self.store.member(position, "json"))
                joints_px, joints_cam, K, hand = (found[n] for n in ("joints_px", "joints_cam", "K", "handedness"))
            except (ValueError, KeyError, TypeError) as error:
                raise self.damaged(file, f"its labels cannot be read: {error}") from error
            joints_px = self.array(joints_px, (NUM_JOINTS, 2), file)
            joints_cam, K = self.array(joints_cam, (NUM_JOINTS, 3), file), self.array(K, (3, 3), file)
            yield HandLabel(file, joints_px, ALL_JOINTS, hand, joints_cam, K)

    def labelled(self, split: str) -> LabelledRenders:
        plain = super().labelled(split)
        return LabelledRenders(**{f.name: getattr(plain, f.name) for f in fields(plain)}, store=self.store)

    def require(self, file: str) -> Path:
        """The shards were looked at when they were opened; a file here is a member of one."""
        return self.path / file


def _file(position: int) -> str:
    return f"{position:08d}.rgb.jpg"
