"""An RHD export read back by a reader written from RHD's readme and from hand3d's create_binary_db.py."""

import pickle
import pickletools
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from synth.common.conventions import JOINT_NAMES, PART_NAMES
from synth.dataset import SampleStore
from synth.dataset.exporters.rhd import depth_bytes, part_ids
from synth.export import ExportConfig, export

RHD_HAND = [
    "wrist",
    *(f"{finger}_{joint}" for finger in ("thumb", "index", "middle", "ring", "little")
      for joint in (("tip", "ip", "mcp", "cmc") if finger == "thumb" else ("tip", "dip", "pip", "mcp"))),
]  # fmt: skip
"""Wrist, then each finger from tip to palm, as the readme lists a hand's keypoints."""
STEP_M = 5.0 / 65535


@pytest.fixture(scope="module")
def folder(tiny_data, tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("rhd") / "set"
    return export(ExportConfig(data=str(tiny_data), out=str(out), format="rhd")) / "training"


def annotations(folder: Path) -> dict:
    return pickle.loads((folder / "anno_training.pickle").read_bytes())


def read_png(folder: Path, kind: str, number: int) -> np.ndarray:
    image = cv2.imread(str(folder / kind / f"{number:05d}.png"), cv2.IMREAD_UNCHANGED)
    return image[..., ::-1] if image.ndim == 3 else image


def test_joints_of_the_right_hand_follow_those_of_the_left(folder, tiny_data):
    store, found = SampleStore(tiny_data), annotations(folder)
    assert list(found) == list(range(24))
    for number, anno in found.items():
        sample = store[number]
        uv, visible = anno["uv_vis"][:, :2], anno["uv_vis"][:, 2] == 1
        assert anno["uv_vis"].shape == anno["xyz"].shape == (42, 3) and anno["K"].shape == (3, 3)
        assert not visible[:21].any() and not anno["xyz"][:21].any()
        for row, name in enumerate(RHD_HAND, start=21):
            ours = JOINT_NAMES.index(name)
            assert np.abs(uv[row] - sample.joints_px[ours]).max() < 0.1
            assert np.abs(anno["xyz"][row] - sample.joints_cam[ours]).max() < 1e-4
            assert visible[row] == sample.visible[ours]
        projection = anno["xyz"][21:] @ anno["K"].T
        assert np.abs(projection[:, :2] / projection[:, 2:] - uv[21:]).max() < 0.1


def test_colour_is_the_decoded_image(folder, tiny_data):
    assert (read_png(folder, "color", 5) == SampleStore(tiny_data)[5].rgb).all()


def test_depth_is_within_half_a_step(folder, tiny_data):
    store = SampleStore(tiny_data)
    for number in range(24):
        depth = read_png(folder, "depth", number)
        # depth_two_uint8_to_float of the dataset's viewer: top bits in red, bottom bits in green
        metres = (depth[..., 0] * 2.0**8 + depth[..., 1]) / (2**16 - 1) * 5.0
        assert np.abs(metres - store[number].depth_m).max() <= STEP_M / 2 + 1e-7
        assert ((metres == 0) == (store[number].depth_m == 0)).all()


def test_masks_have_the_classes_of_the_readme(folder, tiny_data):
    store = SampleStore(tiny_data)
    for number in range(24):
        mask, segmentation = read_png(folder, "mask", number), store[number].segmentation
        assert mask.dtype == np.uint8 and mask.shape == segmentation.shape
        assert ((mask > 17) == np.isin(segmentation, range(1, 17))).all()
        assert not ((mask > 1) & (mask < 18)).any()
        assert ((mask == 1) == np.isin(segmentation, [17, 18, 20])).all()


def test_each_finger_has_three_classes_from_tip_to_palm():
    right = dict(zip(PART_NAMES, part_ids("right").tolist(), strict=True))
    assert [right[f"thumb{k}"] for k in (3, 2, 1)] == [18, 19, 20]
    assert [right[f"index{k}"] for k in (3, 2, 1)] == [21, 22, 23]
    assert [right[f"little{k}"] for k in (3, 2, 1)] == [30, 31, 32]
    assert (
        right["wrist"] == 33
        and right["forearm"] == right["sleeve"] == 1
        and right["occluder"] == 0
        and right["other_hand"] == 1
    )
    left = dict(zip(PART_NAMES, part_ids("left").tolist(), strict=True))
    assert left["thumb3"] == 2 and left["little1"] == 16 and left["wrist"] == 17


def test_a_left_hand_has_the_first_rows(tiny_data, tmp_path):
    from synth.dataset.exporter import ExportSource
    from synth.dataset.exporters.rhd import Format

    store = SampleStore(tiny_data)
    exporter = Format(tmp_path, ExportSource(store.manifest, "open"))
    exporter.add(0, replace(store[0], handedness="left"), b"")
    exporter.finish()
    anno = annotations(tmp_path / "training")[0]
    assert np.abs(anno["xyz"][0] - store[0].joints_cam[0]).max() < 1e-6 and not anno["xyz"][21:].any()
    assert read_png(tmp_path / "training", "mask", 0).max() <= 17


def test_the_pickle_names_nothing_that_old_numpys_lack(folder):
    names = {arg for _, arg, _ in pickletools.genops((folder / "anno_training.pickle").read_bytes()) if arg}
    named = {arg for arg in names if isinstance(arg, str) and " " in arg}
    assert named == {"numpy array"}


def test_depth_beyond_five_metres_is_refused(tiny_data):
    sample = SampleStore(tiny_data)[0]
    with pytest.raises(ValueError, match=r"5\.20 m deep"):
        depth_bytes(replace(sample, depth_m=sample.depth_m * 0 + np.float32(5.2)))
