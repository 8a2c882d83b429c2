"""Renders laid out as a real set: labels for the test rows alone, images that can be read back."""

from pathlib import Path

import numpy as np
import pytest

from distill.targets.simulated import SimulatedTargetConfig, lay_out, split_skins
from dualmod.data.image_sets import open_labelled, open_target
from synth.dataset import HandSample, write_shard
from synth.dataset.manifest import new_manifest, write_manifest
from synth.hand import skin_files


def hand_sample(index: int) -> HandSample:
    """A grey square whose brightness says its index, with labels that project."""
    rng = np.random.default_rng(index)
    K = np.array([[50.0, 0, 15.5], [0, 50.0, 15.5], [0, 0, 1]])
    joints_cam = rng.normal(0, 0.03, (21, 3)) + np.array([0, 0, 0.5])
    projected = joints_cam @ K.T
    return HandSample(
        index=index,
        seed=1,
        handedness="left" if index % 2 else "right",
        rgb=np.full((32, 32, 3), 10 * index, np.uint8),
        depth_m=np.full((32, 32), 0.5, np.float32),
        segmentation=np.ones((32, 32), np.uint8),
        K=K,
        joints_px=projected[:, :2] / projected[:, 2:],
        joints_cam=joints_cam,
        visible=np.ones(21, bool),
        pose_aa=np.zeros((16, 3)),
        betas=np.zeros(10),
        transl=np.zeros(3),
        hand_model="open",
        scene={},
    )


@pytest.fixture
def data(tmp_path: Path) -> Path:
    folder = tmp_path / "data"
    folder.mkdir()
    entry = write_shard(folder / "shard-000000.tar", [hand_sample(k) for k in range(10)])
    write_manifest(folder, new_manifest({}, "open", [], [entry]))
    return folder


def test_test_rows_have_labels_and_the_others_none(data: Path, tmp_path: Path) -> None:
    out = lay_out(SimulatedTargetConfig(data=str(data), out=str(tmp_path / "sets" / "simulated"), test_share=0.3))
    labelled = open_labelled(out.parent, "simulated")
    assert len(labelled) == 3 and labelled.handedness == ("left", "right", "left")
    for row, index in enumerate((7, 8, 9)):
        sample = hand_sample(index)
        np.testing.assert_allclose(labelled.joints_px[row], sample.joints_px, atol=1e-3)
        np.testing.assert_allclose(labelled.joints_cam[row], sample.joints_cam, atol=1e-6)
        np.testing.assert_allclose(labelled.K[row], sample.K)
        assert abs(int(labelled.image(row).mean()) - 10 * index) <= 1
    with np.load(out / "annotations.npz") as archive:
        rest = archive["split"] == "adapt"
        assert np.isnan(archive["uv"][rest]).all() and np.isnan(archive["xyz"][rest]).all()
        assert set(archive["hand"][rest]) == {"?"} and not archive["vis"][rest].any()
    assert len(open_target("simulated", root=out.parent)) == 7


def test_repeating_it_keeps_the_set_and_another_share_is_refused(data: Path, tmp_path: Path) -> None:
    config = SimulatedTargetConfig(data=str(data), out=str(tmp_path / "simulated"))
    before = (lay_out(config) / "annotations.npz").read_bytes()
    assert (lay_out(config) / "annotations.npz").read_bytes() == before
    with pytest.raises(ValueError, match=r"test_share was 0\.3, now 0\.5"):
        lay_out(SimulatedTargetConfig(data=str(data), out=config.out, test_share=0.5))


def test_skins_are_shared_out_with_none_in_common(tmp_path: Path) -> None:
    source, target = (sorted(file.name for file in folder.iterdir()) for folder in split_skins(tmp_path))
    assert sorted(source + target) == [file.name for file in skin_files()]
    assert len(source) > len(target) > 3
