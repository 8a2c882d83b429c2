"""STB, the Stereo Hand Pose Tracking Benchmark (Zhang et al., ICIP 2017).

Source: the readme of github.com/zhjwustc/icip17_stereo_hand_pose_dataset; for the wrist and the handedness
``data/BinaryDbReaderSTB.py`` of github.com/lmb-freiburg/hand3d.

    images/B1Counting/SK_color_0.png  images/B1Counting/BB_left_0.png
    labels/B1Counting_SK.mat  labels/B1Counting_BB.mat

- Joints: ``handPara`` (3 x 21 x 1500): the palm's centre, then little finger to thumb, each from the base. There is
  no wrist. As in hand3d it is put where the way from the ring MCP to the palm's centre leads when it goes twice as far.
  It does not count in 2D; in 3D it counts, with the error of that guess, and it is one end of the reference bone.
- Units: millimetres. ``_SK`` is in the frame of the RealSense's depth camera and comes into the colour camera by the
  readme's ``R \\ (xyz - t)``; ``_BB`` is in the frame of the left Bumblebee camera.
- Handedness: left hands alone (hand3d). Pose parameters: none.
- Splits, by the two sequences of a background: B1 to test on, B2 to B6 to train or adapt on; both for the colour images
  of the RealSense (``SK``, the 15,000 and 3,000 images of most papers), and for the left Bumblebee images (``BB``).

Not confirmed, as the documentation is silent: whether pixel (0, 0) has its centre at 0 (taken) or at 0.5.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

import cv2
import numpy as np
from jaxtyping import Float
from scipy.io import loadmat
from scipy.io.matlab import MatReadError

from dualmod.data.reader import HandLabel, Reader, intrinsics, projected
from synth.common.conventions import JOINT_NAMES, LEFT, NUM_JOINTS, WRIST
from synth.hand import to_ours

SEQUENCES = {
    "test": ("B1Counting", "B1Random"),
    "train": tuple(f"B{k}{kind}" for k in range(2, 7) for kind in ("Counting", "Random")),
}
K_SK = intrinsics(607.92271, 607.88192, 314.78337, 236.42484)
K_BB = intrinsics(822.79041, 822.79041, 318.47345, 250.31296)
R_DEPTH_COLOR = cv2.Rodrigues(np.array([0.00531, -0.01196, 0.00301]))[0]
T_DEPTH_COLOR_MM = np.array([-24.0381, -0.4563, -1.2326])
IMAGE_PREFIX = {"SK": "SK_color", "BB": "BB_left"}
RING_MCP = JOINT_NAMES.index("ring_mcp")
LABELLED = np.arange(NUM_JOINTS) != WRIST


class Layout(Reader):
    """STB."""

    page = "https://github.com/zhjwustc/icip17_stereo_hand_pose_dataset"
    licence = "MIT (the repository's)"
    definition = "marked in depth images; the wrist is extrapolated from ring MCP and the palm's centre, and not in 2D"
    splits: ClassVar[dict[str, str]] = {
        **{"test": "test_SK", "train": "train_SK", "adapt": "train_SK"},
        **{"test_bb": "test_BB", "train_bb": "train_BB"},
    }

    def images(self, split: str) -> list[Path]:
        sequences, camera = self._sequences(split)
        found = []
        for sequence in sequences:
            files = self.image_files(f"images/{sequence}", f"{IMAGE_PREFIX[camera]}_*.png")
            found += sorted(files, key=lambda path: int(path.stem.rpartition("_")[2]))
        return found

    def labels(self, split: str) -> Iterator[HandLabel]:
        sequences, camera = self._sequences(split)
        K = K_SK if camera == "SK" else K_BB
        for sequence in sequences:
            for i, palm_first in enumerate(self._hands_mm(f"labels/{sequence}_{camera}.mat")):
                joints_mm = to_ours(palm_first, "stb")
                joints_mm[WRIST] += joints_mm[WRIST] - joints_mm[RING_MCP]
                joints_cam = (into_color_camera(joints_mm) if camera == "SK" else joints_mm) / 1000
                file = f"images/{sequence}/{IMAGE_PREFIX[camera]}_{i}.png"
                yield HandLabel(file, projected(joints_cam, K), LABELLED, LEFT, joints_cam, K, block=sequence)

    def _sequences(self, split: str) -> tuple[tuple[str, ...], str]:
        part, _, camera = self.native(split).partition("_")
        return SEQUENCES[part], camera

    def _hands_mm(self, file: str) -> Float[np.ndarray, "frames 21 3"]:
        try:
            content = loadmat(self.require(file), variable_names=["handPara"])
        except (MatReadError, ValueError, TypeError, NotImplementedError, EOFError) as error:
            raise self.damaged(file, str(error)) from error
        if "handPara" not in content:
            raise self.damaged(file, "it has no array handPara")
        return self.array(content["handPara"], (3, NUM_JOINTS, -1), file).transpose(2, 1, 0).copy()


def into_color_camera(joints_mm: Float[np.ndarray, "*n 3"]) -> Float[np.ndarray, "*n 3"]:
    """Points of the RealSense's depth camera in the frame of its colour camera, mm."""
    return (joints_mm - T_DEPTH_COLOR_MM) @ R_DEPTH_COLOR
