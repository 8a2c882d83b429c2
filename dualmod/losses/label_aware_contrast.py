"""Contrast between classes with weights for hard negatives, or between poses that are more or less alike."""

import torch
from jaxtyping import Float
from torch import Tensor

from dualmod.losses.float32 import in_float32


@in_float32
def label_aware_contrast(
    embeddings: Float[Tensor, "views dims"],
    likeness: Float[Tensor, "views views"],
    *,
    temperature: float = 0.5,
    hardness: float = 1.0,
) -> Float[Tensor, ""]:
    """The contrastive part of CLCE (arXiv 2402.14551, Eq. 4) as a mean over the anchors.

    -log( 1/|P| sum_P e^{s_ip/t} / (sum_P e^{s_ip/t} + sum_N w_in e^{s_in/t}) ) with w_in = |N| e^{b s_in/t} /
    sum_N e^{b s_in/t}: harder negatives weigh more, and their mean weight is 1. P are the other views of the anchor's
    class, N those of other classes.

    The soft form (ours) lets every other view k be a positive by a share p_ik and a negative by 1 - p_ik: sums over P
    and N become sums over all k with these factors, and |P|, |N| their sums. With shares of 0 and 1 it is the formula
    above.

    Args:
        embeddings: Unit vectors.
        likeness: p, in [0, 1]: 1 within a class, 0 between classes; the diagonal does not count.
        temperature: t.
        hardness: b; 0 weighs all negatives alike.

    Returns:
        The mean over the views that have a positive; 0 where none has.
    """
    itself = torch.eye(len(embeddings), dtype=torch.bool, device=embeddings.device)
    share = likeness.masked_fill(itself, 0)
    rest = (1 - likeness).clamp_min(0).masked_fill(itself, 0)
    logits = embeddings @ embeddings.T / temperature
    has_positive, has_negative = share.sum(1) > 0, rest.sum(1) > 0
    if not has_positive.any():
        return 0 * embeddings.sum()
    alike = _log_sum(logits, share, has_positive)
    sum_of_weights = _log_sum(hardness * logits, rest, has_negative)
    weighted = _log_sum((1 + hardness) * logits, rest, has_negative)
    unlike = rest.sum(1).clamp_min(1e-12).log() + weighted - sum_of_weights
    unlike = torch.where(has_negative, unlike, torch.full_like(unlike, -torch.inf))
    mean_alike = alike - share.sum(1).clamp_min(1e-12).log()
    return (torch.logaddexp(alike, unlike) - mean_alike)[has_positive].mean()


def _log_sum(logits: Tensor, factors: Tensor, rows: Tensor) -> Tensor:
    """log sum_k factors_k e^{logits_k}; rows without any factor take all factors as 1, so that no gradient is NaN."""
    safe = torch.where(rows[:, None], factors, torch.ones_like(factors))
    return (logits + safe.log()).logsumexp(1)
