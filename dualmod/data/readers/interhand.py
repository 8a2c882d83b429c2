"""InterHand2.6M (Moon et al., ECCV 2020), its single hands.

Source: ``data/InterHand2.6M/dataset.py``, ``tool/MANO_render/render.py`` and the readme of
github.com/facebookresearch/InterHand2.6M, and the dataset's page. The folder of each split is that of release 1.0; the
first release has ``annotations/all``, and the split ``val`` in ``annotations/machine_annot`` alone.

    images/test/Capture0/ROM03_RT_No_Occlusion/cam400262/image15012.jpg
    annotations/test/InterHand2.6M_test_data.json  ..._camera.json  ..._joint_3d.json

- Joints: 42 in world coordinates, the right hand first; each finger from tip to base, thumb to little finger, the wrist
  last (``skeleton.txt``). Keypoints triangulated from several views; fingertips lie on the surface.
- Units: millimetres; camera frame ``camrot (world - campos)``, K from ``focal`` and ``princpt``.
- Handedness: ``hand_type`` of the image; those of interacting hands are left out of the labels.
- Splits: ``train``, ``val``, ``test``. Joints that ``joint_valid`` does not mark do not count in 2D, and a hand with
  any of them has no 3D labels here.
- Pose parameters (``*_MANO_NeuralAnnot.json``: axis-angle in the world frame, less MANO's mean pose, which has to be
  added: ``flat_hand_mean=False``) are not read.
- A target takes all images of its split but those whose sequence is named after two hands (``2_Hand``,
  ``Interaction``, ``_dh_``).

Not confirmed: that these names mark all sequences of two hands; whether pixel (0, 0) has its centre at 0 (taken).
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from dualmod.data.reader import HandLabel, Reader, intrinsics, projected
from synth.common.conventions import LEFT, NUM_JOINTS, RIGHT
from synth.hand import to_ours

HANDS = {RIGHT: slice(0, NUM_JOINTS), LEFT: slice(NUM_JOINTS, 2 * NUM_JOINTS)}
TWO_HANDS = ("2_Hand", "Interaction", "_dh_")
FIRST_RELEASE = ("all", "machine_annot")
"""Folders of annotations of the first release, the fuller one first."""


class Layout(Reader):
    """InterHand2.6M."""

    page = "https://mks0601.github.io/InterHand2.6M/"
    licence = "CC BY-NC 4.0"
    definition = "keypoints triangulated from many views, fingertips on the surface; single hands"
    splits: ClassVar[dict[str, str]] = {"test": "test", "train": "train", "adapt": "train", "val": "val"}

    def images(self, split: str) -> list[Path]:
        files = self.image_files(f"images/{self.native(split)}", "*.jpg")
        return [p for p in files if not any(word in p.relative_to(self.path).as_posix() for word in TWO_HANDS)]

    def labels(self, split: str) -> Iterator[HandLabel]:
        native = self.native(split)
        file = f"annotations/{self._folder(native)}/InterHand2.6M_{native}_{{}}.json"
        data, cameras, joints = (self.read_json(file.format(part)) for part in ("data", "camera", "joint_3d"))
        try:
            images = {image["id"]: image for image in data["images"]}
            for annotation in data["annotations"]:
                if annotation["hand_type"] in HANDS:
                    image = images[annotation["image_id"]]
                    world = joints[str(image["capture"])][str(image["frame_idx"])]["world_coord"]
                    camera = {k: cameras[str(image["capture"])][k][str(image["camera"])] for k in CAMERA_SHAPES}
                    yield self._label(f"images/{native}/{image['file_name']}", annotation, world, camera)
        except (KeyError, TypeError) as error:
            raise self.damaged(file.format("*"), f"no entry {error}") from error

    def _folder(self, native: str) -> str:
        """Where the annotations of a split are: in its own folder, or in one of the first release."""
        for folder in (native, *FIRST_RELEASE):
            if (self.path / "annotations" / folder / f"InterHand2.6M_{native}_data.json").is_file():
                return folder
        return native

    def _label(self, image: str, annotation: dict[str, Any], world: Any, camera: dict[str, Any]) -> HandLabel:
        file = "annotations"
        R, centre, focal, point = (self.array(camera[key], shape, file) for key, shape in CAMERA_SHAPES.items())
        rows = HANDS[annotation["hand_type"]]
        world_mm = self.array(world, (2 * NUM_JOINTS, 3), file)[rows]
        valid = np.asarray(annotation["joint_valid"]).reshape(-1)
        if valid.shape != (2 * NUM_JOINTS,):
            raise self.damaged(file, f"joint_valid of {image} has {valid.size} numbers, not {2 * NUM_JOINTS}")
        visible = to_ours((valid[rows] > 0)[:, None], "interhand")[:, 0]
        joints_cam = to_ours((world_mm - centre) @ R.T / 1000, "interhand")
        K = intrinsics(*focal, *point)
        in_3d = joints_cam if visible.all() else None
        joints_px, block = projected(joints_cam, K), str(Path(image).parents[1])
        return HandLabel(image, joints_px, visible, annotation["hand_type"], in_3d, K, block=block)


CAMERA_SHAPES = {"camrot": (3, 3), "campos": (3,), "focal": (2,), "princpt": (2,)}
