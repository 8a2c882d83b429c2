"""COCO-style keypoints of hands: COCO-WholeBody, MMPose's conversions of other sets, and our own export.

Source: ``data_format.md`` of github.com/jin-s13/COCO-WholeBody, COCO's format page, MMPose's documentation and test
files for OneHand10K, Panoptic and RHD, and its issue 1261 on the joints of RHD.

    annotations/coco_wholebody_val_v1.0.json  val2017/000000000139.jpg     (COCO-WholeBody with COCO 2017)
    annotations/onehand10k_test.json  Test/source/1.jpg                    (MMPose; file_name is below the folder)
    annotations/rhd_test.json  evaluation/color/00000.png                  (MMPose)
    annotations/hand_keypoints.json  images/00000000.jpg                   (``export format=coco``)

- An annotation has ``keypoints`` of 21 (x, y, v), flat or nested, or those of a person with ``lefthand_kpts`` and
  ``righthand_kpts``; each hand is a row. MMPose's InterHand2.6M has none of these and is for the reader ``interhand``.
- Joints: by the names in ``categories``, which are MMPose's or ours in any sequence; others are refused. Without names
  of 21 joints: wrist, then thumb to little finger, each from the base (our order). Labelled where v > 0.
- MMPose numbers joints from a finger's base, but in its RHD from the tip, under the same names and skeleton. That file
  is told by ``info.description``, RHD. As nothing else would show it, a file of ten hands or more is refused where most
  have longer bones at the tips than at the knuckles.
- Box: ``bbox``, ``lefthand_box``, ``righthand_box`` (x, y, width, height from the image's corner), made one about pixel
  centres by half a pixel.
- Handedness: left and right hand of the person, or ``hand_type``; else unknown.
- 3D, where there is ``joint_cam`` of 21 (millimetres) and the image's ``cam_param`` (``focal``, ``princpt``).
- Splits: the annotation file with ``train``, ``val`` or ``test`` in its name (``test`` falls back to ``val``). Where no
  file has any of these in its name there is one split, and whoever adapts and tests on it uses the same images.
  A target opens no annotation: it takes the folders of images named after the split, or all if none is named so, and
  in them no folder ``mask`` or ``depth``. No pose parameters are read.

Not confirmed: that the whole RHD files of MMPose say RHD as its test file does; whether keypoints count from a pixel's
corner or its centre (taken: centre, as MMPose does).
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from dualmod.data.reader import HandLabel, Reader, intrinsics
from synth.common.conventions import FINGERS, JOINT_NAMES, LEFT, NUM_JOINTS, RIGHT, UNKNOWN
from synth.dataset.exporters.coco import KEYPOINT_NAMES
from synth.hand import to_ours

ANNOTATIONS = "annotations"
WORDS = ("train", "val", "test")
FALLBACKS = {"test": ("test", "val"), "val": ("val",), "train": ("train",), "all": ()}
NOT_PHOTOGRAPHS = ("mask", "depth")
"""Folders beside those of photographs in OneHand10K and RHD."""
TIPS_FIRST = "RHD"
"""``info.description`` of the file in which MMPose's number 1 is the fingertip."""
KNUCKLES = np.array([JOINT_NAMES.index(f"{finger}_mcp") for finger in FINGERS if finger != "thumb"])
FEWEST_HANDS = 10
"""So many hands tell by their bones which way fingers run; in five sets of photographs at most 7 % mislead."""


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
        found = [path for name in named or ["."] for path in self.image_files(name)]
        return [path for path in found if path.parent.name not in NOT_PHOTOGRAPHS]

    def labels(self, split: str) -> Iterator[HandLabel]:
        file = self._annotation_file(split)
        content = self.read_json(file)
        try:
            images = {image["id"]: image for image in content["images"]}
            places = self._joint_places(file, content)
            hands = [
                self._label(file, images[annotation["image_id"]], places[annotation.get("category_id")], **hand)
                for annotation in content["annotations"]
                for hand in hands_of(annotation)
            ]
        except (KeyError, TypeError) as error:
            raise self.damaged(file, f"no entry {error}") from error
        if run_from_tip_to_base(hands):
            raise ValueError(
                f"{self.entry}: fingers of {file} run the other way round than it says: bones at the tips are longer "
                f"than at the knuckles; mend info.description ({TIPS_FIRST}: thumb1 is a tip) or names in categories"
            )
        yield from hands

    def _joint_places(self, file: str, content: dict[str, Any]) -> dict[Any, list[int]]:
        """Of each category, where our joints stand among the keypoints of an annotation."""
        info = content.get("info")
        tips_first = isinstance(info, dict) and info.get("description") == TIPS_FIRST
        places = defaultdict(lambda: places_of(KEYPOINT_NAMES, tips_first))
        for category in content.get("categories", []):
            names = category.get("keypoints", [])
            if len(names) == NUM_JOINTS:
                try:
                    places[category["id"]] = places_of(names, tips_first)
                except ValueError as error:
                    raise ValueError(f"{self.entry}: {file}: {error}") from error
        return places

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
        self,
        file: str,
        image: dict[str, Any],
        places: list[int],
        *,
        keypoints: Any,
        box: Any,
        handedness: str,
        joints_mm: Any,
    ) -> HandLabel:
        shape = (3 * NUM_JOINTS,) if len(keypoints) == 3 * NUM_JOINTS else (NUM_JOINTS, 3)
        points = self.array(keypoints, shape, file).reshape(NUM_JOINTS, 3)[places]
        camera = image.get("cam_param")
        has_3d = joints_mm is not None and camera is not None
        return HandLabel(
            file=self._image_file(str(image["file_name"]), file),
            joints_px=points[:, :2],
            visible=points[:, 2] > 0,
            handedness=handedness,
            joints_cam=self.array(joints_mm, (NUM_JOINTS, 3), file)[places] / 1000 if has_3d else None,
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


def places_of(names: Sequence[str], tips_first: bool) -> list[int]:
    """Where our joints stand among keypoints of these names.

    Args:
        names: MMPose's names of the 21 keypoints, or ours, in any sequence.
        tips_first: Whether MMPose's number 1 is the tip of a finger, as in its RHD, not the base.

    Raises:
        ValueError: when the names are others.
    """
    if sorted(names) == sorted(JOINT_NAMES):
        return [names.index(name) for name in JOINT_NAMES]
    if sorted(names) != sorted(KEYPOINT_NAMES):
        legal = f"{', '.join(KEYPOINT_NAMES)}; or {', '.join(JOINT_NAMES)}"
        raise ValueError(f"names of keypoints are unknown ({', '.join(names)}); legal: {legal}")
    places = np.array([names.index(name) for name in KEYPOINT_NAMES])[:, None]
    return to_ours(places, "rhd" if tips_first else "ours")[:, 0].tolist()


def run_from_tip_to_base(hands: Sequence[HandLabel]) -> bool:
    """Whether most of ten hands or more have longer bones at the tips than at the knuckles, which no hand has."""
    if len(hands) < FEWEST_HANDS:
        return False
    points = np.stack([np.where(hand.visible[:, None], hand.joints_px, np.nan) for hand in hands])
    first, last = (np.linalg.norm(points[:, KNUCKLES + k + 1] - points[:, KNUCKLES + k], axis=-1) for k in (0, 2))
    known = np.isfinite(first) & np.isfinite(last)
    longer = np.where(known, last - first, 0).sum(1)[known.any(1)]
    return len(longer) >= FEWEST_HANDS and int((longer > 0).sum()) > len(longer) / 2


def corner_box(box: np.ndarray) -> np.ndarray | None:
    """x0, y0, x1, y1 about pixel centres from x, y, width, height of the image's corner; None where it is empty."""
    if not (box[2:] > 0).all():
        return None
    return np.concatenate([box[:2], box[:2] + box[2:]]) - 0.5
