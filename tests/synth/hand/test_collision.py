"""Capsules against a slow search along both bones, and on hands that are surely apart or through each other."""

import numpy as np
import pytest

from synth.hand import HandAxes, PoseSampler, load_hand, pose_from_angles
from synth.hand.collision import Capsules, _segment_distance

ARRAYS = load_hand("open")
AXES, CAPSULES = HandAxes.of(ARRAYS), Capsules.of(ARRAYS)


def test_segment_distance_equals_a_fine_search():
    rng = np.random.default_rng(0)
    steps = np.linspace(0, 1, 301)[:, None]
    for _ in range(20):
        p, p_end, q, q_end = rng.normal(size=(4, 3))
        first, second = p + steps * (p_end - p), q + steps * (q_end - q)
        slow = np.linalg.norm(first[:, None] - second[None], axis=-1).min()
        assert _segment_distance(p, p_end, q, q_end) == pytest.approx(slow, abs=1e-3)


def test_segment_distance_of_parallel_crossing_and_single_points():
    x, y, zero = np.eye(3)[0], np.eye(3)[1], np.zeros(3)
    assert _segment_distance(zero, x, y, x + y) == pytest.approx(1)
    assert _segment_distance(-x, x, -y, y) == pytest.approx(0)
    assert _segment_distance(zero, zero, x, x) == pytest.approx(1)
    assert _segment_distance(zero, x, 3 * x, 5 * x) == pytest.approx(2)


def test_radii_are_those_of_a_hand():
    assert (CAPSULES.radii[:15] > 0.003).all() and (CAPSULES.radii[:15] < 0.015).all()
    assert (CAPSULES.radii[15:] > 0.006).all() and (CAPSULES.radii[15:] < 0.018).all()


def test_flat_is_free_and_a_thumb_through_the_fist_is_not():
    assert CAPSULES.overlap(AXES.joints(np.zeros((16, 3)))) < -0.003
    fist = np.array([88.0, -5, 105, 70] * 4 + [0.0] * 6)
    through = fist.copy()
    through[[1, 13]] = -20, 20  # index and little finger pushed across their neighbours
    through[16:] = 30, 20, 20, 40, 0, 40  # and the thumb where the fingers are
    assert CAPSULES.overlap(AXES.joints(pose_from_angles(through, AXES))) > 0.004


def test_overlap_grows_with_the_radii():
    joints = AXES.joints(PoseSampler(ARRAYS).gesture("pinch"))
    wider = Capsules(radii=CAPSULES.radii + 0.001, pairs=CAPSULES.pairs)
    assert CAPSULES.overlap(joints) < wider.overlap(joints) < CAPSULES.overlap(joints) + 0.0045
