"""Small hands to augment."""

import numpy as np
import pytest

from dualmod.data.augment import CLOSENESS_STEPS, LabelledHand


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(3)


@pytest.fixture
def hands(rng) -> list[LabelledHand]:
    """Six hands: noise with a bright disc at every joint, mask and depth on a rectangle around the joints."""
    return [make_hand(rng) for _ in range(6)]


def make_hand(rng: np.random.Generator) -> LabelledHand:
    joints_px = rng.uniform(40, 88, (21, 2)).astype(np.float32)
    rgb = rng.integers(0, 256, (128, 128, 3), dtype=np.uint8)
    mask = np.zeros((128, 128), np.uint8)
    mask[36:92, 36:92] = 255
    closeness = np.where(mask > 0, np.uint16(CLOSENESS_STEPS // 2), np.uint16(0)).astype(np.uint16)
    depth = rng.normal(0, 0.4, 21).astype(np.float32)
    return LabelledHand(rgb, closeness, mask, joints_px, depth)
