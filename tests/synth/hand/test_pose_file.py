"""Poses from a user's file: every layout is read, each wrong one is one line, and they reach the samples."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from synth.dataset import SampleStore
from synth.dataset.statistics import sample_statistics
from synth.generate import main
from synth.hand import PoseMixture, PoseOptions, PoseSampler, load_hand, load_pose_file

ARRAYS = load_hand("open")
SMALL = ("num_samples=12", "shard_size=5", "image_size=48", "workers=1")


@pytest.fixture
def poses_aa() -> np.ndarray:
    """Seven poses of joints 1 to 15."""
    return np.random.default_rng(0).normal(0, 0.2, (7, 15, 3))


def saved(folder: Path, **arrays: Any) -> str:
    np.savez(folder / "poses.npz", **arrays)
    return str(folder / "poses.npz")


def read(file: str, **options: Any) -> np.ndarray:
    found = load_pose_file(PoseOptions(file=file, **options), ARRAYS)
    assert found is not None
    return found.poses_aa


def test_every_layout_gives_the_same_poses_with_the_wrist_at_zero(tmp_path, poses_aa):
    with_wrist = np.concatenate([np.full((7, 1, 3), 0.9), poses_aa], axis=1)
    for layout in (poses_aa.reshape(7, 45), poses_aa, with_wrist):
        found = read(saved(tmp_path, poses=layout))
        np.testing.assert_array_equal(found[:, 1:], poses_aa)
        np.testing.assert_array_equal(found[:, 0], 0)
    assert load_pose_file(PoseOptions(), ARRAYS) is None


def test_a_mean_is_added_from_the_file_or_from_the_hand(tmp_path, poses_aa):
    mean = np.linspace(0, 0.4, 45)
    for layout in (mean, mean.reshape(15, 3)):
        found = read(saved(tmp_path, poses=poses_aa, mean=layout))
        np.testing.assert_allclose(found[:, 1:].reshape(7, 45), poses_aa.reshape(7, 45) + mean)
    found = read(saved(tmp_path, poses=poses_aa), file_relative_to="hand_mean")
    np.testing.assert_allclose(found[:, 1:].reshape(7, 45), poses_aa.reshape(7, 45) + ARRAYS.hands_mean)
    with pytest.raises(ValueError, match="would add a second one"):
        read(saved(tmp_path, poses=poses_aa, mean=mean), file_relative_to="hand_mean")


def test_the_share_is_kept_and_each_pose_comes_as_it_stands(tmp_path, poses_aa):
    options = PoseOptions(file=saved(tmp_path, poses=poses_aa), file_share=0.3)
    sampler = PoseSampler(ARRAYS, options, load_pose_file(options, ARRAYS))
    rng = np.random.default_rng(1)
    drawn = [sampler.sample(rng) for _ in range(600)]
    own = [(pose, source) for pose, source in drawn if source.startswith("file:")]
    assert len(own) / 600 == pytest.approx(0.3, abs=0.06)
    assert {source for _, source in own} == {f"file:{row}" for row in range(7)}
    for pose, source in own:
        np.testing.assert_array_equal(pose[1:], poses_aa[int(source[5:])])


def test_without_a_file_the_poses_of_a_seed_stay_what_they_were():
    plain, with_options = PoseSampler(ARRAYS), PoseSampler(ARRAYS, PoseOptions(file_share=1.0))
    for seed in range(20):
        first, second = (s.sample(np.random.default_rng(seed)) for s in (plain, with_options))
        np.testing.assert_array_equal(first[0], second[0])
        assert first[1] == second[1]
    assert PoseOptions().shares() == PoseMixture().shares()


@pytest.mark.parametrize(
    ("arrays", "named"),
    [
        ({"pose": np.zeros((2, 45))}, "has no array poses but pose"),
        ({}, "has no array poses but nothing"),
        ({"poses": np.zeros((2, 44))}, r"poses has shape \(2, 44\), and it must be N x 45, N x 15 x 3 or N x 16 x 3"),
        ({"poses": np.zeros(45)}, r"poses has shape \(45,\)"),
        ({"poses": np.zeros((2, 21, 3))}, r"poses has shape \(2, 21, 3\)"),
        ({"poses": np.zeros((0, 45))}, r"poses has shape \(0, 45\)"),
        ({"poses": np.float64(1)}, r"poses has shape \(\)"),
        ({"poses": np.full((2, 45), np.nan)}, "poses holds values that are no finite numbers"),
        ({"poses": np.full((2, 45), "x")}, "poses holds values that are no finite numbers"),
        ({"poses": np.full((2, 45), 40.0)}, "turns a joint by 69.28.*radians, not degrees"),
        ({"poses": np.zeros((2, 45)), "mean": np.zeros(44)}, "mean has shape"),
        ({"poses": np.zeros((2, 45)), "mean": np.full(45, np.inf)}, "mean holds values"),
        ({"poses": np.array([{}], dtype=object)}, "cannot be read"),
    ],
)
def test_a_wrong_file_is_one_line_before_anything_is_written(tmp_path, capsys, arrays, named):
    file = saved(tmp_path, **arrays)
    assert main([f"out={tmp_path / 'd'}", f"poses.file={file}"]) == 1
    error = capsys.readouterr().err
    assert error.count("\n") == 1 and re.search(named, error) and f"poses.file={file}" in error
    assert not (tmp_path / "d").exists()


@pytest.mark.parametrize(
    ("override", "named"),
    [
        ("poses.file=/none.npz", "poses.file=/none.npz does not exist"),
        ("poses.file_share=1.5", "poses.file_share=1.5 is not legal: it must be in [0, 1]"),
        ("poses.file_relative_to=mano", "poses.file_relative_to=mano is not legal"),
        ("poses.gesture=-1", "poses.gesture=-1"),
        ("poses.gestures=1", "did you mean poses.gesture"),
        ("poses.pinch=nan", "poses.pinch=nan"),
    ],
)
def test_a_wrong_option_is_one_line(tmp_path, capsys, override, named):
    assert main([f"out={tmp_path / 'd'}", override]) == 1
    error = capsys.readouterr().err
    assert error.count("\n") == 1 and named in error
    assert not (tmp_path / "d").exists()


def test_a_dataset_of_a_file_has_its_poses_and_is_the_same_for_any_shards(tmp_path, poses_aa):
    file = saved(tmp_path, poses=poses_aa)
    mixture = ("poses.gesture=0", "poses.pinch=0", "poses.between=0", "poses.synergy=1", "poses.independent=0")
    options = [*SMALL, *mixture, f"poses.file={file}", "poses.file_share=0.5"]
    assert main([f"out={tmp_path / 'a'}", *options]) == 0
    samples = [SampleStore(tmp_path / "a")[i] for i in range(12)]
    sources = [sample.scene["pose"] for sample in samples]
    assert {source.partition(":")[0] for source in sources} == {"file", "synergy"}
    assert {sample_statistics(sample).drawn["pose"] for sample in samples} == {"file", "synergy"}
    for sample, source in zip(samples, sources, strict=True):
        if source.startswith("file:"):
            np.testing.assert_allclose(sample.pose_aa[1:], poses_aa[int(source[5:])], atol=1e-6)
    assert main([f"out={tmp_path / 'b'}", *options, "shard_size=12"]) == 0
    again = [SampleStore(tmp_path / "b")[i] for i in range(12)]
    assert all((a.rgb == b.rgb).all() and a.scene == b.scene for a, b in zip(samples, again, strict=True))
