"""Blocks of images that belong together, such as the frames of one recording."""

from collections.abc import Hashable, Sequence

import numpy as np
from jaxtyping import Int


def blocks_of(names: Sequence[Hashable]) -> Int[np.ndarray, "images"]:
    """The number of each image's block, by the blocks' names; numbers are in the order of first appearance."""
    numbers = {name: k for k, name in enumerate(dict.fromkeys(names))}
    return np.array([numbers[name] for name in names], np.int64)
