import json
import pickle

import numpy as np
import pytest
import webdataset

from synth.dataset import SampleStore, iterate, read_manifest
from synth.dataset.manifest import MANIFEST_FILE
from synth.dataset.shards import file_sha256, write_shard
from tests.synth.dataset.conftest import make_sample


def test_iterate_gives_all_samples_in_order(dataset):
    samples = list(iterate(dataset))
    assert [s.index for s in samples] == list(range(7))
    assert np.allclose(samples[4].joints_cam, make_sample(4).joints_cam, atol=1e-6)


def test_random_access_gives_what_iteration_gives_also_in_another_process(dataset):
    store = pickle.loads(pickle.dumps(SampleStore(dataset)))
    assert len(store) == 7
    for i, sample in enumerate(iterate(dataset)):
        assert store[i].index == i and (store[i].rgb == sample.rgb).all() and (store[i].depth_m == sample.depth_m).all()
    with pytest.raises(IndexError):
        store[7]


def test_webdataset_reads_the_shards(dataset):
    rows = list(webdataset.WebDataset(str(dataset / "shard-000000.tar"), shardshuffle=False))
    assert [row["__key__"] for row in rows] == ["00000000", "00000001", "00000002"]
    assert json.loads(rows[1]["json"])["index"] == 1
    assert {"rgb.jpg", "depth.png", "seg.png", "json"} <= set(rows[0])


def test_writing_twice_gives_the_same_bytes_and_the_entrys_hash(tmp_path):
    first = write_shard(tmp_path / "a.tar", [make_sample(0), make_sample(1)])
    second = write_shard(tmp_path / "b.tar", [make_sample(0), make_sample(1)])
    assert first.sha256 == second.sha256 == file_sha256(tmp_path / "a.tar")
    assert first.num_bytes == (tmp_path / "a.tar").stat().st_size and first.num_samples == 2


def test_a_failed_shard_leaves_nothing(tmp_path):
    def samples():
        yield make_sample(0)
        raise RuntimeError("stopped")

    with pytest.raises(RuntimeError):
        write_shard(tmp_path / "a.tar", samples())
    assert list(tmp_path.iterdir()) == []


def test_the_manifest_reads_back_and_says_what_the_numbers_mean(dataset):
    manifest = read_manifest(dataset)
    assert manifest.num_samples == 7 and manifest.depth_step_m == 1e-4
    assert manifest.part_names[0] == "background" and len(manifest.joint_names) == 21
    assert [s.first_index for s in manifest.shards] == [0, 3, 6]


def test_missing_or_strange_manifests_are_refused(dataset):
    with pytest.raises(FileNotFoundError, match="does not exist"):
        read_manifest(dataset / "none")
    file = dataset / MANIFEST_FILE
    content = json.loads(file.read_text())
    file.write_text(json.dumps(content | {"format_version": 99}))
    with pytest.raises(ValueError, match="format version 99"):
        read_manifest(dataset)
    file.write_text("[]")
    with pytest.raises(ValueError, match="no manifest"):
        read_manifest(dataset)
    file.unlink()
    with pytest.raises(FileNotFoundError, match=r"manifest\.json"):
        read_manifest(dataset)


def test_a_missing_or_cut_shard_is_named(dataset):
    shard = dataset / "shard-000001.tar"
    content = shard.read_bytes()
    shard.write_bytes(content[: len(content) // 3])
    with pytest.raises(ValueError, match="shard-000001"):
        SampleStore(dataset)
    shard.unlink()
    with pytest.raises(FileNotFoundError, match="shard-000001"):
        SampleStore(dataset)
