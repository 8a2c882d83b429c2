"""What says that a pseudo-label may be wrong, without a label to compare it with."""

from jaxtyping import Float
from torch import Tensor


def joint_weight(confidence: Float[Tensor, "batch 21"]) -> Float[Tensor, "batch 21"]:
    """Weight of each joint: its confidence over the batch's mean one, at most 2."""
    return (confidence / confidence.mean().clamp_min(1e-6)).clamp(max=2.0)


def hand_doubt(confidence: Float[Tensor, "batch 21"]) -> Float[Tensor, "batch"]:
    """How little the network is sure of a hand: minus the mean log confidence of its joints."""
    return -confidence.clamp_min(1e-6).log().mean(1)


def pose_variance(
    uv: Float[Tensor, "poses batch 21 2"], depth: Float[Tensor, "poses batch 21"], depth_weight: float
) -> Float[Tensor, "batch"]:
    """Mean squared distance of the poses from their mean, in the l of Lin et al. 2023, section 3.1 (their C, Eq. 9).

    Args:
        uv: In crop sides.
        depth: Behind the root in reference-bone lengths.
        depth_weight: Weight of squared depth beside squared place.
    """
    squared = ((uv - uv.mean(0)) ** 2).sum(-1) + depth_weight * (depth - depth.mean(0)) ** 2
    return squared.mean(0).mean(-1)
