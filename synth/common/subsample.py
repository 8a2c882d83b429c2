"""A few of many: positions to show or to count where all would be too much."""

import numpy as np


def evenly_spaced(length: int, most: int) -> list[int]:
    """At most ``most`` positions of ``length``, from the first to the last and evenly spread."""
    return np.linspace(0, length - 1, min(most, length)).round().astype(int).tolist()
