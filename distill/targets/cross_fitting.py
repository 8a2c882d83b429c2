"""Every photo predicted by a network that has not seen it, of several that have each seen the rest of the set."""

from collections.abc import Sequence
from dataclasses import fields

import numpy as np
from jaxtyping import Float, Int

from dualmod.evaluate import PredictsHands
from dualmod.inference.predictor import HandEstimates


def fold_of_rows(count: int, folds: int) -> Int[np.ndarray, "rows"]:
    """Number of the fold of each row: blocks of neighbours, since neighbouring rows are often of one scene."""
    return np.arange(count) * folds // count


class FoldPredictor:
    """Predicts each photo of a set with the network that has not seen it."""

    def __init__(self, predictors: Sequence[PredictsHands], folds: Int[np.ndarray, "rows"]) -> None:
        self.predictors, self.folds = predictors, folds

    @property
    def crop_margin(self) -> float:
        """That of all the networks, which have one start."""
        return self.predictors[0].crop_margin

    def predict(
        self, images: Sequence[np.ndarray], boxes_px: Float[np.ndarray, "hands 4"], handedness: list[str] | None = None
    ) -> HandEstimates:
        """As ``Predictor.predict``, for all rows of the set in their order."""
        parts = []
        for k, predictor in enumerate(self.predictors):
            rows = np.flatnonzero(self.folds == k)
            said = None if handedness is None else [handedness[row] for row in rows]
            parts.append(predictor.predict(images[rows[0] : rows[-1] + 1], boxes_px[rows], said))
        return HandEstimates(
            **{f.name: np.concatenate([getattr(p, f.name) for p in parts]) for f in fields(HandEstimates)}
        )
