"""Resampled blocks: sums against a loop, and intervals against a slow bootstrap that copies images."""

import numpy as np
import pytest

from dualmod.data.blocks import blocks_of
from dualmod.evaluation.block_bootstrap import block_sums, draw_blocks
from dualmod.evaluation.metrics import Score, score

REPEATS = 5


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(7)


@pytest.fixture
def case(rng) -> tuple[np.ndarray, np.ndarray]:
    """Values of 12 images, and which joints are labelled."""
    return rng.normal(size=(12, 21)) + rng.normal(size=(12, 1)), rng.random((12, 21)) < 0.7


def interval(values: np.ndarray, counts: np.ndarray, blocks: np.ndarray | None, bootstrap: int = 2000) -> Score:
    return score(values, counts, bootstrap=bootstrap, seed=3, blocks=blocks)


def test_blocks_are_numbered_by_their_names():
    assert blocks_of(["b", "a", "b", "c"]).tolist() == [0, 1, 0, 2]
    assert len(blocks_of([])) == 0


def test_sums_are_those_of_a_loop(rng):
    values, blocks = rng.normal(size=(3, 9)), np.array([4, 1, 4, 7, 1, 1, 9, 4, 7])
    expected = [[sum(row[i] for i in range(9) if blocks[i] == b) for b in (1, 4, 7, 9)] for row in values]
    np.testing.assert_allclose(block_sums(values, blocks), expected)
    assert block_sums(np.arange(9), blocks).tolist() == [1 + 4 + 5, 0 + 2 + 7, 3 + 8, 6]


def test_as_many_blocks_are_drawn_as_there_are_each_as_likely(rng):
    draws = draw_blocks(6, 4000, rng)
    assert draws.shape == (4000, 6) and (draws.sum(1) == 6).all()
    np.testing.assert_allclose(draws.mean(0), 1, atol=0.06)
    np.testing.assert_allclose(draws.var(0), 5 / 6, atol=0.08)


def test_an_interval_is_that_of_copied_images(case, rng):
    """Each resample written out: the images of the drawn blocks one after the other, and their mean."""
    values, counts = case
    blocks = rng.permutation(np.repeat(np.arange(5), [4, 3, 2, 2, 1]))
    found = interval(values, counts, blocks, bootstrap=300)
    means = []
    for drawn in draw_blocks(5, 300, np.random.default_rng(3)):
        rows = np.concatenate([np.flatnonzero(blocks == block) for block in np.repeat(np.arange(5), drawn)])
        means.append(values[rows][counts[rows]].mean())
    low, high = np.percentile(means, [2.5, 97.5])
    assert (found.low, found.high) == pytest.approx((low, high))
    assert found.value == pytest.approx(values[counts].mean())


def test_copies_of_an_image_in_its_block_tell_no_more_than_the_image(case):
    """The interval of blocks of equal images is that of one image for each block, and wider than one by images."""
    values, counts = case
    many, labels = np.repeat(values, REPEATS, 0), np.repeat(counts, REPEATS, 0)
    blocks = np.repeat(np.arange(len(values)), REPEATS)
    single, together = interval(values, counts, None), interval(many, labels, blocks)
    assert (together.low, together.high) == pytest.approx((single.low, single.high))
    assert together.value == pytest.approx(single.value)
    by_images = interval(many, labels, None)
    assert together.high - together.low > 1.8 * (by_images.high - by_images.low)  # of 5 copies: the root of 5


def test_numbers_of_blocks_need_no_order_and_no_first_one(case):
    values, counts = case
    own = interval(values, counts, None)
    other = interval(values, counts, 7 + 3 * np.arange(len(values)))
    assert (own.low, own.high) == (other.low, other.high)


def test_one_block_has_a_value_and_no_interval(case):
    values, counts = case
    alone = interval(values, counts, np.zeros(len(values), int))
    assert np.isfinite(alone.value) and np.isnan([alone.low, alone.high]).all()
    counts[1:] = False  # labels in one block of twelve
    assert np.isnan(interval(values, counts, None).low)
