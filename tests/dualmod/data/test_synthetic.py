"""The synthetic dataset: depth and masks of the hand alone, mirrored left hands, batches as a function of the step."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from dualmod.data.augment import CLOSENESS_STEPS, AugmentConfig
from dualmod.data.synthetic import PairedBatches, SingleBatches, SyntheticHands, held_out_batches, labelled_hand
from dualmod.runtime.distributed import Ranks
from synth.dataset import HandSample, write_shard
from synth.dataset.manifest import new_manifest, write_manifest
from synth.dataset.shards import shard_name

SHARDS = (range(8), range(8, 13))


def make_sample(index: int) -> HandSample:
    rng = np.random.default_rng(index)
    joints_cam = rng.normal(0, 0.03, (21, 3)) + np.array([0, 0, 0.5])
    joints_cam[9], joints_cam[0] = [0, 0, 0.5], [0, 0.1, 0.5]
    K = np.array([[200.0, 0, 47], [0, 200, 31], [0, 0, 1]])
    projected = joints_cam @ K.T
    segmentation = np.zeros((64, 96), np.uint8)
    segmentation[10:50, 30:60], segmentation[50:, 30:60], segmentation[10:20, 50:] = 3, 17, 19
    return HandSample(
        index=index,
        seed=0,
        handedness="right",
        rgb=rng.integers(0, 256, (64, 96, 3), dtype=np.uint8),
        depth_m=np.where(segmentation > 0, 0.53, 0).astype(np.float32),
        segmentation=segmentation,
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
def data(tmp_path):
    """A dataset of two shards."""
    halves = [write_shard(tmp_path / shard_name(k), map(make_sample, r)) for k, r in enumerate(SHARDS)]
    write_manifest(tmp_path, new_manifest({}, "open", ["CC0"], halves))
    return tmp_path


@pytest.fixture
def hands(data):
    return SyntheticHands(data, holdout=0.2)


def test_only_the_hand_counts_and_depth_is_in_bones():
    hand = labelled_hand(make_sample(1))
    assert hand.mask[30, 40] == 255 and hand.mask[55, 40] == 0 and hand.mask[15, 55] == 0
    assert ((hand.closeness > 0) == (hand.mask > 0)).all()
    # 3 cm behind the root with a bone of 10 cm: 0.5 - 0.3 / 3
    assert hand.closeness[30, 40] / CLOSENESS_STEPS == pytest.approx(0.4, abs=1e-4)
    truth = make_sample(1).joints_cam
    np.testing.assert_allclose(hand.joints_depth, (truth[:, 2] - 0.5) / 0.1, atol=1e-5)


def test_left_hands_are_read_as_right_hands():
    right = make_sample(2)
    mirrored_px = right.joints_px.copy()
    mirrored_px[:, 0] = 95 - mirrored_px[:, 0]
    left = replace(
        right,
        handedness="left",
        rgb=right.rgb[:, ::-1],
        depth_m=right.depth_m[:, ::-1],
        segmentation=right.segmentation[:, ::-1],
        joints_px=mirrored_px,
        joints_cam=right.joints_cam * [-1, 1, 1],
    )
    a, b = labelled_hand(right), labelled_hand(left)
    for name in ("rgb", "closeness", "mask"):
        np.testing.assert_array_equal(getattr(a, name), getattr(b, name))
    np.testing.assert_allclose(a.joints_px, b.joints_px, atol=1e-4)
    np.testing.assert_allclose(a.joints_depth, b.joints_depth, atol=1e-6)


def test_cached_and_uncached_samples_are_the_same(data, hands):
    uncached = SyntheticHands(data, cache_gb=0.0, holdout=0.2)
    assert len(hands) == len(uncached) == 13
    for i in (0, 9, 12):
        np.testing.assert_array_equal(hands[i].rgb, uncached[i].rgb)
        np.testing.assert_array_equal(hands[i].closeness, uncached[i].closeness)
    (data / shard_name(1)).unlink()
    assert hands[9].rgb.shape == (64, 96, 3)  # in memory: the file is not needed any more
    with pytest.raises(FileNotFoundError):
        uncached[9]


def test_split_is_disjoint_and_notes_are_kept(hands):
    assert list(hands.train) == list(range(10)) and list(hands.held_out) == [10, 11, 12]
    assert hands.notes["hand_model"] == "open" and hands.notes["licence_notes"] == ["CC0"]
    assert hands.notes["num_samples"] == 13


@pytest.mark.parametrize("holdout", [-0.1, 1.0, 0.99])
def test_a_split_that_leaves_nothing_is_refused(data, holdout):
    with pytest.raises(ValueError, match=f"holdout={holdout}"):
        SyntheticHands(data, holdout=holdout)


def make_batches(hands, seed=4, steps=6):
    return PairedBatches(hands, AugmentConfig(crop_px=32), steps=steps, batch_size=4, seed=seed)


def test_a_batch_depends_on_seed_and_step_alone(hands):
    batches = make_batches(hands)
    in_order = [batches[k] for k in range(6)]
    for k in (5, 0, 3):
        for a, b in zip(make_batches(hands, steps=99)[k], in_order[k], strict=True):
            assert torch.equal(a.rgb, b.rgb) and torch.equal(a.depth, b.depth)
    assert not torch.equal(make_batches(hands, seed=5)[0][0].rgb, in_order[0][0].rgb)
    assert not torch.equal(in_order[0][0].rgb, in_order[1][0].rgb)


def test_every_epoch_shows_each_training_sample_once(hands):
    batches = make_batches(hands, steps=10)
    seen = [i for step in range(10) for i in batches.indices(step)]
    epochs = [seen[k : k + 10] for k in range(0, 40, 10)]
    assert all(sorted(epoch) == list(range(10)) for epoch in epochs)
    assert epochs[0] != epochs[1]


def test_steps_end(hands):
    batches = make_batches(hands)
    assert len(batches) == 6 == len(list(batches))
    with pytest.raises(IndexError):
        batches[6]


def test_held_out_batches_cover_the_split_and_are_never_random(hands):
    given = {"crop_px": 32, "batch_size": 2, "margin": 1.5}
    first, again = (list(held_out_batches(hands, **given)) for _ in range(2))
    assert [len(b) for b in first] == [2, 1]
    assert all(torch.equal(a.rgb, b.rgb) for a, b in zip(first, again, strict=True))
    expected = torch.from_numpy(hands[12].joints_depth)
    torch.testing.assert_close(first[1].joints_depth[0], expected)
    sides = torch.cat([(b.joints_uv.amax(1) - b.joints_uv.amin(1)).amax(1) for b in first])
    torch.testing.assert_close(sides, torch.full((3,), 1 / 1.5))


def test_single_batches_hold_each_sample_once_in_the_order_of_pairs(hands):
    options = {"steps": 10, "batch_size": 4, "seed": 4}
    single = SingleBatches(hands, AugmentConfig(crop_px=32), senses_depth=False, **options)
    assert all(single.indices(k) == make_batches(hands, steps=10).indices(k) for k in range(10))
    (view,) = single[2]
    assert len(view) == len(set(single.indices(2))) == 4
    for row, index in enumerate(single.indices(2)):
        torch.testing.assert_close(view.joints_depth[row], torch.from_numpy(hands[index].joints_depth))
    again = SingleBatches(hands, AugmentConfig(crop_px=32), senses_depth=False, **options)[2][0]
    assert torch.equal(again.rgb, view.rgb) and torch.equal(again.sensed, view.depth)


@pytest.mark.parametrize("views", [1, 2])
@pytest.mark.parametrize("blocks", [2, 4])
def test_ranks_take_their_rows_of_the_same_batch(tiny_data, blocks, views):
    options = {"steps": 3, "batch_size": 8, "seed": 0}
    hands, augment = SyntheticHands(tiny_data), AugmentConfig(crop_px=32)
    batches = (
        PairedBatches(hands, augment, **options)
        if views == 2
        else SingleBatches(hands, augment, senses_depth=True, **options)
    )
    whole = batches.part(1, blocks, Ranks())
    parts = [batches.part(1, blocks, Ranks(rank=rank, count=2, local_count=2)) for rank in range(2)]
    assert len(whole) == views
    for k in range(views):
        joined = torch.cat([part[k].rgb for part in parts])
        assert len(parts[0][k]) == 4 and torch.equal(joined, whole[k].rgb)
    assert torch.equal(batches.part(1, 1, Ranks())[0].rgb, batches[1][0].rgb)
    assert not torch.equal(whole[0].rgb, batches.part(2, blocks, Ranks())[0].rgb)
