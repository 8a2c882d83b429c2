"""Blocks of images that belong together, such as the frames of one recording, and what resampling them takes.

Images of one block look alike: resampled one by one they make intervals too narrow. So whole blocks are drawn (the
cluster bootstrap; Field and Welsh, "Bootstrapping clustered data", JRSS B 2007).
"""

import numpy as np
from jaxtyping import Float, Int

FEWEST_BLOCKS = 2
"""One block says nothing about how others would differ from it, so there is no interval then."""


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
