"""The index against distances by hand and against looking at every pose."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from distill.pose_coverage.box_poses import box_poses, pose_distance
from distill.pose_coverage.pose_index import PoseIndex, bounding_map


def some_poses(count: int, seed: int, kinds: int = 5) -> np.ndarray:
    """Poses about ``kinds`` centres, which differ along few directions, as those of hands do."""
    rng = np.random.default_rng(seed)
    centres, ways = rng.normal(size=(kinds, 42)), rng.normal(size=(6, 42))
    joints = centres[rng.integers(kinds, size=count)] + rng.normal(size=(count, 6)) @ ways * 0.3
    return box_poses((joints + 0.02 * rng.normal(size=(count, 42))).reshape(-1, 21, 2))


def by_brute_force(poses: np.ndarray, query: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    distances = pose_distance(poses.astype(float), query.astype(float))
    rows = np.argsort(distances, kind="stable")[:k]
    return rows, distances[rows]


def test_the_tenth_neighbour_is_where_it_was_put() -> None:
    pose = some_poses(1, 0)[0]
    moved = np.repeat(pose[None], 40, 0)
    moved[:, 7, 0] += 0.01 * np.arange(1, 41)
    order = np.random.default_rng(0).permutation(40)
    found = PoseIndex(moved[order]).nearest(pose[None], 10)
    assert order[found.rows[0]].tolist() == list(range(10))
    np.testing.assert_allclose(found.distances[0], 0.01 * np.arange(1, 11) / 21, atol=1e-6)


@settings(deadline=None, max_examples=20)
@given(st.integers(1, 700), st.integers(0, 10**6), st.integers(1, 12))
def test_the_index_is_equal_to_brute_force(count: int, seed: int, k: int) -> None:
    poses, queries = some_poses(count, seed), some_poses(7, seed + 1)
    k = min(k, count)
    found = PoseIndex(poses).nearest(queries, k)
    for query, rows, distances in zip(queries, found.rows, found.distances, strict=True):
        np.testing.assert_allclose(distances, by_brute_force(poses, query, k)[1], atol=1e-5)
        np.testing.assert_allclose(pose_distance(poses[rows], query), distances, atol=1e-5)
        assert len(set(rows.tolist())) == k


def test_of_many_poses_the_same_are_found_and_few_are_looked_at() -> None:
    poses = some_poses(20_000, 3)
    queries = some_poses(20, 4)
    found = PoseIndex(poses).nearest(queries, 10)
    for query, rows in zip(queries, found.rows, strict=True):
        assert rows.tolist() == by_brute_force(poses, query, 10)[0].tolist()


def test_the_map_bounds_every_distance_and_far_below_none() -> None:
    poses = some_poses(500, 5)
    reduced = poses.reshape(500, 42) @ bounding_map(poses.reshape(500, 42))
    true = 21 * pose_distance(poses[:250], poses[250:])
    bounds = np.linalg.norm(reduced[:250] - reduced[250:], axis=1)
    assert (bounds <= true + 1e-5).all() and (bounds / true).mean() > 0.25


def test_equal_poses_do_not_confuse_the_tree() -> None:
    found = PoseIndex(np.repeat(some_poses(1, 6), 100, 0)).nearest(some_poses(1, 6), 10)
    assert not found.distances.any() and len(set(found.rows[0].tolist())) == 10


def test_more_neighbours_than_poses_are_refused() -> None:
    with pytest.raises(ValueError, match="neighbours=11 is not legal: it must be 1 to 10"):
        PoseIndex(some_poses(10, 7)).nearest(some_poses(1, 8), 11)
    with pytest.raises(ValueError, match="poses=0 is not legal"):
        PoseIndex(some_poses(3, 7)[:0])
