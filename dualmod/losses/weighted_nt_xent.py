"""NT-Xent in both directions with the positive in the denominator, and similarities that poses may weigh."""

import torch
from jaxtyping import Float
from torch import Tensor

from dualmod.losses.float32 import in_float32


@in_float32
def weighted_nt_xent(
    first: Float[Tensor, "batch dims"],
    second: Float[Tensor, "batch dims"],
    *,
    temperature: float = 0.5,
    positive_weight: Float[Tensor, "batch"] | None = None,
    negative_weight: Float[Tensor, "twice twice"] | None = None,
) -> Float[Tensor, ""]:
    """NT-Xent over the 2 N views, a mean over all of them as anchors (SimCLR, PeCLR; with weights HandCLR).

    -log( exp(v_i s(z_i, z+_i) / t) / [exp(v_i s(z_i, z+_i) / t) + sum over the other 2 N - 2 views k of
    exp(w_ik s(z_i, z_k) / t)] ), s the cosine. The weights v and w of HandCLR (Lin N. et al. 2025, section 3.3) scale
    the similarity, not its exponential; without them all are 1.

    Args:
        first: Unit vectors.
        second: Unit vectors, row i the positive of row i.
        temperature: t.
        positive_weight: v of each pair.
        negative_weight: w between all views, those of ``first`` before those of ``second``.

    Raises:
        ValueError: for a batch of one, which has no negatives.
    """
    count = len(first)
    if count < 2:
        raise ValueError(f"a contrastive loss needs a batch of 2 or more, not {count}")
    views = torch.cat([first, second])
    logits = views @ views.T / temperature
    across = torch.cat([logits.diagonal(count), logits.diagonal(-count)])
    positives = across if positive_weight is None else across * positive_weight.repeat(2)
    if negative_weight is not None:
        logits = logits * negative_weight
    own = torch.eye(count, dtype=torch.bool, device=first.device).repeat(2, 2)  # the anchor itself and its positive
    negatives = logits.masked_fill(own, -torch.inf).logsumexp(1)
    return (torch.logaddexp(positives, negatives) - positives).mean()
