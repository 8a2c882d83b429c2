"""Hand-3D-Studio (Zhao et al., ICME 2020), the cropped release of RegDA's authors.

Source: ``tllib/vision/datasets/keypoint_detection/hand_3d_studio.py`` of github.com/thuml/Transfer-Learning-Library.

    H3D_crop/annotation.json  H3D_crop/part1/...  ...  H3D_crop/part5/...

- ``annotation.json``: a list of ``name`` (image below the folder), ``keypoint2d`` (21 x 2, pixels of the crop),
  ``keypoint3d`` (21 x 3, camera frame), ``intrinsic_matrix`` (of the crop) and ``without_object``.
- Joints: wrist, then thumb to little finger, each from the base (our order: the loader takes 9 for the middle MCP).
- Units: not documented; ``tllib`` divides the scale out, SemiHand sets a reference bone to 40 mm. So do we, with the
  middle finger's first bone: 3D errors are those of a hand of that size.
- Handedness: not documented; unknown. No pose parameters.
- Splits: ``tllib`` draws its test images from the label file with a seed, which a target may not open, so the split
  here is our own: by a checksum of the image's path, a fifth to test on.
- Objects: labels are of images without one (``without_object``), as in the papers. A target takes all images of its
  split, those with an object too, as only the label file tells them apart; RegDA adapts to those without.

Not confirmed: that no part of an image's path tells whether it shows an object; that all of ``keypoint3d`` is in the
camera frame of ``intrinsic_matrix`` with z forward (``tllib`` takes its third number for the depth); the layout of the
original release, whose loader is not public.
"""

import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

import numpy as np

from dualmod.data.reader import ALL_JOINTS, HandLabel, Reader
from synth.common.conventions import NUM_JOINTS, UNKNOWN

ANNOTATIONS = "annotation.json"
FIRST_BONE = (9, 10)
FIRST_BONE_M = 0.040
TEST_SHARE = 5
"""One image in this many is for testing."""


class Layout(Reader):
    """Hand-3D-Studio."""

    page = "https://www.yangangwang.com/papers/ZHAO-H3S-2020-02.html"
    licence = "see the official page"
    definition = "from several views; scaled to a first middle bone of 40 mm; hands without objects"
    splits: ClassVar[dict[str, str]] = {"test": "test", "train": "train", "adapt": "train"}

    def images(self, split: str) -> list[Path]:
        native, root = self.native(split), self._root()
        files = self.image_files(root)
        return [p for p in files if split_of(p.relative_to(self.path / root).as_posix()) == native]

    def labels(self, split: str) -> Iterator[HandLabel]:
        native, root = self.native(split), self._root()
        file = f"{root}/{ANNOTATIONS}"
        for sample in self.read_json(file):
            try:
                name, is_empty_hand = str(sample["name"]), int(sample["without_object"]) == 1
                values = [sample[key] for key in ("keypoint2d", "keypoint3d", "intrinsic_matrix")]
            except (KeyError, TypeError, ValueError) as error:
                raise self.damaged(file, f"a sample has no {error}") from error
            if not is_empty_hand or split_of(Path(name).as_posix()) != native:
                continue
            shapes = ((NUM_JOINTS, 2), (NUM_JOINTS, 3), (3, 3))
            joints_px, joints, K = (self.array(v, shape, file) for v, shape in zip(values, shapes, strict=True))
            bone = float(np.linalg.norm(joints[FIRST_BONE[1]] - joints[FIRST_BONE[0]]))
            if not bone > 0:
                raise self.damaged(file, f"the middle finger of {name} has no length")
            joints_cam = joints * FIRST_BONE_M / bone
            yield HandLabel(f"{root}/{name}", joints_px, ALL_JOINTS, UNKNOWN, joints_cam, K)

    def _root(self) -> str:
        """The folder ``H3D_crop``, or the given one where it is that folder."""
        return "H3D_crop" if (self.path / "H3D_crop").is_dir() or not (self.path / "part1").is_dir() else "."


def split_of(name: str) -> str:
    """Our split of an image, by its path below ``H3D_crop``."""
    return "train" if zlib.crc32(name.encode()) % TEST_SHARE else "test"
