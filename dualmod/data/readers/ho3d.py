"""HO-3D (Hampali et al., CVPR 2020), versions 2 and 3.

Source: ``vis_HO3D.py``, ``setup_mano.py``, ``utils/vis_utils.py``, ``eval.py`` and the readme of
github.com/shreyashampali/ho3d; loaders of others for ``evaluation_xyz.json``.

    train/MC1/rgb/0000.png (v3: .jpg)  train/MC1/meta/0000.pkl  train.txt
    evaluation/SM1/rgb/0000.png (.jpg)  evaluation/SM1/meta/0000.pkl  evaluation.txt  evaluation_xyz.json

- Joints: 21 of MANO in MANO's order with the fingertips appended (the viewer's permutation is ours); the viewer takes
  vertices 744, 333, 444, 555 and 672 for the tips of thumb to little finger.
- Units: metres, in an OpenGL frame (y up, z backward), which becomes x, -y, -z; ``camMat`` projects.
- Handedness: right hands alone (readme).
- Splits: ``train.txt`` and ``evaluation.txt`` list the frames as SEQUENCE/FRAME. In the evaluation split a frame's
  pickle holds ``camMat``, the root joint and the hand's box; its joints are in ``evaluation_xyz.json``, one entry for
  each line of the list, which the authors released years after the images. It has MANO's order and the OpenGL frame,
  as the challenge asks of predictions and as loaders of others take it. A target takes all frames of the folders.
- The pickles are read without running anything in them. Pose parameters (``handPose``: full axis-angle relative to the
  flat hand, no mean to add) are not read.

Not confirmed: that the stored joints have the viewer's fingertips; whether pixel (0, 0) has its centre at 0 (taken) or
at 0.5.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from dualmod.data.reader import ALL_JOINTS, HandLabel, Reader, projected
from synth.common.conventions import NUM_JOINTS, RIGHT
from synth.hand import to_ours
from synth.hand.mano.arrays_from_pickle import as_array
from synth.hand.mano.safe_pickle import read_inert

FROM_OPENGL = np.array([1.0, -1.0, -1.0])


class Layout(Reader):
    """HO-3D."""

    page = "https://www.tugraz.at/index.php?id=40231"
    licence = "academic research only, no commercial use"
    definition = "joints and fingertip vertices of a MANO fit; hands hold objects"
    splits: ClassVar[dict[str, str]] = {"test": "evaluation", "train": "train", "adapt": "train"}

    def images(self, split: str) -> list[Path]:
        native = self.native(split)
        return [p for p in self.image_files(native) if p.parent.name == "rgb"]

    def labels(self, split: str) -> Iterator[HandLabel]:
        native = self.native(split)
        frames = self.require(f"{native}.txt").read_text(encoding="utf-8").split()
        given = self._given_joints(native, len(frames))
        for k, frame in enumerate(frames):
            sequence, _, number = frame.partition("/")
            file = f"{native}/{sequence}/meta/{number}.pkl"
            meta = self._meta(file)
            joints = given[k] if given is not None else meta.get("handJoints3D")
            if joints is None or meta.get("camMat") is None:
                continue  # the viewer skips frames without annotation too
            joints_cam = to_ours(self.array(joints, (NUM_JOINTS, 3), file), "ho3d") * FROM_OPENGL
            K = self.array(meta["camMat"], (3, 3), file)
            box = meta.get("handBoundingBox")
            yield HandLabel(
                self._image(f"{native}/{sequence}/rgb/{number}"),
                projected(joints_cam, K),
                ALL_JOINTS,
                RIGHT,
                joints_cam,
                K,
                None if box is None else self.array(box, (4,), file),
                block=sequence,
            )

    def _given_joints(self, native: str, count: int) -> list[Any] | None:
        if native == "train":
            return None
        joints = self.read_json("evaluation_xyz.json")
        if len(joints) != count:
            raise self.damaged("evaluation_xyz.json", f"{len(joints)} hands for {count} lines of evaluation.txt")
        return joints

    def _meta(self, file: str) -> dict[str, Any]:
        """The arrays of a frame's pickle, None for those that are not annotated."""
        try:
            content = read_inert(self.require(file).read_bytes())
            wanted = ("handJoints3D", "camMat", "handBoundingBox")
            return {key: value if isinstance(value, list | None) else as_array(value)
                    for key, value in content.items() if key in wanted}  # fmt: skip
        except (AttributeError, TypeError, ValueError) as error:
            raise self.damaged(file, str(error)) from error

    def _image(self, stem: str) -> str:
        """Version 2 has PNG files, version 3 JPEG."""
        return f"{stem}.jpg" if (self.path / f"{stem}.jpg").exists() else f"{stem}.png"
