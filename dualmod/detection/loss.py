"""Losses of the centre maps (Zhou et al. 2019, Eq. 1 to 4), and of the side of the hand."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from dualmod.detection.network import CentreMaps
from dualmod.detection.targets import CentreTargets
from synth.common.config import check, option

ALPHA, BETA = 2, 4
"""Exponents of the focal loss, the paper's."""


@dataclass
class DetectorLossConfig:
    """Weights of the terms."""

    heat: float = option(1.0, "weight of the focal loss of the centres")
    size: float = option(1.0, "weight of the l1 loss of log width and height; 0.1 in the paper is for cells")
    offset: float = option(1.0, "weight of the l1 loss of the offset")
    right: float = option(0.3, "weight of the cross-entropy of left or right")

    def __post_init__(self) -> None:
        for key in ("heat", "size", "offset", "right"):
            check(getattr(self, key) >= 0, f"loss.{key}", getattr(self, key), "0 or more")


def detector_losses(maps: CentreMaps, targets: CentreTargets, weights: DetectorLossConfig) -> dict[str, Tensor]:
    """The weighted terms by name; each is a mean over hands, or over the cells about their centres."""
    near = targets.near
    known = near * torch.isfinite(targets.right)
    side = functional.binary_cross_entropy_with_logits(maps.right, targets.right.nan_to_num(0), reduction="none")
    return {
        "heat": weights.heat * focal_loss(maps.heat, targets.heat, targets.heat_weight, targets.count),
        "size": weights.size * masked_mean((maps.log_size - targets.log_size).abs().sum(1, keepdim=True), near),
        "offset": weights.offset * masked_mean((maps.offset - targets.offset).abs().sum(1, keepdim=True), near),
        "right": weights.right * masked_mean(side, known),
    }


def focal_loss(
    logits: Float[Tensor, "batch 1 height width"],
    heat: Float[Tensor, "batch 1 height width"],
    weight: Float[Tensor, "batch 1 height width"],
    count: Float[Tensor, ""],
) -> Float[Tensor, ""]:
    """Penalty-reduced focal loss over all cells, divided by the number of hands (Eq. 1).

    Args:
        logits: Of the predicted heatmap.
        heat: 1 at centres, less than 1 about them.
        weight: Of each cell.
        count: Number of hands.
    """
    p = logits.sigmoid()
    at_centre = (1 - p).pow(ALPHA) * functional.logsigmoid(logits)
    elsewhere = (1 - heat).pow(BETA) * p.pow(ALPHA) * functional.logsigmoid(-logits)
    return -(torch.where(heat == 1, at_centre, elsewhere) * weight).sum() / count


def masked_mean(values: Tensor, mask: Tensor) -> Float[Tensor, ""]:
    """Mean of the values where the mask is 1; 0 where it is nowhere."""
    return (values * mask).sum() / mask.sum().clamp_min(1)
