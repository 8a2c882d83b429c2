"""Equivariance in latent space: the geometric change of a view is undone on its embedding before embeddings meet."""

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from dualmod.losses.float32 import in_float32


@in_float32
def undo_geometry(
    embedding: Float[Tensor, "batch dims"], turn_rad: Float[Tensor, "batch"], shift: Float[Tensor, "batch 2"]
) -> Float[Tensor, "batch dims"]:
    """The embedding as that of the view before it was turned and shifted (PeCLR, Spurr et al. 2021, section 3.3).

    The embedding is read as dims / 2 points of a plane. First the shift is taken back, in units of the points' range
    along each axis (that of the image is the crop's side); then the points turn back about their mean. Range and mean
    pass no gradient. Scale stays: it is a part of the crop, and the embedding shall not depend on it.

    Args:
        embedding: Of any length, since all steps scale with it.
        turn_rad: Turn of the view from x to y (clockwise as seen).
        shift: Where the centre came to lie after the turn, in crop sides.

    Returns:
        Unit vectors.

    Raises:
        ValueError: when ``dims`` is odd.
    """
    count, dims = embedding.shape
    if dims % 2:
        raise ValueError(f"an embedding of {dims} numbers is no list of 2D points; give an even network.embedding_dims")
    points = embedding.view(count, dims // 2, 2)
    extent = (points.amax(1) - points.amin(1)).detach()
    points = points - (shift * extent)[:, None]
    mean = points.mean(1, keepdim=True).detach()
    points = (points - mean) @ turn_matrix(-turn_rad).transpose(1, 2) + mean
    return functional.normalize(points.flatten(1), dim=1)


def turn_matrix(turn_rad: Float[Tensor, "batch"]) -> Float[Tensor, "batch 2 2"]:
    """``R`` of column vectors that turns from x to y."""
    cosine, sine = turn_rad.cos(), turn_rad.sin()
    return torch.stack([torch.stack([cosine, -sine], -1), torch.stack([sine, cosine], -1)], -2)
