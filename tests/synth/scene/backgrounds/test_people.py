"""People behind the hand: a soft outline, nothing changed around them, and no two alike."""

import numpy as np

from synth.scene.backgrounds.people import paint_person

GREY = 128


def painted(seed: int, level: int = GREY) -> np.ndarray:
    image = np.full((160, 160, 3), level, np.uint8)
    paint_person(np.random.default_rng(seed), image)
    return image


def test_most_are_seen_and_each_is_another():
    pictures = [painted(seed) for seed in range(20)]
    seen = [(np.abs(p.astype(int) - GREY).max(-1) > 8).mean() for p in pictures]
    assert np.median(seen) > 0.1 and max(seen) < 1
    assert len({p.tobytes() for p in pictures}) == len(pictures)


def test_outlines_are_soft():
    for seed in range(20):
        steps = np.abs(np.diff(painted(seed).astype(int), axis=1)).max(-1)
        assert steps.max() < 100


def test_a_person_is_laid_over_what_is_behind_with_a_share_for_each_pixel():
    for seed in range(20):
        black, grey, white = (painted(seed, level).astype(float) for level in (0, GREY, 255))
        share = 1 - (white - black) / 255
        assert share.min() >= 0 and share.max() <= 1
        assert np.abs(black + (1 - share) * GREY - grey).max() <= 2
        assert (grey[(share == 0).all(-1)] == GREY).all()
