"""A FreiHAND export read back by a reader written from FreiHAND's own loader (utils/fh_utils.py, utils/model.py)."""

import json
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from synth.dataset import SampleStore
from synth.dataset.exporter import ExportSource
from synth.dataset.exporters.freihand import Format
from synth.export import ExportConfig, export
from synth.hand import HandModel, load_hand


@pytest.fixture(scope="module")
def folder(tiny_data, tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("freihand") / "set"
    return export(ExportConfig(data=str(tiny_data), out=str(out), format="freihand"))


def lists(folder: Path) -> dict[str, list]:
    return {name: json.loads((folder / f"training_{name}.json").read_text()) for name in ("K", "xyz", "mano", "verts")}


def projected(xyz: list, K: list) -> np.ndarray:
    """FreiHAND's projectPoints."""
    uv = np.matmul(np.array(K), np.array(xyz).T).T
    return uv[:, :2] / uv[:, -1:]


def test_joints_are_where_they_were(folder, tiny_data):
    store, found = SampleStore(tiny_data), lists(folder)
    assert {len(values) for values in found.values()} == {24}
    for sample, xyz, K in zip((store[i] for i in range(24)), found["xyz"], found["K"], strict=True):
        assert np.abs(np.array(xyz) - sample.joints_cam).max() < 1e-4
        assert np.abs(projected(xyz, K) - sample.joints_px).max() < 0.1


def test_images_are_copied_and_masks_are_the_hand(folder, tiny_data):
    store = SampleStore(tiny_data)
    assert len(list((folder / "training" / "rgb").iterdir())) == 24
    for i in range(24):
        jpeg = (folder / "training" / "rgb" / f"{i:08d}.jpg").read_bytes()
        assert jpeg == store.members(i)[1]["rgb.jpg"]
        mask = cv2.imread(str(folder / "training" / "mask" / f"{i:08d}.jpg"), cv2.IMREAD_UNCHANGED)
        assert mask.shape == (64, 64, 3)
        on_hand = np.isin(store[i].segmentation, range(1, 17))
        read = mask[..., 0] > 127
        assert (read & on_hand).sum() / (read | on_hand).sum() > 0.999


def test_the_mano_row_gives_root_joints_and_vertices_as_the_loader_uses_it(folder):
    arrays, found = load_hand("open"), lists(folder)
    model = HandModel(arrays)
    for row, xyz, verts, K in zip(found["mano"], found["xyz"], found["verts"], np.array(found["K"]), strict=True):
        theta = np.array(row)
        assert theta.shape == (1, 61)
        poses, shapes, uv_root, scale = theta[:, :48], theta[:, 48:58], theta[:, 58:60], theta[:, 60:]
        focal = 0.5 * (K[0, 0] + K[1, 1])
        xyz_root = np.concatenate([uv_root - K[:2, 2], np.full((1, 1), focal)], 1) / scale
        assert np.abs(xyz_root[0] - np.array(xyz)[9]).max() < 1e-4
        # smplx adds the mean pose itself with flat_hand_mean=False, as FreiHAND's use_mean_pose=True does
        full = poses.copy()
        full[:, 3:] += arrays.hands_mean
        pose_aa = torch.tensor(full.reshape(1, 16, 3), dtype=torch.float32)
        mesh = model(pose_aa, torch.tensor(shapes, dtype=torch.float32), torch.zeros(1, 3))
        shift = xyz_root[0] - mesh.joints[0, 9].detach().numpy()
        assert np.abs(mesh.joints[0].detach().numpy() + shift - np.array(xyz)).max() < 1e-4
        assert np.abs(mesh.verts[0].detach().numpy() + shift - np.array(verts)).max() < 1e-4


def test_the_scale_is_the_middle_fingers_first_bone(folder):
    xyz = np.array(lists(folder)["xyz"])
    scales = json.loads((folder / "training_scale.json").read_text())
    assert np.allclose(scales, np.linalg.norm(xyz[:, 10] - xyz[:, 9], axis=1), atol=1e-6)


def test_what_the_layout_cannot_hold_is_refused(tiny_data, tmp_path):
    store = SampleStore(tiny_data)
    exporter = Format(tmp_path, ExportSource(store.manifest, "open"))
    with pytest.raises(ValueError, match="left hand"):
        exporter.add(0, replace(store[0], handedness="left"), b"")
    with pytest.raises(ValueError, match="not the hand that the dataset was made with"):
        exporter.add(0, replace(store[0], betas=store[0].betas + 1), b"")
    exporter.close()
