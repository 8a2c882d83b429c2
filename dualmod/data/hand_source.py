"""What training asks of labelled hands, whether they lie on a disk or are rendered when they are wanted."""

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
from jaxtyping import Int

from dualmod.data.augment import LabelledHand


class Hands(Protocol):
    """Labelled right hands by index.

    Attributes:
        held_out: Indices that training never sees.
        notes: What a checkpoint should say of the data it was trained on: hand model, licences, size.
    """

    held_out: Int[np.ndarray, "held_out"]
    notes: dict[str, Any]

    def order(self, places: range, seed: int) -> list[int]:
        """Indices at ``places`` of the endless order of training: a pure function of both."""
        ...

    def rows(self, indices: Sequence[int]) -> list[LabelledHand]:
        """The hands of some indices."""
        ...
