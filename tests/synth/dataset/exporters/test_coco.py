"""A COCO export read back by a reader written from COCO's format page and MMPose's reader of COCO-style sets."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from synth.dataset import SampleStore
from synth.dataset.exporters.coco import annotation, run_lengths
from synth.export import ExportConfig, export


@pytest.fixture(scope="module")
def folder(tiny_data, tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("coco") / "set"
    return export(ExportConfig(data=str(tiny_data), out=str(out), format="coco"))


@pytest.fixture(scope="module")
def content(folder) -> dict:
    return json.loads((folder / "annotations" / "hand_keypoints.json").read_text())


def decoded(segmentation: dict) -> np.ndarray:
    """The mask of an uncompressed run-length code: columns first, background and object in turn."""
    height, width = segmentation["size"]
    pixels, value = [], 0
    for count in segmentation["counts"]:
        pixels += [value] * count
        value = 1 - value
    return np.array(pixels, bool).reshape(width, height).T


def test_every_image_has_one_hand(folder, content):
    assert [image["id"] for image in content["images"]] == list(range(24))
    assert [a["image_id"] for a in content["annotations"]] == list(range(24))
    # pycocotools counts an annotation with id 0 as missed
    assert [a["id"] for a in content["annotations"]] == list(range(1, 25))
    for image in content["images"]:
        assert (folder / "images" / image["file_name"]).is_file()
        assert (image["height"], image["width"]) == (64, 64)
    assert all(a["category_id"] == content["categories"][0]["id"] and a["iscrowd"] == 0 for a in content["annotations"])


def test_keypoints_are_where_they_were(content, tiny_data):
    store = SampleStore(tiny_data)
    for image, found in zip(content["images"], content["annotations"], strict=True):
        sample = store[found["image_id"]]
        keypoints = np.array(found["keypoints"]).reshape(21, 3)
        labelled = keypoints[:, 2] > 0
        assert found["num_keypoints"] == labelled.sum() >= 7
        assert np.abs(keypoints[labelled, :2] - sample.joints_px[labelled]).max() < 0.1
        assert ((keypoints[:, 2] == 2) == sample.visible).all() and not keypoints[~labelled].any()
        joints_m = np.array(found["joint_cam"]) / 1000
        assert np.abs(joints_m - sample.joints_cam).max() < 1e-4
        camera = image["cam_param"]
        uv = joints_m[:, :2] / joints_m[:, 2:] * camera["focal"] + camera["princpt"]
        assert np.abs(uv - sample.joints_px).max() < 0.1


def test_masks_and_boxes_are_exact(content, tiny_data):
    store = SampleStore(tiny_data)
    for found in content["annotations"]:
        sample, mask = store[found["image_id"]], decoded(found["segmentation"])
        assert (mask == np.isin(sample.segmentation, range(1, 17))).all() and found["area"] == mask.sum()
        x, y, width, height = found["bbox"]
        rows, columns = np.nonzero(mask)
        assert x <= columns.min() and y <= rows.min()
        assert x + width >= columns.max() + 1 and y + height >= rows.max() + 1
        assert x >= 0 and y >= 0 and x + width <= 64 and y + height <= 64


def test_the_category_is_mmposes_hand(content):
    (category,) = content["categories"]
    assert category["name"] == "hand" and len(category["keypoints"]) == 21
    assert category["keypoints"][:6] == ["wrist", "thumb1", "thumb2", "thumb3", "thumb4", "forefinger1"]
    assert category["skeleton"][:5] == [[1, 2], [2, 3], [3, 4], [4, 5], [1, 6]] and len(category["skeleton"]) == 20


@pytest.mark.parametrize(
    ("rows", "counts"),
    [
        ([[0, 1], [0, 1]], [2, 2]),
        ([[1, 0], [0, 1]], [0, 1, 2, 1]),
        ([[0, 0], [0, 0]], [4]),
        ([[1, 1], [1, 1]], [0, 4]),
        ([[0, 1, 0]], [1, 1, 1]),
    ],
)
def test_run_lengths(rows, counts):
    mask = np.array(rows, bool)
    assert run_lengths(mask) == counts
    assert (decoded({"size": list(mask.shape), "counts": counts}) == mask).all()


def test_a_joint_outside_of_the_image_is_not_labelled(tiny_data):
    sample = SampleStore(tiny_data)[0]
    joints_px = sample.joints_px.copy()
    joints_px[4], joints_px[8] = [-3, 20], [63.4, 20]
    found = annotation(replace(sample, joints_px=joints_px))
    keypoints = np.array(found["keypoints"]).reshape(21, 3)
    assert keypoints[4].tolist() == [0, 0, 0] and keypoints[8, 2] > 0
    assert found["bbox"][0] + found["bbox"][2] == pytest.approx(63.9)


def test_an_empty_mask_and_no_keypoint_make_an_empty_box(tiny_data):
    sample = SampleStore(tiny_data)[0]
    found = annotation(replace(sample, segmentation=sample.segmentation * 0, joints_px=sample.joints_px - 500))
    assert found["bbox"] == [0, 0, 0, 0] and found["num_keypoints"] == found["area"] == 0
