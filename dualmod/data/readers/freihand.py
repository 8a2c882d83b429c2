"""FreiHAND (Zimmermann et al., ICCV 2019), version 2.

Source: ``utils/fh_utils.py``, ``view_samples.py`` and ``eval.py`` of github.com/lmb-freiburg/freihand.

    training/rgb/00000000.jpg  evaluation/rgb/00000000.jpg
    training_K.json  training_xyz.json  evaluation_K.json  evaluation_xyz.json

- Joints: 21 of MANO as manopth gives them, so our own order; fingertips are vertices of the mesh (manopth's set).
- Units: metres, camera frame x right, y down, z forward; ``K`` projects ``xyz``.
- Handedness: right hands alone, as the MANO model that was fitted is the right one.
- Splits: 32,560 training samples, each in 4 versions (image 32560 v + i shows sample i with another background), and
  3,960 to evaluate on. Labels are read for version 0 (green screen); a target takes all versions that are there.
- ``evaluation_xyz.json`` came later and in an archive of its own; without it the evaluation images serve as a target.
- Pose parameters (``*_mano.json``, angles minus MANO's mean pose) and vertices are not read.

Not confirmed, as the documentation is silent: whether pixel (0, 0) has its centre at 0 (taken) or at 0.5.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

from dualmod.data.reader import ALL_JOINTS, HandLabel, Reader, projected
from synth.common.conventions import NUM_JOINTS, RIGHT
from synth.hand import to_ours


class Layout(Reader):
    """FreiHAND."""

    page = "https://lmb.informatik.uni-freiburg.de/projects/freihand/"
    licence = "research only, no commercial use"
    definition = "joints and fingertip vertices of a MANO fit (manopth's)"
    splits: ClassVar[dict[str, str]] = {"test": "evaluation", "train": "training", "adapt": "training"}

    def images(self, split: str) -> list[Path]:
        return self.image_files(f"{self.native(split)}/rgb", "*.jpg")

    def labels(self, split: str) -> Iterator[HandLabel]:
        native = self.native(split)
        xyz, cameras = (self.read_json(f"{native}_{part}.json") for part in ("xyz", "K"))
        if len(xyz) != len(cameras):
            raise self.damaged(f"{native}_K.json", f"{len(cameras)} cameras for {len(xyz)} samples")
        for i, (joints, camera) in enumerate(zip(xyz, cameras, strict=True)):
            joints_cam = to_ours(self.array(joints, (NUM_JOINTS, 3), f"{native}_xyz.json"), "freihand")
            K = self.array(camera, (3, 3), f"{native}_K.json")
            file = f"{native}/rgb/{i:08d}.jpg"
            yield HandLabel(file, projected(joints_cam, K), ALL_JOINTS, RIGHT, joints_cam, K)
