"""Milliseconds in which the ten nearest of many poses are found, query by query, and how often they are the true ones.

Poses are the renders of a dataset, and of these a million: each blended in 3D with another one, turned at random and
projected anew, which makes neighbours rarer than more renders would. Queries are some of them with their joints moved.
The index of ``handbridge coverage`` stands beside looking at every pose, and beside scipy's tree over principal
components, whose candidates by Euclidean distance are ranked by the true one. Times are of the process, so that others
on the machine count less.

    python benchmarks/bench_pose_index.py RENDERS [POSES]
"""

import sys
import time
from collections.abc import Callable, Iterator

import numpy as np
from rich.console import Console
from rich.table import Table
from scipy.spatial import cKDTree
from scipy.spatial.transform import Rotation

from distill.pose_coverage.box_poses import box_poses, pose_distance
from distill.pose_coverage.pose_index import PoseIndex
from distill.pose_coverage.renders import labels_of
from synth.common.conventions import LEFT
from synth.dataset import SampleStore

POSES, QUERIES, NEIGHBOURS = 1_000_000, 200, 10
BLEND, TURN_RAD, MOVED = 0.3, 0.25, 0.01
NEAREST_M = 0.15
COMPONENTS, CANDIDATES = 8, (50, 200, 800)
FEW = 20
"""Queries that time what looks at every pose."""
Search = Callable[[np.ndarray], np.ndarray]
"""Rows of the nearest poses of one query, nearest first."""


def many_poses(joints_cam: np.ndarray, count: int, rng: np.random.Generator) -> np.ndarray:
    """``count`` poses like those of the joints, none twice."""
    parts = []
    for _ in range(-(-count // len(joints_cam))):
        root = joints_cam - joints_cam[:, :1]
        share = rng.uniform(0, BLEND, len(root))[:, None, None]
        blended = (1 - share) * root + share * rng.permutation(root)
        R = Rotation.from_rotvec(TURN_RAD * rng.normal(size=(len(root), 3))).as_matrix()
        turned = blended @ np.swapaxes(R, 1, 2) + joints_cam[:, :1]
        parts.append(box_poses(turned[..., :2] / np.maximum(turned[..., 2:], NEAREST_M)))
    return np.concatenate(parts)[:count]


def searches(poses: np.ndarray) -> Iterator[tuple[str, float, Search]]:
    """Name, seconds to build, and the search of each way."""
    flat = poses.reshape(len(poses), -1)

    def ranked(rows: np.ndarray, query: np.ndarray) -> np.ndarray:
        return rows[np.argsort(pose_distance(poses[rows], query))[:NEIGHBOURS]]

    start = time.process_time()
    index = PoseIndex(poses)
    yield "this index", time.process_time() - start, lambda query: index.nearest(query[None], NEIGHBOURS).rows[0]
    start = time.process_time()
    centre = flat.mean(0)
    components = np.linalg.eigh(np.cov((flat - centre)[:: max(1, len(flat) // 50_000)].T))[1][:, ::-1][:, :COMPONENTS]
    tree = cKDTree((flat - centre) @ components, balanced_tree=False, compact_nodes=False)
    built = time.process_time() - start
    for most in CANDIDATES:
        yield (
            f"scipy, {most} candidates of {COMPONENTS} components",
            built,
            lambda query, most=most: ranked(tree.query((query.ravel() - centre) @ components, most)[1], query),
        )
    yield "every pose (numpy)", 0.0, lambda query: ranked(np.arange(len(poses)), query)


def measure(poses: np.ndarray, table: Table) -> None:
    """One row of the table for each way to search."""
    rng = np.random.default_rng(1)
    queries = poses[rng.integers(len(poses), size=QUERIES)] + MOVED * rng.normal(size=(QUERIES, *poses.shape[1:]))
    queries = box_poses(queries)
    truth: np.ndarray | None = None
    for name, built, search in searches(poses):
        asked = queries[:FEW] if name.startswith("every") else queries
        search(asked[0])
        took, found = [], []
        for query in asked:
            start = time.process_time()
            found.append(search(query))
            took.append(1000 * (time.process_time() - start))
        truth = np.stack(found) if truth is None else truth
        recall = np.mean([np.isin(a, b).mean() for a, b in zip(truth, found, strict=False)])
        told = (built, np.mean(took), np.median(took), np.quantile(took, 0.9))
        table.add_row(f"{len(poses):,}", name, *(f"{value:.2f}" for value in told), f"{recall:.4f}")


def main() -> None:
    store = SampleStore(sys.argv[1])
    labels = [labels_of(store, row) for row in range(len(store))]
    joints_cam = np.array([label["joints_cam"] for label in labels])
    joints_cam[[label["handedness"] == LEFT for label in labels], :, 0] *= -1
    table = Table("poses", "search", "s to build", "ms, mean", "median", "nine tenths", "of the true ten")
    measure(box_poses(joints_cam[..., :2] / joints_cam[..., 2:]), table)
    count = int(sys.argv[2]) if len(sys.argv) > 2 else POSES
    measure(many_poses(joints_cam, count, np.random.default_rng(0)), table)
    Console(width=120).print(table)


if __name__ == "__main__":
    main()
