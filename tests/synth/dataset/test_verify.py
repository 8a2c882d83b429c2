import dataclasses
import io
import json
import tarfile

import numpy as np
import pytest

from synth.dataset.manifest import MANIFEST_FILE, new_manifest, write_manifest
from synth.dataset.shards import write_shard
from synth.dataset.verify import main, sample_faults, verify
from tests.synth.dataset.conftest import make_sample


def test_a_sound_dataset_has_no_faults(dataset, capsys):
    result = verify(dataset)
    assert result.faults == [] and result.num_samples == 7 and result.num_shards == 3
    assert main([f"data={dataset}"]) == 0
    assert "7 samples" in capsys.readouterr().out


def test_one_flipped_byte_is_found(dataset, capsys):
    shard = dataset / "shard-000001.tar"
    content = bytearray(shard.read_bytes())
    content[700] ^= 255
    shard.write_bytes(content)
    assert any("SHA-256" in fault for fault in verify(dataset).faults)
    assert main([f"data={dataset}"]) == 1
    assert "shard-000001" in capsys.readouterr().err


def test_a_shard_that_is_cut_short_or_missing_is_found(dataset):
    shard = dataset / "shard-000000.tar"
    content = shard.read_bytes()
    shard.write_bytes(content[: len(content) // 2])
    assert any("shard-000000" in f and ("cut short" in f or "promises" in f) for f in verify(dataset).faults)
    shard.unlink()
    assert "shard-000000.tar: the file is missing" in verify(dataset).faults


def test_a_missing_member_is_named(dataset):
    shard = dataset / "shard-000002.tar"
    with tarfile.open(shard) as tar:
        members = [(m, tar.extractfile(m)) for m in tar.getmembers()]
        kept = [(m, f.read()) for m, f in members if f is not None and not m.name.endswith("depth.png")]
    with tarfile.open(shard, "w") as tar:
        for info, content in kept:
            tar.addfile(info, io.BytesIO(content))
    assert any("depth.png is missing" in f for f in verify(dataset).faults)


def test_a_gap_in_the_indices_is_found(tmp_path):
    shard = write_shard(tmp_path / "shard-000000.tar", [make_sample(0), make_sample(2)])
    write_manifest(tmp_path, new_manifest({}, "open", [], [shard]))
    assert any("index 2 where 1 belongs" in f for f in verify(tmp_path).faults)


def test_a_manifest_that_promises_more_is_found(dataset):
    file = dataset / MANIFEST_FILE
    content = json.loads(file.read_text())
    file.write_text(json.dumps(content | {"num_samples": 9}))
    assert any("promises 9" in f for f in verify(dataset).faults)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda s: {"joints_px": np.add(s.joints_px, (0.06, 0))}, "projects the joints 0.06 px off"),
        (lambda s: {"K": s.K * np.nan}, "K has a wrong shape or values that are not finite"),
        (lambda s: {"betas": s.betas[:9]}, "betas has a wrong shape"),
        (lambda s: {"depth_m": s.depth_m + np.float32(0.1)}, "depth where the segmentation shows nothing"),
        (lambda s: {"depth_m": s.depth_m * 0}, "depth is missing"),
        (lambda s: {"segmentation": s.segmentation * 0, "depth_m": s.depth_m * 0}, "shows nothing"),
        (lambda s: {"segmentation": np.where(s.segmentation > 0, 77, 0)}, "unknown id 77"),
        (lambda s: {"segmentation": s.segmentation[:9]}, "differ in size"),
        (lambda s: {"joints_cam": -s.joints_cam}, "behind the camera"),
    ],
)
def test_each_fault_of_a_sample_is_named(sample, change, message):
    assert sample_faults(sample) == []
    assert any(message in fault for fault in sample_faults(dataclasses.replace(sample, **change(sample))))


def test_a_visible_joint_outside_the_image_is_a_fault(sample):
    joints_cam = sample.joints_cam.copy()
    joints_cam[0, 0] = 0.4
    projected = joints_cam @ sample.K.T
    moved = dataclasses.replace(
        sample, joints_cam=joints_cam, joints_px=projected[:, :2] / projected[:, 2:], visible=np.ones(21, bool)
    )
    assert any("called visible" in fault for fault in sample_faults(moved))
