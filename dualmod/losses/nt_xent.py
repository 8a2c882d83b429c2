"""The contrastive loss between two sets of embeddings."""

import torch
from jaxtyping import Float
from torch import Tensor

from dualmod.losses.float32 import in_float32


@in_float32
def nt_xent(
    anchors: Float[Tensor, "batch dims"], positives: Float[Tensor, "batch dims"], *, temperature: float = 0.5
) -> Float[Tensor, ""]:
    """NT-Xent as printed in Lin et al. 2023, Eq. 3, as a mean over the anchors.

    -log( exp(s(z_i, z+_i) / t) / sum over k != i of [exp(s(z_i, z_k) / t) + exp(s(z_i, z+_k) / t)] ), s the cosine.
    One-directional, and the positive is not in the denominator. The paper sums over its batch of 140: our mean needs
    a weight that many times larger to match.

    Args:
        anchors: Unit vectors.
        positives: Unit vectors, row i the positive of anchor i.
        temperature: t.

    Raises:
        ValueError: for a batch of one, which has no negatives.
    """
    count = len(anchors)
    if count < 2:
        raise ValueError(f"a contrastive loss needs a batch of 2 or more, not {count}")
    within = anchors @ anchors.T / temperature
    across = anchors @ positives.T / temperature
    itself = torch.eye(count, dtype=torch.bool, device=anchors.device)
    negatives = torch.cat([within.masked_fill(itself, -torch.inf), across.masked_fill(itself, -torch.inf)], 1)
    return (negatives.logsumexp(1) - across.diagonal()).mean()
