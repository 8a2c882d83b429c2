"""Shapes: spread, clipping, and what the first coefficient does to the hand."""

import numpy as np

from synth.hand import load_hand, sample_shape


def hand_length(beta0: float) -> float:
    hand = load_hand("open")
    verts = hand.v_template + hand.shapedirs[:, :, 0] * beta0
    return float(np.linalg.norm(verts[hand.tip_vertex_ids[2]] - hand.J_regressor[0] @ verts))


def test_spread_clip_and_repeatability():
    rng = np.random.default_rng(0)
    betas = np.array([sample_shape(rng) for _ in range(2000)])
    assert betas.shape == (2000, 10)
    assert abs(betas[:, 0].std() - 1.23) < 0.08 and np.abs(betas[:, 0]).max() == 3
    assert (np.abs(betas[:, 1:].std(0) - 0.98) < 0.08).all() and np.abs(betas[:, 1:]).max() == 2.5
    np.testing.assert_array_equal(sample_shape(np.random.default_rng(0)), betas[0])


def test_the_first_coefficient_is_size():
    ratio = hand_length(1) / hand_length(0)
    assert 1.05 < ratio < 1.09
    assert hand_length(-3) / hand_length(0) < 0.82 and hand_length(3) / hand_length(0) > 1.18
