"""From centre maps to boxes: peaks, then non-maximum suppression (Zhou et al. 2019, section 3.1)."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional
from torchvision.ops import nms

from dualmod.detection.network import STRIDE, CentreMaps
from synth.common.config import check, option

MAX_LOG_CELLS = 6.0
"""Bound of the log of a box's side: an untrained network must not overflow."""


@dataclass
class DecodeConfig:
    """What counts as a hand."""

    min_score: float = option(0.3, "least score of a hand, 0 to 1")
    max_hands: int = option(8, "hands in a photo at most, the surest")
    nms_iou: float = option(0.5, "overlap of boxes above which only the surer hand stays")

    def __post_init__(self) -> None:
        check(0 <= self.min_score <= 1, "decode.min_score", self.min_score, "0 to 1")
        check(self.max_hands > 0, "decode.max_hands", self.max_hands, "positive")
        check(0 < self.nms_iou <= 1, "decode.nms_iou", self.nms_iou, "above 0 and at most 1")


@dataclass(frozen=True)
class Detections:
    """Hands of one image, surest first.

    Attributes:
        boxes_px: x0, y0, x1, y1 in pixels of the network's input.
        score: 0 to 1.
        right: Probability of a right hand.
    """

    boxes_px: Float[Tensor, "hands 4"]
    score: Float[Tensor, "hands"]
    right: Float[Tensor, "hands"]


def decode(maps: CentreMaps, config: DecodeConfig) -> list[Detections]:
    """The hands of each image of a batch."""
    scores = maps.heat.sigmoid()
    is_peak = scores == functional.max_pool2d(scores, 3, stride=1, padding=1)
    peaks = (scores * is_peak).flatten(1)
    top, cells = peaks.topk(min(4 * config.max_hands, peaks.shape[1]))
    boxes = boxes_of_cells(maps, cells)
    right = maps.right.flatten(1).gather(1, cells).sigmoid()
    found: list[Detections] = []
    for row in range(len(scores)):
        sure = top[row] >= max(config.min_score, 1e-6)  # cells that are no peak have score 0
        kept = nms(boxes[row][sure], top[row][sure], config.nms_iou)[: config.max_hands]
        found.append(Detections(boxes[row][sure][kept], top[row][sure][kept], right[row][sure][kept]))
    return found


def boxes_of_cells(maps: CentreMaps, cells: Float[Tensor, "batch count"]) -> Float[Tensor, "batch count 4"]:
    """The boxes that cells, numbered row by row, say there are; pixels of the network's input."""
    width = maps.heat.shape[-1]
    index = cells[:, None].expand(-1, 2, -1)
    offset = maps.offset.flatten(2).gather(2, index)
    extent = maps.log_size.flatten(2).gather(2, index).clamp_max(MAX_LOG_CELLS).exp()
    centre = torch.stack([cells % width, cells // width], 1) + offset
    edges = torch.cat([centre - extent / 2, centre + extent / 2], 1).transpose(1, 2)
    return edges * STRIDE - 0.5
