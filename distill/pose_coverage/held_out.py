"""Held-out renders, read as photographs are: distances where no pose is missing, and whether to trust the network."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, UInt8
from scipy.stats import rankdata

from distill.pose_coverage.box_poses import pose_distance
from distill.pose_coverage.pose_index import PoseIndex
from distill.pose_coverage.predicted_poses import predict_poses
from distill.pose_coverage.renders import Renders
from dualmod.inference.predictor import Predictor
from synth.common.subsample import evenly_spaced
from synth.dataset import SampleStore

FEWEST_RANKED = 8
"""Held-out renders from which on a rank correlation is told."""
MOST_COMPARED = 2000


@dataclass(frozen=True)
class HeldOut:
    """The held-out renders as the network reads them.

    Attributes:
        distances: To the k-th nearest render, by the predicted pose.
        true_distances: By the true pose.
        errors: Distance of the predicted from the true pose, in box sides.
        between: Median distance of two renders.
    """

    distances: Float[np.ndarray, "renders"]
    true_distances: Float[np.ndarray, "renders"]
    errors: Float[np.ndarray, "renders"]
    between: float

    @property
    def rank_correlation(self) -> float | None:
        """Spearman's of distances by predicted and by true poses; None for too few renders."""
        if len(self.distances) < FEWEST_RANKED:
            return None
        ranks = rankdata(self.distances), rankdata(self.true_distances)
        return float(np.corrcoef(*ranks)[0, 1])


def read_held_out(
    predictor: Predictor, store: SampleStore, renders: Renders, index: PoseIndex, *, views: int, k: int
) -> HeldOut:
    """The renders that ``index`` lacks, the last ones, read as photographs are."""
    rows = np.arange(len(index), len(renders))
    predicted = predict_poses(predictor, RenderImages(store, rows), views)
    true = renders.poses[rows]
    return HeldOut(
        distances=index.nearest(predicted.poses, k).distances[:, -1],
        true_distances=index.nearest(true, k).distances[:, -1],
        errors=pose_distance(predicted.poses, true),
        between=two_renders(renders),
    )


def two_renders(renders: Renders) -> float:
    """Median distance of two renders, of a dataset in which neighbours have nothing in common."""
    some = renders.poses[evenly_spaced(len(renders), MOST_COMPARED)]
    return float(np.median(pose_distance(some[1:], some[:-1])))


class RenderImages(Sequence[UInt8[np.ndarray, "height width 3"]]):
    """The images of some renders, each decoded when it is asked for."""

    def __init__(self, store: SampleStore, rows: np.ndarray):
        self._store, self._rows = store, rows

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, place: int) -> np.ndarray:  # type: ignore[override]
        return self._store.rgb(int(self._rows[place]))
