"""The attention that couples the two modalities: it has no parameters and comes from depth features alone.

Attention from the true mask is its control: what depth features add to knowing where the hand is.
"""

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional


def depth_attention(
    features: Float[Tensor, "batch channels height width"],
) -> Float[Tensor, "batch 1 height width"]:
    """Spatial attention weights from depth features, with mean 1 over the map (Lin et al. 2023, section 3.2).

    The weight of a position is the inner product of its feature with the spatial mean feature. Stages that end
    without a ReLU (inverted residuals) are rectified first, so that no weight is negative.

    Args:
        features: One stage of the depth encoder.

    Returns:
        Weights to multiply RGB or depth features of the same map size with.
    """
    rectified = features.relu()
    mean_feature = rectified.mean((2, 3), keepdim=True)
    return _with_mean_one((rectified * mean_feature).sum(1, keepdim=True))


def mask_attention(
    mask: Float[Tensor, "batch 1 side side"], size: tuple[int, int]
) -> Float[Tensor, "batch 1 height width"]:
    """Weights in the same form from a hand mask: nothing off the hand, mean 1 over the map.

    Args:
        mask: 1 on the hand.
        size: Height and width of the features to weigh.
    """
    return _with_mean_one(functional.adaptive_avg_pool2d(mask, size))


def _with_mean_one(weights: Tensor) -> Tensor:
    mean_weight = weights.mean((2, 3), keepdim=True)
    # A map that is 0 everywhere says nothing about place: weight 1 everywhere.
    flat = mean_weight < torch.finfo(weights.dtype).tiny
    return torch.where(flat, torch.ones_like(weights), weights / mean_weight.clamp_min(1e-12))
