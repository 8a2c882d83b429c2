"""Depth attention against a loop, and on maps whose attention is known."""

import torch

from dualmod.network.attention import depth_attention, mask_attention


def slow_attention(features: torch.Tensor) -> torch.Tensor:
    """Position by position, sample by sample."""
    batch, channels, height, width = features.shape
    weights = torch.zeros(batch, 1, height, width)
    for b in range(batch):
        mean = [sum(features[b, c].flatten().tolist()) / (height * width) for c in range(channels)]
        for y in range(height):
            for x in range(width):
                weights[b, 0, y, x] = sum(float(features[b, c, y, x]) * mean[c] for c in range(channels))
        weights[b] = weights[b] / weights[b].sum() * height * width
    return weights


def test_equals_a_loop():
    features = torch.rand(2, 3, 4, 5)
    torch.testing.assert_close(depth_attention(features), slow_attention(features), rtol=1e-5, atol=1e-5)


def test_has_mean_one_and_no_negative_weight_on_signed_features():
    weights = depth_attention(torch.randn(3, 8, 6, 6))
    torch.testing.assert_close(weights.mean((2, 3)), torch.ones(3, 1))
    assert (weights >= 0).all()


def test_one_active_position_takes_all_the_weight():
    features = torch.zeros(1, 4, 3, 3)
    features[0, :, 1, 2] = 5.0
    expected = torch.zeros(1, 1, 3, 3)
    expected[0, 0, 1, 2] = 9.0
    torch.testing.assert_close(depth_attention(features), expected)


def test_a_dead_map_is_left_as_it_is():
    torch.testing.assert_close(depth_attention(-torch.rand(2, 3, 4, 4)), torch.ones(2, 1, 4, 4))


def test_mask_attention_weighs_the_hand_alone_with_mean_one():
    mask = torch.zeros(2, 1, 8, 8)
    mask[0, :, :4, :4] = 1  # one of four cells of the map
    expected = torch.ones(2, 1, 2, 2)  # the second mask is empty: it says nothing
    expected[0] = torch.tensor([[4.0, 0.0], [0.0, 0.0]])
    torch.testing.assert_close(mask_attention(mask, (2, 2)), expected)
