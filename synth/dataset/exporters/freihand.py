"""The layout of FreiHAND (Zimmermann et al. 2019), as its authors' loader reads it.

    training/rgb/00000000.jpg   training/mask/00000000.jpg
    training_K.json  training_xyz.json  training_mano.json  training_scale.json  training_verts.json

Confirmed from ``fh_utils.py`` and ``model.py`` of github.com/lmb-freiburg/freihand, and from loaders that others wrote:

- ``xyz``: 21 joints, metres, camera frame, in our own order (manopth's); ``K`` projects them.
- ``mano``: one row of 61 numbers: 48 of pose (the axis-angle of the wrist, then of 15 joints *minus the model's mean
  pose*), 10 of shape, the place of the root (middle knuckle) in the image, and a scale. The loader takes the place as
  (uv - principal point) / scale and the depth as focal / scale, focal being the mean of fx and fy. We choose uv and
  scale so that this gives the root exactly: where fx and fy differ, uv is not quite the root's projection.
- ``scale``: length of the middle finger's first bone (joints 9 to 10) in metres.
- Masks are three equal channels: there is a loader that reads any grey level above 0 as hand where it finds one only.
- The loader takes image 32560 + i for another version of sample i, so an export holds at most 32,560 samples. Scripts
  that loop over 32,560 samples (the viewer does) stop at the end of a shorter export.

Different from FreiHAND:

- With ``hand=open``, pose, shape and vertices are the open hand's: the pose is relative to *its* mean pose, the shape
  coefficients mean nothing to MANO, and a mesh has 1,681 vertices instead of 778. Loaders that pose MANO with them get
  another hand; those that read joints are not affected. Renders of MANO itself have MANO's numbers.
- Images keep the dataset's size unless ``image_size=224`` is given; some loaders expect 224.

Not confirmed, as the documentation is silent: whether pixel (0, 0) of FreiHAND has its centre at 0 or at 0.5 (ours:
0); whether its masks end at the wrist (ours do: the hand's parts without forearm, where nothing is in front of it).
"""

from pathlib import Path

import cv2
import numpy as np
import torch
from jaxtyping import Float

from synth.common.conventions import HAND_PARTS, RIGHT, ROOT_JOINT
from synth.dataset.exporter import Exporter, ExportSource, JsonList, rounded, write_image
from synth.dataset.sample import HandSample
from synth.hand import HandModel, load_hand

NAMES = ("K", "xyz", "mano", "scale", "verts")
SCALE_BONE = (9, 10)
MASK_JPEG = (cv2.IMWRITE_JPEG_QUALITY, 97)
MAX_JOINT_ERROR_M = 1e-4


class Format(Exporter):
    """FreiHAND's training set."""

    most = 32560
    image_px = 224

    def __init__(self, out: Path, source: ExportSource):
        super().__init__(out, source)
        self._arrays = load_hand(source.hand)
        self._model = HandModel(self._arrays)
        for folder in ("rgb", "mask"):
            (out / "training" / folder).mkdir(parents=True)
        self._lists = {name: JsonList(out / f"training_{name}.json") for name in NAMES}
        for values in self._lists.values():
            self.files.callback(values.close)

    def add(self, number: int, sample: HandSample, jpeg: bytes) -> None:
        if sample.handedness != RIGHT:
            raise ValueError(f"sample {sample.index} is a left hand, and FreiHAND has right ones only; use format=rhd")
        on_hand = (sample.segmentation >= HAND_PARTS.start) & (sample.segmentation < HAND_PARTS.stop)
        mask = np.repeat((on_hand * np.uint8(255))[..., None], 3, axis=2)
        (self.out / "training" / "rgb" / f"{number:08d}.jpg").write_bytes(jpeg)
        write_image(self.out / "training" / "mask" / f"{number:08d}.jpg", mask, *MASK_JPEG)
        start, end = SCALE_BONE
        values = {
            "K": rounded(sample.K, 6),
            "xyz": rounded(sample.joints_cam, 7),
            "mano": [rounded(self._mano_row(sample), 7)],
            "scale": round(float(np.linalg.norm(sample.joints_cam[end] - sample.joints_cam[start])), 7),
            "verts": rounded(self._verts(sample), 6),
        }
        for name, value in values.items():
            self._lists[name].append(value)

    def finish(self) -> None:
        self.close()

    def _mano_row(self, sample: HandSample) -> Float[np.ndarray, "61"]:
        """Pose, shape, place of the root and scale, as ``recover_root`` of FreiHAND's loader inverts them."""
        fingers = sample.pose_aa[1:].ravel() - self._arrays.hands_mean
        root = sample.joints_cam[ROOT_JOINT]
        scale = (sample.K[0, 0] + sample.K[1, 1]) / 2 / root[2]
        uv_root = sample.K[:2, 2] + root[:2] * scale
        return np.concatenate([sample.pose_aa[0], fingers, sample.betas, uv_root, [scale]])

    @torch.no_grad()
    def _verts(self, sample: HandSample) -> Float[np.ndarray, "verts 3"]:
        """Vertices in metres, camera frame.

        Raises:
            ValueError: when the hand puts the joints elsewhere than the dataset: it is another hand.
        """
        row = [torch.as_tensor(x, dtype=torch.float32)[None] for x in (sample.pose_aa, sample.betas, sample.transl)]
        mesh = self._model(*row)
        if np.abs(mesh.joints[0].numpy() - sample.joints_cam).max() > MAX_JOINT_ERROR_M:
            raise ValueError(
                f"hand={self.source.hand} does not give the joints of sample {sample.index}: "
                f"it is not the hand that the dataset was made with; give that one"
            )
        return mesh.verts[0].numpy()
