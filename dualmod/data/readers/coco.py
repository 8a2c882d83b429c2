"""COCO-style keypoints of hands: COCO-WholeBody, MMPose's conversions of other sets, and our own export.

Source: ``data_format.md`` of github.com/jin-s13/COCO-WholeBody, COCO's format page, and MMPose's test files for
OneHand10K, Panoptic, RHD and InterHand2.6M.

    annotations/coco_wholebody_val_v1.0.json  val2017/000000000139.jpg     (COCO-WholeBody with COCO 2017)
    annotations/onehand10k_test.json  Test/source/1.jpg                    (MMPose; file_name is below the folder)
    annotations/hand_keypoints.json  images/00000000.jpg                   (``export format=coco``)

- An annotation has ``keypoints`` of 21 (x, y, v), or those of a person with ``lefthand_kpts`` and ``righthand_kpts``;
  each hand is a row.
- Joints: wrist, then thumb to little finger, each from the base (our order); labelled where v > 0.
- Box: ``bbox``, ``lefthand_box``, ``righthand_box`` (x, y, width, height from the image's corner), made one about pixel
  centres by half a pixel.
- Handedness: left and right hand of the person, or ``hand_type``; else unknown.
- 3D, where there is ``joint_cam`` of 21 (millimetres) and the image's ``cam_param`` (``focal``, ``princpt``).
- Splits: the annotation file with ``train``, ``val`` or ``test`` in its name (``test`` falls back to ``val``). Where no
  file has any of these in its name there is one split, and whoever adapts and tests on it uses the same images.
  A target opens no annotation: it takes the folders of images named after the split, or all if none is named so. No
  pose parameters are read.

Not confirmed: whether keypoints count from a pixel's corner or its centre (taken: centre, as MMPose does).
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from dualmod.data.reader import HandLabel, Reader, intrinsics
from synth.conventions import LEFT, NUM_JOINTS, RIGHT, UNKNOWN

ANNOTATIONS = "annotations"
WORDS = ("train", "val", "test")
FALLBACKS = {"test": ("test", "val"), "val": ("val",), "train": ("train",), "all": ()}


class Layout(Reader):
    """COCO-style keypoints."""

    page = "https://github.com/jin-s13/COCO-WholeBody (or the page of the set in this format)"
    licence = "COCO-WholeBody: non-commercial research; else the set's"
    kind = "gt2d"
    definition = "21 keypoints in COCO's format; marked by people or by the method of the set"
    splits: ClassVar[dict[str, str]] = {"test": "test", "train": "train", "adapt": "train", "val": "val", "all": "all"}

    def images(self, split: str) -> list[Path]:
        folders = [p.name for p in sorted(self.path.iterdir()) if p.is_dir() and p.name != ANNOTATIONS]
        named = self._of_split(folders, split, "folder of images in the folder")
        return [path for name in named or ["."] for path in self.image_files(name)]

    def labels(self, split: str) -> Iterator[HandLabel]:
        file = self._annotation_file(split)
        content = self.read_json(file)
        try:
            images = {image["id"]: image for image in content["images"]}
            for annotation in content["annotations"]:
                image = images[annotation["image_id"]]
                for hand in hands_of(annotation):
                    yield self._label(file, image, **hand)
        except (KeyError, TypeError) as error:
            raise self.damaged(file, f"no entry {error}") from error

    def _annotation_file(self, split: str) -> str:
        files = sorted(p.name for p in self.require(ANNOTATIONS).glob("*.json"))
        named = self._of_split(files, split, f"file in {ANNOTATIONS}") or files
        if not named:
            raise FileNotFoundError(f"{self.entry} lacks {ANNOTATIONS}/*.json; download it from {self.page}")
        return f"{ANNOTATIONS}/{named[0]}"

    def _of_split(self, names: list[str], split: str, what: str) -> list[str]:
        """Those of the names that have the split in them; none where no name has any split in it."""
        wanted = FALLBACKS[self.native(split)]
        for word in wanted:
            if found := [name for name in names if word in name.lower()]:
                return found
        if wanted and any(word in name.lower() for word in WORDS for name in names):
            shown = ", ".join(names)
            raise FileNotFoundError(
                f"{self.entry} has no {what} for split={split} but {shown}; download it from {self.page}"
            )
        return []

    def _label(
        self, file: str, image: dict[str, Any], keypoints: Any, box: Any, handedness: str, joints_mm: Any
    ) -> HandLabel:
        points = self.array(keypoints, (3 * NUM_JOINTS,), file).reshape(NUM_JOINTS, 3)
        camera = image.get("cam_param")
        has_3d = joints_mm is not None and camera is not None
        return HandLabel(
            file=self._image_file(str(image["file_name"]), file),
            joints_px=points[:, :2],
            visible=points[:, 2] > 0,
            handedness=handedness,
            joints_cam=self.array(joints_mm, (NUM_JOINTS, 3), file) / 1000 if has_3d else None,
            K=intrinsics(*camera["focal"], *camera["princpt"]) if has_3d and camera else None,
            box_px=corner_box(self.array(box, (4,), file)),
        )

    def _image_file(self, name: str, annotation_file: str) -> str:
        """Where the image is: below the folder, in ``images``, or in COCO's folder of that split."""
        coco_folder = "train2017/" if "train" in annotation_file else "val2017/"
        for folder in ("", "images/"):
            if (self.path / folder / name).is_file():
                return folder + name
        return coco_folder + name if (self.path / coco_folder).is_dir() else name


def hands_of(annotation: dict[str, Any]) -> list[dict[str, Any]]:
    """Keypoints, box, handedness and joints of each labelled hand of an annotation."""
    if "lefthand_kpts" in annotation:
        return [
            {"keypoints": annotation[f"{side}hand_kpts"], "box": annotation[f"{side}hand_box"], "handedness": side,
             "joints_mm": None}
            for side in (LEFT, RIGHT)
            if annotation[f"{side}hand_valid"]
        ]  # fmt: skip
    said = annotation.get("hand_type")
    return [
        {"keypoints": annotation["keypoints"], "box": annotation["bbox"], "joints_mm": annotation.get("joint_cam"),
         "handedness": said if said in (LEFT, RIGHT) else UNKNOWN}
    ]  # fmt: skip


def corner_box(box: np.ndarray) -> np.ndarray | None:
    """x0, y0, x1, y1 about pixel centres from x, y, width, height of the image's corner; None where it is empty."""
    if not (box[2:] > 0).all():
        return None
    return np.concatenate([box[:2], box[:2] + box[2:]]) - 0.5
