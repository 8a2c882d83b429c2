"""Blocks of images that belong together, such as the frames of one recording, and what resampling them takes.

Images of one block look alike: resampled one by one they make intervals too narrow. So whole blocks are drawn (the
cluster bootstrap; Field and Welsh, "Bootstrapping clustered data", JRSS B 2007).
"""

from collections.abc import Hashable, Sequence

import numpy as np
from jaxtyping import Float, Int

FEWEST_BLOCKS = 2
"""One block says nothing about how others would differ from it, so there is no interval then."""


def blocks_of(names: Sequence[Hashable]) -> Int[np.ndarray, "images"]:
    """The number of each image's block, by the blocks' names; numbers are in the order of first appearance."""
    numbers = {name: k for k, name in enumerate(dict.fromkeys(names))}
    return np.array([numbers[name] for name in names], np.int64)


def block_sums(
    values: Float[np.ndarray, "*rows images"] | Int[np.ndarray, "*rows images"], blocks: Int[np.ndarray, "images"]
) -> Float[np.ndarray, "*rows blocks"] | Int[np.ndarray, "*rows blocks"]:
    """Sums over the images of each block that has an image, in the order of the blocks' numbers."""
    order = np.argsort(blocks, kind="stable")
    starts = np.unique(blocks[order], return_index=True)[1]
    return np.add.reduceat(values[..., order], starts, axis=-1)


def draw_blocks(num_blocks: int, resamples: int, rng: np.random.Generator) -> Int[np.ndarray, "resamples blocks"]:
    """How often each block is in each resample; as many are drawn, with replacement, as there are."""
    return rng.multinomial(num_blocks, np.full(num_blocks, 1 / num_blocks), size=resamples)
