"""RHD, the Rendered Hand Pose Dataset (Zimmermann and Brox, ICCV 2017), version 1.1.

Source: the dataset's readme, and ``create_binary_db.py`` and ``data/BinaryDbReader.py`` of
github.com/lmb-freiburg/hand3d.

    training/color/00000.png  training/anno_training.pickle
    evaluation/color/00000.png  evaluation/anno_evaluation.pickle

- The pickle is a dict from sample number to ``uv_vis`` (42 x 3: pixels, 1 where visible), ``xyz`` (42 x 3, metres,
  camera frame) and ``K``. It is read without running anything in it (``synth/hand/mano/safe_pickle.py``).
- Joints: of the renderer's rig. A hand is the wrist, then thumb to little finger, each from tip to palm.
- Handedness: rows 0 to 20 are the person's left hand, 21 to 41 the right one. Each hand with more than 16 visible
  joints is a row of its own, as RegDA takes them (``tllib``); other published protocols take one hand of each image.
- Splits: ``training`` (41,258 images) and ``evaluation`` (2,728). No pose parameters.

Not confirmed, as the documentation is silent: whether pixel (0, 0) has its centre at 0 (taken) or at 0.5.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from dualmod.data.reader import HandLabel, Reader
from synth.common.conventions import LEFT, NUM_JOINTS, RIGHT
from synth.hand import to_ours
from synth.hand.mano.arrays_from_pickle import as_array
from synth.hand.mano.opcode_scan import Limits
from synth.hand.mano.safe_pickle import read_inert

MOST_HIDDEN_JOINTS = 4
PICKLE_LIMITS = Limits(max_bytes=400_000_000, max_opcodes=20_000_000)
"""41,258 samples of three arrays each."""
HANDS = {LEFT: slice(0, NUM_JOINTS), RIGHT: slice(NUM_JOINTS, 2 * NUM_JOINTS)}


class Layout(Reader):
    """RHD."""

    page = "https://lmb.informatik.uni-freiburg.de/resources/datasets/RenderedHandposeDataset.en.html"
    licence = "research only, no commercial use"
    definition = "joints of the rendered character's rig; wrist, not palm"
    splits: ClassVar[dict[str, str]] = {"test": "evaluation", "train": "training", "adapt": "training"}

    def images(self, split: str) -> list[Path]:
        return self.image_files(f"{self.native(split)}/color", "*.png")

    def labels(self, split: str) -> Iterator[HandLabel]:
        native = self.native(split)
        file = f"{native}/anno_{native}.pickle"
        for number, record in self._records(file):
            try:
                values = {name: as_array(record[name]) for name in ("uv_vis", "xyz", "K")}
            except (KeyError, TypeError, ValueError) as error:
                raise self.damaged(file, f"sample {number}: {error}") from error
            uv_vis = self.array(values["uv_vis"], (2 * NUM_JOINTS, 3), file)
            xyz = self.array(values["xyz"], (2 * NUM_JOINTS, 3), file)
            K = self.array(values["K"], (3, 3), file)
            for handedness, rows in HANDS.items():
                hand = to_ours(uv_vis[rows], "rhd")
                visible = hand[:, 2] == 1
                if np.count_nonzero(~visible) <= MOST_HIDDEN_JOINTS:
                    image = f"{native}/color/{int(number):05d}.png"
                    yield HandLabel(image, hand[:, :2], visible, handedness, to_ours(xyz[rows], "rhd"), K)

    def _records(self, file: str) -> list[tuple[int, Any]]:
        try:
            content = read_inert(self.require(file).read_bytes(), PICKLE_LIMITS)
        except ValueError as error:
            raise self.damaged(file, str(error)) from error
        if not isinstance(content, dict) or not all(isinstance(key, int) for key in content):
            raise self.damaged(file, "it is no dict of samples by number")
        return sorted(content.items())
