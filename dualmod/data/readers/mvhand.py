"""MVHand, the multi-view RGB-D hand dataset of Yu et al. (BMVC 2021).

Source: the readme, ``toolkits/toolkit.py``, ``toolkits/manolayer.py`` and ``toolkits/globalCamera/camera.py`` of
github.com/ShichengChen/multiviewDataset.

    7-14-1-2/rgb/00000_0.jpg ... 00000_3.jpg  7-14-1-2/calib.pkl  7-14-1-2/mlresults/7-14-1-2-joints.npy
    9-10-1-2/...  9-17-1-2/...  9-25-1-2/...

- Joints: 21 x 4 x 1 homogeneous points of each frame; wrist, then index, middle, ring, little finger and thumb, each
  from the base. In view v a point is ``inv(calib[serial of v]) @ point``, serials in ascending order.
- Units: millimetres; intrinsics of the four cameras stand in the toolkit. The toolkit cuts joints to whole
  millimetres, we do not.
- Handedness: right, as the MANO model that was fitted to the joints.
- Pose parameters (``*manoParam.pkl``: full axis-angle; the toolkit adds no mean pose to it) are not read.
- ``calib.pkl`` is read without running anything in it; it holds camera poses and no label, but a target does not open
  it either.
- Splits: the papers use half of the 84,000 images each and do not say which. Ours: the first two of the four recordings
  to adapt on, the other two (other people) to test on.

Not confirmed: who marked the joints and where exactly; whether pixel (0, 0) has its centre at 0 (taken) or at 0.5.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

import numpy as np
from jaxtyping import Float

from dualmod.data.reader import ALL_JOINTS, HandLabel, Reader, intrinsics, projected
from synth.common.conventions import NUM_JOINTS, RIGHT
from synth.hand import to_ours
from synth.hand.mano.arrays_from_pickle import as_array
from synth.hand.mano.safe_pickle import read_inert

RECORDINGS = {"train": ("7-14-1-2", "9-10-1-2"), "test": ("9-17-1-2", "9-25-1-2")}
CAMERAS = {
    "840412062035": intrinsics(619.598, 619.116, 325.345, 245.441),
    "840412062037": intrinsics(615.85, 615.477, 316.062, 247.156),
    "840412062038": intrinsics(619.475, 619.189, 313.715, 223.921),
    "840412062076": intrinsics(615.665, 615.09, 306.514, 240.344),
}
"""K of each serial number in the order of the views."""


class Layout(Reader):
    """MVHand."""

    page = "https://github.com/ShichengChen/multiviewDataset"
    licence = "see the repository"
    definition = "21 joints from four RGB-D views; origin of the labels not documented"
    splits: ClassVar[dict[str, str]] = {"test": "test", "train": "train", "adapt": "train"}

    def images(self, split: str) -> list[Path]:
        recordings = RECORDINGS[self.native(split)]
        return [path for name in recordings for path in self.image_files(f"{name}/rgb", "*.jpg")]

    def labels(self, split: str) -> Iterator[HandLabel]:
        for name in RECORDINGS[self.native(split)]:
            poses = self._camera_poses(f"{name}/calib.pkl")
            for frame, joints_world in enumerate(self._joints(f"{name}/mlresults/{name}-joints.npy")):
                for view, (pose, K) in enumerate(zip(poses, CAMERAS.values(), strict=True)):
                    joints_cam = (joints_world @ np.linalg.inv(pose).T)[:, :3] / 1000
                    file = f"{name}/rgb/{frame:05d}_{view}.jpg"
                    yield HandLabel(file, projected(joints_cam, K), ALL_JOINTS, RIGHT, joints_cam, K, block=name)

    def _joints(self, file: str) -> Float[np.ndarray, "frames 21 4"]:
        try:
            values = np.load(self.require(file), allow_pickle=False)
        except (ValueError, EOFError) as error:
            raise self.damaged(file, str(error)) from error
        if values.size % (NUM_JOINTS * 4):
            raise self.damaged(file, f"{values.size} numbers are no homogeneous points of 21 joints")
        return to_ours(self.array(values.reshape(-1, NUM_JOINTS, 4), (-1, NUM_JOINTS, 4), file), "mvhand")

    def _camera_poses(self, file: str) -> list[Float[np.ndarray, "4 4"]]:
        try:
            content = read_inert(self.require(file).read_bytes())
            poses = [as_array(content[serial]) for serial in CAMERAS]
        except (KeyError, TypeError, ValueError) as error:
            raise self.damaged(file, f"no camera poses: {error}") from error
        return [self.array(pose, (4, 4), file) for pose in poses]
