"""Hands as targets of the centre maps: heatmap, size and offset (Zhou et al. 2019, section 3), and the side."""

from dataclasses import dataclass, fields

import torch
from jaxtyping import Float, Int
from torch import Tensor

from dualmod.detection.network import STRIDE

HAND, IGNORED, NONE = 1, -1, 0
"""Kinds of a row of ``SceneHands``: to be found; to be left out of the loss (hidden, cut off, unsure); no hand."""
MIN_OVERLAP = 0.3
"""IoU with the true box that a box off by the Gaussian's radius still has (Law and Deng 2018, CornerNet). The papers
say 0.7; but their code takes roots that are too large, and what it draws comes to about this."""
REACH = 1
"""Cells about the centre's that learn size, offset and side too. The paper takes the centre's alone; more of them learn
faster, and a peak that is one cell off still gives the right box."""


@dataclass(frozen=True)
class SceneHands:
    """Hands of a batch of images, padded to the same number.

    Attributes:
        boxes_px: x0, y0, x1, y1 in pixels of the network's input.
        right: 1 for a right hand, 0 for a left one; NaN where nobody knows.
        kind: ``HAND``, ``IGNORED`` or ``NONE``.
    """

    boxes_px: Float[Tensor, "batch hands 4"]
    right: Float[Tensor, "batch hands"]
    kind: Int[Tensor, "batch hands"]

    def __getitem__(self, rows: slice | Tensor) -> "SceneHands":
        return SceneHands(**{f.name: getattr(self, f.name)[rows] for f in fields(self)})

    def to(self, device: torch.device | str) -> "SceneHands":
        """The hands on another device."""
        return SceneHands(**{f.name: getattr(self, f.name).to(device) for f in fields(self)})


@dataclass(frozen=True)
class CentreTargets:
    """What ``CentreMaps`` should be, and where that counts.

    Attributes:
        heat: 1 at centres, Gaussian about them.
        heat_weight: 0 in the boxes of hands that are left out and no other hand's centre, else 1.
        log_size: Of the hand whose centre is near.
        offset: Of that hand.
        right: Of that hand; NaN where not known.
        near: 1 in cells within ``REACH`` of a centre, where the three above count.
        count: Number of hands in the batch, at least 1.
    """

    heat: Float[Tensor, "batch 1 height width"]
    heat_weight: Float[Tensor, "batch 1 height width"]
    log_size: Float[Tensor, "batch 2 height width"]
    offset: Float[Tensor, "batch 2 height width"]
    right: Float[Tensor, "batch 1 height width"]
    near: Float[Tensor, "batch 1 height width"]
    count: Float[Tensor, ""]


def centre_targets(hands: SceneHands, size: tuple[int, int]) -> CentreTargets:
    """Targets of a batch; where two hands claim a cell, the smaller one has it.

    Args:
        hands: The hands; a ``HAND`` whose centre lies outside of the image is left out.
        size: Height and width of the maps in cells.
    """
    height, width = size
    edges = (hands.boxes_px + 0.5) / STRIDE  # from pixel centres to cells counted from the image's outer edge
    centre, extent = (edges[..., :2] + edges[..., 2:]) / 2, (edges[..., 2:] - edges[..., :2]).clamp_min(1e-3)
    cell = centre.floor()
    inside = ((cell >= 0) & (cell < cell.new_tensor([width, height]))).all(-1)
    counts = (hands.kind == HAND) & inside
    x = torch.arange(width, device=edges.device, dtype=edges.dtype)
    y = torch.arange(height, device=edges.device, dtype=edges.dtype)[:, None]
    away_x, away_y = x - cell[..., 0, None, None], y - cell[..., 1, None, None]  # batch hands height width

    radius = gaussian_radius(extent).floor()[..., None, None]
    sigma = (2 * radius + 1) / 6
    spread = torch.exp(-(away_x.square() + away_y.square()) / (2 * sigma.square()))
    spread = spread * ((away_x.abs() <= radius) & (away_y.abs() <= radius) & counts[..., None, None])
    heat = spread.amax(1, keepdim=True)

    left_out = (
        (x + 1 > edges[..., 0, None, None]) & (x < edges[..., 2, None, None])
        & (y + 1 > edges[..., 1, None, None]) & (y < edges[..., 3, None, None])
        & (hands.kind == IGNORED)[..., None, None]
    ).any(1, keepdim=True)  # fmt: skip
    claimed = (away_x.abs() <= REACH) & (away_y.abs() <= REACH) & counts[..., None, None]
    area = extent.prod(-1)[..., None, None].expand_as(spread)
    owner = torch.where(claimed, area, torch.inf).argmin(1, keepdim=True)

    def of_owner(values: Tensor) -> Tensor:
        return values.expand_as(spread).gather(1, owner)

    log_size = extent.log()
    return CentreTargets(
        heat=heat,
        heat_weight=(~left_out | (heat == 1)).to(heat),
        log_size=torch.cat([of_owner(log_size[..., k, None, None]) for k in range(2)], 1),
        offset=torch.cat([of_owner(centre[..., 0, None, None] - x), of_owner(centre[..., 1, None, None] - y)], 1),
        right=of_owner(hands.right[..., None, None]),
        near=claimed.any(1, keepdim=True).to(heat),
        count=counts.sum().clamp_min(1).to(heat),
    )


def gaussian_radius(extent: Float[Tensor, "*n 2"]) -> Float[Tensor, "*n"]:
    """Largest shift of a box's corners that leaves ``MIN_OVERLAP`` of IoU, in the units of ``extent``.

    The least of three cases: both corners move inwards, both outwards, or the box moves as a whole.
    """
    width, height = extent.unbind(-1)
    total, area = width + height, width * height
    moved = _smaller_root(1.0, -total, area * (1 - MIN_OVERLAP) / (1 + MIN_OVERLAP))
    inner = _smaller_root(4.0, -2 * total, (1 - MIN_OVERLAP) * area)
    # 4 M r^2 + 2 M (w + h) r - (1 - M) w h = 0
    a, b, c = 4 * MIN_OVERLAP, 2 * MIN_OVERLAP * total, (MIN_OVERLAP - 1) * area
    outer = (-b + (b.square() - 4 * a * c).sqrt()) / (2 * a)
    return torch.stack([moved, inner, outer]).amin(0)


def _smaller_root(a: float, b: Tensor, c: Tensor) -> Tensor:
    return (-b - (b.square() - 4 * a * c).clamp_min(0).sqrt()) / (2 * a)
