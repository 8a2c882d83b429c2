"""The nearest of many poses, exactly: a tree over few numbers of each pose, whose distances bound the true ones.

The distance of two poses is the mean over the joints of how far each is away, d = sum_j |x_j - y_j| / 21. For a linear
map A of all coordinates whose part for each joint, A_j, lengthens nothing (spectral norm at most 1), the triangle
inequality gives

    |A x - A y| = |sum_j A_j (x_j - y_j)| <= sum_j |x_j - y_j| = 21 d

so what is farther than 21 d in the few numbers A x is farther than d in truth. A holds the principal components of the
poses, with the part of each joint scaled to norm 1: on renders this bounds the distance of neighbours from below by 0.4
of itself, where plain components reach 0.3, and so leaves a third of the poses to look at (docs/coverage.md).
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from synth.common.config import check
from synth.render.kernels.jit import inlined, kernel

NUM_COMPONENTS = 6
"""Numbers of each pose that the tree is built over; 4 to 8 are equally fast."""
LEAF_SIZE = 32
MOST_FITTED = 50_000
"""Poses that the components are computed from."""
STACK_SIZE = 128
NONE = -1


@dataclass(frozen=True)
class Neighbours:
    """The nearest poses of each query, nearest first.

    Attributes:
        rows: Their places in the indexed poses.
        distances: In box sides.
    """

    rows: Int[np.ndarray, "queries k"]
    distances: Float[np.ndarray, "queries k"]


class PoseIndex:
    """Nearest neighbours among poses of ``box_poses``, exact, about a millisecond for ten among a million."""

    def __init__(self, poses: Float[np.ndarray, "poses 21 2"]):
        """Build the tree.

        Raises:
            ValueError: when there is no pose.
        """
        check(len(poses) > 0, "poses", len(poses), "one or more")
        flat = np.ascontiguousarray(poses.reshape(len(poses), -1), np.float32)
        self._map = bounding_map(flat[:: -(-len(flat) // MOST_FITTED)])
        reduced = flat @ self._map
        self._rows, self._low, self._high = _tree(reduced)
        places = np.maximum(self._rows, 0)
        self._poses, self._reduced = flat[places], reduced[places]
        self._count = len(flat)

    def __len__(self) -> int:
        return self._count

    def nearest(self, poses: Float[np.ndarray, "queries 21 2"], k: int) -> Neighbours:
        """The ``k`` nearest indexed poses of each pose.

        Raises:
            ValueError: when fewer than ``k`` poses are indexed.
        """
        check(0 < k <= self._count, "neighbours", k, f"1 to {self._count}, the number of poses to look among")
        queries = np.ascontiguousarray(poses.reshape(len(poses), -1), np.float32)
        rows, sums = np.full((len(queries), k), NONE, np.int64), np.full((len(queries), k), np.inf, np.float32)
        num_leaves = (len(self._low) + 1) // 2
        _search(
            self._poses, self._reduced, self._rows, self._low, self._high, num_leaves,
            queries, queries @ self._map, rows, sums,
        )  # fmt: skip
        return Neighbours(rows, sums / poses.shape[1])


def bounding_map(flat: Float[np.ndarray, "poses coordinates"]) -> Float[np.ndarray, "coordinates components"]:
    """The map A of the module's text: principal components, the part of each joint scaled to spectral norm 1."""
    centred = flat - flat.mean(0, dtype=np.float64)
    _, components = np.linalg.eigh(centred.T @ centred)
    parts = components[:, ::-1][:, :NUM_COMPONENTS].reshape(-1, 2, NUM_COMPONENTS)
    norms = np.linalg.norm(parts, 2, axis=(1, 2))
    return (parts / np.maximum(norms, 1e-9)[:, None, None]).reshape(flat.shape[1], -1).astype(np.float32)


def _tree(reduced: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A complete binary tree: each node halves its points by the number in which they differ most.

    Returns:
        Rows of the points leaf by leaf, padded with ``NONE`` to leaves of equal size; and the lower and upper corner of
        each node's box, level by level, so that node i has the children 2 i + 1 and 2 i + 2.
    """
    levels = max(0, int(np.ceil(np.log2(len(reduced) / LEAF_SIZE))))
    size = -(-len(reduced) // 2**levels)
    rows = np.full(size * 2**levels, NONE)
    rows[: len(reduced)] = np.arange(len(reduced))
    low, high = [], []
    for level in range(levels + 1):
        nodes = rows.reshape(2**level, -1)
        points, is_real = reduced[nodes], (nodes != NONE)[..., None]
        low.append(np.where(is_real, points, np.inf).min(1))
        high.append(np.where(is_real, points, -np.inf).max(1))
        if level < levels:
            widest = (high[-1] - low[-1]).argmax(1)
            values = np.where(nodes != NONE, points[np.arange(len(nodes)), :, widest], np.inf)
            rows = np.take_along_axis(nodes, np.argpartition(values, nodes.shape[1] // 2 - 1, 1), 1).ravel()
    return rows, np.concatenate(low).astype(np.float32), np.concatenate(high).astype(np.float32)


@inlined
def _box_bound(low, high, node, at):  # type: ignore[no-untyped-def]
    """Squared distance of a point from a node's box; infinite for an empty node."""
    bound = np.float32(0)
    for dim in range(len(at)):
        step = max(low[node, dim] - at[dim], at[dim] - high[node, dim], np.float32(0))
        bound += step * step
    return bound


@inlined
def _joint_sum(pose, other):  # type: ignore[no-untyped-def]
    total = np.float32(0)
    for joint in range(len(pose) // 2):
        x, y = pose[2 * joint] - other[2 * joint], pose[2 * joint + 1] - other[2 * joint + 1]
        total += np.sqrt(x * x + y * y)
    return total


@inlined
def _insert(best, best_rows, value, row):  # type: ignore[no-untyped-def]
    """Put a value in its place in the sorted list, whose last one falls out; nothing where it is no better."""
    place = len(best) - 1
    if value >= best[place]:
        return
    while place > 0 and best[place - 1] > value:
        best[place], best_rows[place] = best[place - 1], best_rows[place - 1]
        place -= 1
    best[place], best_rows[place] = value, row


@kernel
def _search(poses, reduced, point_rows, low, high, num_leaves, queries, reduced_queries, rows, sums):  # type: ignore[no-untyped-def]
    """Fill ``rows`` and ``sums``, sorted, with the nearest points of each query and the sums over their joints."""
    nodes, bounds = np.empty(STACK_SIZE, np.int64), np.empty(STACK_SIZE, np.float32)
    leaf_size, k, dims = len(point_rows) // num_leaves, rows.shape[1], reduced.shape[1]
    for query in range(len(queries)):
        at, full, best, best_rows = reduced_queries[query], queries[query], sums[query], rows[query]
        nodes[0], bounds[0], waiting = 0, 0.0, 1
        while waiting > 0:
            waiting -= 1
            node = nodes[waiting]
            if bounds[waiting] >= best[k - 1] * best[k - 1]:
                continue
            if node < num_leaves - 1:
                near, far = 2 * node + 1, 2 * node + 2
                near_bound, far_bound = _box_bound(low, high, near, at), _box_bound(low, high, far, at)
                if far_bound < near_bound:
                    near, far, near_bound, far_bound = far, near, far_bound, near_bound
                nodes[waiting], bounds[waiting] = far, far_bound
                nodes[waiting + 1], bounds[waiting + 1] = near, near_bound
                waiting += 2
                continue
            start = (node - num_leaves + 1) * leaf_size
            for point in range(start, start + leaf_size):
                if point_rows[point] < 0:
                    continue
                bound = np.float32(0)
                for dim in range(dims):
                    step = reduced[point, dim] - at[dim]
                    bound += step * step
                if bound < best[k - 1] * best[k - 1]:
                    _insert(best, best_rows, _joint_sum(poses[point], full), point_rows[point])
