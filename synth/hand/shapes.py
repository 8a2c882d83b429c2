"""Hand shapes: what the coefficients of a random person are."""

import numpy as np
from jaxtyping import Float

from synth.hand.arrays import NUM_BETAS

SIZE_SIGMA = 1.25
SIZE_CLIP = 3.0
FORM_SIGMA = 1.0
FORM_CLIP = 2.5


def sample_shape(rng: np.random.Generator) -> Float[np.ndarray, "10"]:
    """Shape coefficients of a random hand.

    The first is size in the open hand (7 % for each unit: 187 mm from wrist joint to middle fingertip at 0). Its
    spread of 1.25 is wider than that of adults and is clipped at 3, so hands of about 150 mm (a child's) to
    225 mm occur. The others are form (finger length, girth, palm width), normal with unit spread as the principal
    components are scaled, clipped at 2.5 because rarer shapes have not been looked at.
    """
    size = np.clip(rng.normal(0.0, SIZE_SIGMA), -SIZE_CLIP, SIZE_CLIP)
    form = np.clip(rng.normal(0.0, FORM_SIGMA, NUM_BETAS - 1), -FORM_CLIP, FORM_CLIP)
    return np.concatenate([[size], form])
