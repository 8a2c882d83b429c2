"""CMU's hands with manual keypoint annotations (Simon et al., CVPR 2017; the Panoptic hand database).

Source: the dataset's page, and loaders of others for ``hand_labels.zip`` and ``hand_labels_synth.zip``.

    manual_train/NAME.jpg  manual_train/NAME.json  manual_test/NAME.jpg  manual_test/NAME.json

- A JSON file holds ``hand_pts`` (21 x 3: x, y, and 1 where the joint is labelled) and ``is_left``. An image with
  several hands comes several times under other names.
- Joints: wrist, then thumb to little finger, each from the base (our order), marked by people in 2D.
- Handedness: ``is_left``. Pixels of the stored image; no camera, no 3D, no pose parameters.
- Splits: ``manual_train`` (1,912 hands), ``manual_test`` (846).

Not confirmed: the pixel's centre (taken: 0).
"""

from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

from dualmod.data.reader import HandLabel, Reader
from synth.common.conventions import LEFT, NUM_JOINTS, RIGHT


class Layout(Reader):
    """CMU's manually labelled hands."""

    page = "http://domedb.perception.cs.cmu.edu/handdb.html"
    licence = "non-commercial research"
    kind = "gt2d"
    definition = "joints marked by people in 2D"
    splits: ClassVar[dict[str, str]] = {"test": "manual_test", "train": "manual_train", "adapt": "manual_train"}

    def images(self, split: str) -> list[Path]:
        return self.image_files(self.native(split), "*.jpg")

    def labels(self, split: str) -> Iterator[HandLabel]:
        native = self.native(split)
        files = sorted(self.require(native).glob("*.json"))
        if not files:
            raise FileNotFoundError(f"{self.entry} has no label {native}/*.json; download them from {self.page}")
        for path in files:
            file = path.relative_to(self.path).as_posix()
            content = self.read_json(file)
            if not isinstance(content, dict) or not {"hand_pts", "is_left"} <= content.keys():
                raise self.damaged(file, "it has no hand_pts and is_left")
            points = self.array(content["hand_pts"], (NUM_JOINTS, 3), file)
            handedness = LEFT if content["is_left"] else RIGHT
            yield HandLabel(file.removesuffix("json") + "jpg", points[:, :2], points[:, 2] > 0, handedness)
