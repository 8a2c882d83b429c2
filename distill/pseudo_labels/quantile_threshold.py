"""Gates of samples: a threshold is a quantile of what was seen lately, since the papers do not state their units."""

from collections import deque
from collections.abc import Mapping
from typing import Any

import torch
from jaxtyping import Bool, Float
from torch import Tensor


class QuantileGate:
    """Keeps samples whose doubt is at most a quantile of the latest ones, this batch included."""

    def __init__(self, quantile: float, window: int):
        self.quantile = quantile
        self._latest: deque[float] = deque(maxlen=window)

    def __call__(self, doubt: Float[Tensor, "batch"]) -> tuple[Bool[Tensor, "batch"], float]:
        """What is kept, and the threshold; the gate remembers ``doubt``. An empty batch changes nothing."""
        self._latest.extend(doubt.tolist())
        if not self._latest:
            return doubt < 0, float("inf")
        threshold = torch.tensor(self._latest, dtype=torch.float64).quantile(self.quantile).item()
        return doubt.double() <= threshold, threshold

    def state_dict(self) -> dict[str, Any]:
        """What resuming needs."""
        return {"quantile": self.quantile, "window": self._latest.maxlen, "latest": list(self._latest)}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from ``state_dict``."""
        self.quantile = float(state["quantile"])
        self._latest = deque(state["latest"], maxlen=state["window"])
