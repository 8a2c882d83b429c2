"""COCO keypoints with the 21 of a hand, as MMPose reads OneHand10K and other sets of hands.

    images/00000000.jpg  annotations/hand_keypoints.json

Confirmed from COCO's format page as COCO-WholeBody's ``data_format.md`` repeats it, from MMPose's COCO reader, and from
MMPose's own test files for OneHand10K and RHD:

- One category, ``hand``, with MMPose's names of the keypoints (in our order) and a skeleton that counts from 1.
- A keypoint is x, y, v: v = 2 visible, 1 in the image but hidden, 0 (with x = y = 0) outside of the image.
- ``bbox`` is x, y, width, height of the box around the mask and the keypoints, from the image's corner.
- ``segmentation`` is an uncompressed run-length code (column by column, background first), which pycocotools takes for
  one object as well as for a crowd; polygons would lose holes and pixels.
- ``hand_type``, ``cam_param`` and ``joint_cam`` (millimetres) are what MMPose's RHD file has beside COCO's own keys.

Read once with pycocotools 2.0.11: masks and boxes agree, and labels scored against themselves have an AP of 1.

Pixel (0, 0) has its centre at 0, as in all of our data and in MMPose; COCO itself does not say. The mask is the hand
without the forearm, where nothing is in front of it.
"""

from pathlib import Path

import numpy as np
from jaxtyping import Bool

from synth.common.conventions import BONES, HAND_PARTS
from synth.dataset.exporter import Exporter, ExportSource, compact_json, rounded
from synth.dataset.sample import HandSample

ANNOTATION_FILE = "hand_keypoints.json"
HAND_ID = 1
FINGERS = ("thumb", "forefinger", "middle_finger", "ring_finger", "pinky_finger")
KEYPOINT_NAMES = ["wrist", *(f"{finger}{place}" for finger in FINGERS for place in (1, 2, 3, 4))]
CATEGORY = {
    "supercategory": "hand",
    "id": HAND_ID,
    "name": "hand",
    "keypoints": KEYPOINT_NAMES,
    "skeleton": [[parent + 1, child + 1] for parent, child in BONES],
}
M_TO_MM = 1000


class Format(Exporter):
    """COCO keypoints, one hand in each image."""

    def __init__(self, out: Path, source: ExportSource):
        super().__init__(out, source)
        for folder in ("images", "annotations"):
            (out / folder).mkdir()
        self._images: list[str] = []
        self._annotations: list[str] = []

    def add(self, number: int, sample: HandSample, jpeg: bytes) -> None:
        name = f"{number:08d}.jpg"
        (self.out / "images" / name).write_bytes(jpeg)
        height, width = sample.segmentation.shape
        K = sample.K
        camera = {"focal": rounded(K[(0, 1), (0, 1)], 6), "princpt": rounded(K[:2, 2], 6)}
        image = {"id": number, "file_name": name, "height": height, "width": width, "cam_param": camera}
        # kept as text: 100,000 nested lists of numbers would take ten times the memory
        self._images.append(compact_json(image))
        # pycocotools takes an annotation with id 0 for one without a match
        self._annotations.append(compact_json({"id": number + 1, "image_id": number} | annotation(sample)))

    def finish(self) -> None:
        notes = self.source.manifest.licence_notes
        parts = {
            "info": compact_json({"description": "rendered by handbridge", "version": "1.0"}),
            "licenses": compact_json([{"id": k, "name": note, "url": ""} for k, note in enumerate(notes, 1)]),
            "images": "[" + ",\n".join(self._images) + "]",
            "annotations": "[" + ",\n".join(self._annotations) + "]",
            "categories": compact_json([CATEGORY]),
        }
        with (self.out / "annotations" / ANNOTATION_FILE).open("w", encoding="utf-8") as file:
            file.write("{" + ",\n".join(f'"{key}":{text}' for key, text in parts.items()) + "}\n")


def annotation(sample: HandSample) -> dict:
    """The keys of one hand, without its ids."""
    mask = (sample.segmentation >= HAND_PARTS.start) & (sample.segmentation < HAND_PARTS.stop)
    height, width = mask.shape
    corner = np.array([width, height]) - 0.5
    inside = np.all((sample.joints_px > -0.5) & (sample.joints_px < corner), axis=1)
    flags = np.where(inside, np.where(sample.visible, 2, 1), 0)
    places = rounded(np.where(inside[:, None], sample.joints_px, 0), 4)
    return {
        "category_id": HAND_ID,
        "iscrowd": 0,
        "keypoints": [value for place, flag in zip(places, flags.tolist(), strict=True) for value in (*place, flag)],
        "num_keypoints": int(inside.sum()),
        "bbox": rounded(_box(mask, sample.joints_px[inside]), 4),
        "area": int(mask.sum()),
        "segmentation": {"size": [height, width], "counts": run_lengths(mask)},
        "hand_type": sample.handedness,
        "joint_cam": rounded(sample.joints_cam * M_TO_MM, 4),
    }


def run_lengths(mask: Bool[np.ndarray, "height width"]) -> list[int]:
    """Lengths of the runs of a mask read column by column; the first one is background and may be 0."""
    pixels = np.concatenate([[False], mask.ravel(order="F")])
    changes = np.flatnonzero(pixels[1:] != pixels[:-1])
    return np.diff(np.concatenate([[0], changes, [mask.size]])).tolist()


def _box(mask: Bool[np.ndarray, "height width"], points: np.ndarray) -> list[float]:
    """x, y, width, height around mask and points, where pixel 0 spans 0 to 1."""
    rows, columns = np.nonzero(mask)
    corners = np.concatenate([points + 0.5, np.stack([columns, rows], 1), np.stack([columns + 1, rows + 1], 1)])
    if not len(corners):
        return [0.0, 0.0, 0.0, 0.0]
    low, high = corners.min(0), corners.max(0)
    return [*low.tolist(), *(high - low).tolist()]
