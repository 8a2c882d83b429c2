"""OneHand10K (Wang et al., IEEE TCSVT 2018).

Source: no official loader is public. The layout is that of two loaders of others that read the original release; one of
them lists the joints, and MMPose's conversion (``dataset_info``, test file) has the same order.

    Train/source/0001.jpg  Train/mask/0001.png  Train/label_joint.txt  Test/source/...  Test/label_joint.txt

- A line of ``label_joint.txt``: image, width, height, number of hands, then x, y of 21 joints, separated by commas; -1
  where a joint cannot be seen. MMPose's conversion of it to COCO's format is for the reader ``coco``.
- Joints: wrist (that loader says palm), then thumb to little finger, each from the base (our order), marked in 2D by
  people.
- Handedness: not labelled; unknown. Pixels of the stored image; no camera, no 3D, no pose parameters.
- Splits: ``Train`` (10,000 images) and ``Test`` (1,703).

Not confirmed by its authors: the order of the joints; the pixel's centre (taken: 0).
"""

from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

import numpy as np

from dualmod.data.reader import HandLabel, Reader
from synth.common.conventions import NUM_JOINTS, UNKNOWN
from synth.hand import to_ours

COLUMNS_BEFORE = 4
HIDDEN = -1


class Layout(Reader):
    """OneHand10K."""

    page = "https://www.yangangwang.com/papers/WANG-MCC-2018-10.html"
    licence = "research only, see the official page"
    kind = "gt2d"
    definition = "joints marked by people in 2D"
    splits: ClassVar[dict[str, str]] = {"test": "Test", "train": "Train", "adapt": "Train"}

    def images(self, split: str) -> list[Path]:
        return self.image_files(f"{self.native(split)}/source")

    def labels(self, split: str) -> Iterator[HandLabel]:
        native = self.native(split)
        file = f"{native}/label_joint.txt"
        for number, line in enumerate(self.require(file).read_text(encoding="utf-8").splitlines(), 1):
            cells = [cell.strip() for cell in line.rstrip(", ").split(",")]
            if cells == [""]:
                continue
            try:
                values = np.array([float(cell) for cell in cells[COLUMNS_BEFORE:]])
            except ValueError as error:
                raise self.damaged(file, f"line {number}: {error}") from error
            if values.size != 2 * NUM_JOINTS:
                raise self.damaged(file, f"line {number} has {values.size} numbers for {NUM_JOINTS} joints")
            joints_px = to_ours(values.reshape(NUM_JOINTS, 2), "onehand10k")
            visible = (joints_px != HIDDEN).all(1)
            yield HandLabel(f"{native}/source/{cells[0]}", joints_px, visible, UNKNOWN)
