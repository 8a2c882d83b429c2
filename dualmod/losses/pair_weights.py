"""How much a pair of views counts in a contrastive loss, from how far apart their poses are."""

import torch
from jaxtyping import Float
from torch import Tensor


def pose_weights(
    first_uv: Float[Tensor, "batch 21 2"], second_uv: Float[Tensor, "batch 21 2"]
) -> tuple[Float[Tensor, "batch"], Float[Tensor, "twice twice"]]:
    """The adaptive weights of HandCLR (Lin N. et al. 2025, section 3.3): (D_max - D) / (D_max - D_min).

    D is the mean distance of corresponding joints of the augmented views. The ends are those of the batch: over the
    pairs for positives, over all 2 N x 2 N for negatives, where a view is at distance 0 from itself. Where all are
    equally far, every weight is 1.

    Args:
        first_uv: Joints of the first views, in crop sides.
        second_uv: Joints of the second views.

    Returns:
        Weights of the positive pairs, and between all views, those of ``first`` before those of ``second``.
    """
    poses = torch.cat([first_uv, second_uv])
    between = (poses[:, None] - poses[None]).norm(dim=-1).mean(-1)
    return _near_is_one((first_uv - second_uv).norm(dim=-1).mean(-1)), _near_is_one(between)


def _near_is_one(distance: Tensor) -> Tensor:
    nearest, farthest = distance.amin(), distance.amax()
    span = farthest - nearest
    return torch.where(span > 0, (farthest - distance) / span.clamp_min(1e-12), torch.ones_like(distance))
