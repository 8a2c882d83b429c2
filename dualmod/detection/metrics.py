"""How good a detector is: on held-out scenes, of which all is known, and on photos with one labelled hand each."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from torchvision.ops import box_iou

from dualmod.detection.batches import SceneBatch
from dualmod.detection.decode import DecodeConfig, Detections, decode
from dualmod.detection.detector import HandBox
from dualmod.detection.network import DetectorNet
from dualmod.detection.targets import HAND, IGNORED

FOUND_IOU = 0.5
"""Overlap with the true box from which on a hand counts as found."""


@torch.no_grad()
def scene_scores(net: DetectorNet, scenes: SceneBatch, config: DecodeConfig, *, batch_size: int = 32) -> dict:
    """Recall, precision and mean IoU at ``FOUND_IOU`` on scenes, the share of sides that are right, and hands wrongly
    seen in scenes without any. Finds on hands that are to be left out count neither way.
    """
    net.eval()
    device = next(net.parameters()).device
    rows = np.zeros(5)
    empty_wrong = empty = 0
    for start in range(0, len(scenes), batch_size):
        part = scenes[start : start + batch_size]
        for row, found in enumerate(decode(net(part.rgb.to(device)), config)):
            hands = part.hands[row : row + 1]
            wanted, left_out = (hands.kind[0] == kind for kind in (HAND, IGNORED))
            rows += _matched(found, hands.boxes_px[0][wanted], hands.right[0][wanted], hands.boxes_px[0][left_out])
            if not (wanted | left_out).any():
                empty, empty_wrong = empty + 1, empty_wrong + (len(found.score) > 0)
    wanted, finds, hits, overlap, right = rows.tolist()
    return {
        "held_out_hands": int(wanted),
        "held_out_recall": _share(hits, wanted),
        "held_out_precision": _share(hits, finds),
        "held_out_iou": _share(overlap, hits),
        "held_out_right": _share(right, hits),
        "held_out_empty_wrong": _share(empty_wrong, empty),
    }


@dataclass(frozen=True)
class PhotoFinds:
    """Finds in photos of which one hand each is labelled.

    Attributes:
        best_iou: IoU of the labelled box and the find that fits it best; 0 where nothing was found.
        surest_iou: IoU with the surest find.
        finds: Number of finds.
    """

    best_iou: Float[np.ndarray, "photos"]
    surest_iou: Float[np.ndarray, "photos"]
    finds: np.ndarray


def photo_finds(found: Sequence[Sequence[HandBox]], boxes_px: Float[np.ndarray, "photos 4"]) -> PhotoFinds:
    """Compare finds with the labelled boxes."""
    ious = [_ious(np.array([h.box_px for h in hands]), box) for hands, box in zip(found, boxes_px, strict=True)]
    return PhotoFinds(
        best_iou=np.array([iou.max() if len(iou) else 0.0 for iou in ious]),
        surest_iou=np.array([iou[0] if len(iou) else 0.0 for iou in ious]),
        finds=np.array([len(iou) for iou in ious]),
    )


def _ious(boxes: np.ndarray, box: np.ndarray) -> np.ndarray:
    if not len(boxes):
        return np.zeros(0)
    return box_iou(torch.from_numpy(boxes), torch.from_numpy(np.asarray(box, np.float64))[None])[:, 0].numpy()


def _matched(
    found: Detections, boxes: torch.Tensor, right: torch.Tensor, left_out: torch.Tensor
) -> Float[np.ndarray, "5"]:
    """Numbers of hands, of finds that count, of hits; sums of their IoU and of sides that are right."""
    seen = found.boxes_px.cpu()
    free = set(range(len(boxes)))
    finds = hits = sides = 0
    overlap = 0.0
    for k in range(len(seen)):
        ious = box_iou(seen[k : k + 1], boxes)[0]
        best = max(free, key=lambda j: float(ious[j]), default=None)
        if best is not None and ious[best] >= FOUND_IOU:
            free.remove(best)
            finds, hits, overlap = finds + 1, hits + 1, overlap + float(ious[best])
            sides += int((found.right[k] > 0.5) == (right[best] > 0.5))
        elif not len(left_out) or box_iou(seen[k : k + 1], left_out).max() < FOUND_IOU:
            finds += 1
    return np.array([len(boxes), finds, hits, overlap, sides])


def _share(part: float, whole: float) -> float | None:
    return round(part / whole, 5) if whole else None
