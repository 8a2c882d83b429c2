"""All that the page and the file of numbers tell."""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from jaxtyping import Bool, Float

from distill.pose_coverage.held_out import HeldOut
from distill.pose_coverage.pose_index import Neighbours
from distill.pose_coverage.predicted_poses import PredictedPoses
from distill.pose_coverage.traits import Share, Traits

DIGITS = 4
QUARTERS = (0.25, 0.5, 0.75, 0.9)


@dataclass(frozen=True)
class TargetSet:
    """One of the targets: its name, and which of the photographs are its own."""

    name: str
    rows: slice


@dataclass(frozen=True)
class Report:
    """What was read of all photographs; row i of every list belongs together.

    Attributes:
        config: Options of the command.
        sets: The targets.
        files: Name of each photograph.
        predicted: Their poses.
        near: Their nearest renders.
        is_clear: Whose views agree; of the others the distance says nothing.
        is_least: The least covered quarter of those.
        order: Those whose views agree, the least covered first.
        traits: Traits of all.
        shares: How often they are seen among those whose views agree.
        held_out: The held-out renders.
    """

    config: dict[str, Any]
    sets: list[TargetSet]
    files: list[str]
    predicted: PredictedPoses
    near: Neighbours
    is_clear: Bool[np.ndarray, "photos"]
    is_least: Bool[np.ndarray, "photos"]
    order: list[int]
    traits: Traits
    shares: list[Share]
    held_out: HeldOut

    @property
    def distances(self) -> Float[np.ndarray, "photos"]:
        """To the k-th nearest render."""
        return self.near.distances[:, -1]

    def of_set(self, target: TargetSet) -> Float[np.ndarray, "photos"]:
        """Distances of the photographs of one target whose views agree."""
        return self.distances[target.rows][self.is_clear[target.rows]]

    def rows_of_sets(self) -> list[dict[str, Any]]:
        """Quantiles of each target, and the share of it that is beyond the farthest quarter of the held-out renders."""
        typical = np.quantile(self.held_out.distances, 0.75)
        return [
            {
                "name": target.name,
                "num_photos": target.rows.stop - target.rows.start,
                "num_unclear": int((~self.is_clear[target.rows]).sum()),
                **quantiles(self.of_set(target)),
                "beyond": _rounded((self.of_set(target) > typical).mean()) if len(self.of_set(target)) else None,
            }
            for target in self.sets
        ]

    def to_json(self) -> dict[str, Any]:
        """The numbers of the page and every photograph's own."""
        held_out = self.held_out
        return {
            "config": self.config,
            "sets": self.rows_of_sets(),
            "held_out": {
                "num_renders": len(held_out.distances),
                **quantiles(held_out.distances),
                "true": quantiles(held_out.true_distances),
                "median_error": _rounded(np.median(held_out.errors)),
                "two_renders": _rounded(held_out.between),
                "rank_correlation": held_out.rank_correlation,
            },
            "shares": [asdict(share) for share in self.shares],
            "photos": [self._photo(row) for row in range(len(self.files))],
        }

    def _photo(self, row: int) -> dict[str, Any]:
        predicted = self.predicted
        return {
            "file": self.files[row],
            "set": next(t.name for t in self.sets if t.rows.start <= row < t.rows.stop),
            "distance": _rounded(self.distances[row]),
            "confidence": _rounded(predicted.confidence[row]),
            "spread": _rounded(predicted.spread[row]),
            "is_clear": bool(self.is_clear[row]),
            "is_least": bool(self.is_least[row]),
            "joints_px": np.round(predicted.joints_px[row], 2).tolist(),
            "joints_depth": np.round(predicted.joints_depth[row], DIGITS).tolist(),
            "renders": self.near.rows[row].tolist(),
            "render_distances": np.round(self.near.distances[row].astype(float), DIGITS).tolist(),
            "traits": {trait: values[row] for trait, values in self.traits.items()},
        }


def quantiles(distances: Float[np.ndarray, "hands"]) -> dict[str, float | None]:
    """Quarters and the ninth tenth; None of no hands."""
    names = ("q25", "median", "q75", "q90")
    if not len(distances):
        return dict.fromkeys(names)
    return {name: _rounded(np.quantile(distances, q)) for name, q in zip(names, QUARTERS, strict=True)}


def _rounded(value: Any) -> float:
    return round(float(value), DIGITS)
