"""Pseudo-labels for the detector: hands that an averaged teacher finds in a photo and in other views of it.

A find becomes a label when its score is among the surest lately, and the mirror image and a smaller view agree on its
box. Other finds are left out of the loss: they may be hands or not. Where nothing is found, the photo teaches that
there is no hand.
"""

import copy
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn
from torchvision.ops import box_iou

from distill.detection.views import PhotoViews
from distill.methods.base import follow
from distill.monitoring.collapse import CollapseError
from distill.pseudo_labels.quantile_threshold import QuantileGate
from dualmod.detection.decode import DecodeConfig, Detections, decode
from dualmod.detection.network import DetectorNet
from dualmod.detection.targets import HAND, IGNORED, NONE, SceneHands
from synth.common.config import check, option

WINDOW = 1024
"""Finds that a quantile is taken over."""
ALARM_WINDOW = 25
"""Steps over which finds are counted for the alarm."""


@dataclass
class HandTeacherConfig:
    """What the student learns from photos."""

    decay: float = option(0.98, "decay of the averaged teacher")
    min_score: float = option(0.3, "least score of a find that may become a label")
    unsure_score: float = option(0.1, "score from which on a find that is no label is left out of the loss")
    score_share: float = option(0.7, "share of the finds to learn from: those with the highest scores")
    agreement_share: float = option(0.8, "share of the finds to learn from: those whose box all views see alike")
    least_inside: float = option(0.5, "least share of a label's box that lies in the strong view; less is left out")
    alarm_factor: float = option(3.0, "stop when finds per photo change by this factor from the first steps; 0: never")

    def __post_init__(self) -> None:
        check(0 < self.decay < 1, "teacher.decay", self.decay, "between 0 and 1")
        legal = 0 <= self.unsure_score <= self.min_score <= 1
        check(legal, "teacher.unsure_score", self.unsure_score, "0 or more, and at most min_score <= 1")
        for key in ("score_share", "agreement_share", "least_inside"):
            check(0 < getattr(self, key) <= 1, f"teacher.{key}", getattr(self, key), "above 0 and at most 1")
        factor = self.alarm_factor
        check(factor == 0 or factor > 1, "teacher.alarm_factor", factor, "0 or above 1")


class HandTeacher(nn.Module):
    """The averaged network, and the gates of what it teaches; both go into ``state_dict``."""

    def __init__(self, net: DetectorNet, config: HandTeacherConfig):
        super().__init__()
        self.net = copy.deepcopy(net).requires_grad_(False).eval()
        self.config = config
        self.gates = {
            "score": QuantileGate(config.score_share, WINDOW),
            "agreement": QuantileGate(config.agreement_share, WINDOW),
        }
        self._first: list[float] = []
        self._latest: deque[float] = deque(maxlen=ALARM_WINDOW)

    @torch.no_grad()
    def labels(self, views: PhotoViews) -> tuple[SceneHands, dict[str, Tensor]]:
        """Labels in pixels of the strong views, and what to log.

        Raises:
            CollapseError: when the teacher finds far more or far fewer hands than at first.
        """
        self.net.eval()
        side = views.weak.shape[-1]
        finds = self._finds(views.weak)
        mirrored = [_mirrored(f, side) for f in self._finds(views.weak.flip(-1))]
        small = self._finds(views.small)
        rows = []
        for k, found in enumerate(finds):
            A_weak_small = _inverse(views.A_small_weak[k])
            in_small = Detections(moved(small[k].boxes_px, A_weak_small), small[k].score, small[k].right)
            rows.append(_agreement(found, mirrored[k], in_small))
        may = [found.score >= self.config.min_score for found in finds]
        kept, terms = self._gated(finds, [row[0] for row in rows], may)
        self._watch(sum(int(m.sum()) for m in may) / len(finds))
        labels = [(f.boxes_px, right, keep) for f, (_, right), keep in zip(finds, rows, kept, strict=True)]
        return self._in_strong(labels, views.A_strong_weak, side), terms

    def follow(self, student: DetectorNet) -> None:
        """One step of the running mean of the student's weights."""
        follow(self.net, student, self.config.decay)

    def get_extra_state(self) -> dict[str, Any]:
        """The gates and the alarm, for checkpoints."""
        gates = {name: gate.state_dict() for name, gate in self.gates.items()}
        return {"gates": gates, "first": list(self._first), "latest": list(self._latest)}

    def set_extra_state(self, state: Mapping[str, Any]) -> None:
        """Go on from ``get_extra_state``."""
        for name, gate in self.gates.items():
            gate.load_state_dict(state["gates"][name])
        self._first, self._latest = list(state["first"]), deque(state["latest"], maxlen=ALARM_WINDOW)

    def _finds(self, images: Tensor) -> list[Detections]:
        return decode(self.net(images), DecodeConfig(min_score=self.config.unsure_score))

    def _gated(
        self, finds: list[Detections], doubts: list[Tensor], may: list[Tensor]
    ) -> tuple[list[Bool[Tensor, "hands"]], dict[str, Tensor]]:
        """Finds that become labels: those that may, and that both gates let through."""
        counts = [len(f.score) for f in finds]
        score, doubt, wanted = torch.cat([f.score for f in finds]), torch.cat(doubts), torch.cat(may)
        keep = wanted.clone()
        sure, _ = self.gates["score"](1 - score[wanted])
        agreed, _ = self.gates["agreement"](doubt[wanted])
        keep[wanted] = sure & agreed
        photos = float(len(finds))
        terms = {"_finds": wanted.sum() / photos, "_labels": keep.sum() / photos}
        if wanted.any():
            terms["_view_iou"] = 1 - doubt[wanted].mean()
        return list(keep.split(counts)), terms

    def _watch(self, finds_per_photo: float) -> None:
        self._latest.append(finds_per_photo)
        if len(self._first) < ALARM_WINDOW:
            self._first.append(finds_per_photo)
            return
        first, now = (sum(v) / ALARM_WINDOW for v in (self._first, self._latest))
        factor = self.config.alarm_factor
        if factor and not first / factor <= now <= first * factor:
            raise CollapseError(
                f"collapse alarm: the teacher finds {now:.2f} hands in a photo, at first it was {first:.2f}; lower "
                f"optimizer.learning_rate, or look at the photos of target (teacher.alarm_factor=0 goes on regardless)"
            )

    def _in_strong(self, labels: list[tuple[Tensor, Tensor, Tensor]], A_strong_weak: Tensor, side: int) -> SceneHands:
        most = max(1, *(len(boxes) for boxes, _, _ in labels))
        boxes_px = A_strong_weak.new_zeros(len(labels), most, 4)
        right = A_strong_weak.new_full((len(labels), most), float("nan"))
        kind = torch.full((len(labels), most), NONE, device=A_strong_weak.device)
        for k, (boxes, side_right, keep) in enumerate(labels):
            strong = moved(boxes, A_strong_weak[k])
            clipped = strong.clamp(-0.5, side - 0.5)
            share = _area(clipped) / _area(strong).clamp_min(1e-6)
            known = torch.where(keep & (share >= self.config.least_inside), HAND, IGNORED)
            boxes_px[k, : len(boxes)] = clipped
            right[k, : len(boxes)] = (side_right if A_strong_weak[k, 0, 0] > 0 else 1 - side_right).round()
            kind[k, : len(boxes)] = torch.where(share > 0, known, NONE)
        return SceneHands(boxes_px, right, kind)


def moved(boxes_px: Float[Tensor, "hands 4"], A: Float[Tensor, "2 3"]) -> Float[Tensor, "hands 4"]:
    """Boxes under a scale and a shift; a negative scale mirrors."""
    corners = boxes_px.unflatten(-1, (2, 2)) * A.diagonal() + A[:, 2]
    return torch.cat([corners.amin(-2), corners.amax(-2)], -1)


def _agreement(found: Detections, *others: Detections) -> tuple[Float[Tensor, "hands"], Float[Tensor, "hands"]]:
    """How little other views agree on each find, 1 less the mean IoU with their best fits; and the probability of a
    right hand, the mean over the views that see the hand."""
    overlaps, rights = [], [found.right]
    for other in others:
        if not len(other.score):
            overlaps.append(torch.zeros_like(found.score))
            continue
        iou, best = box_iou(found.boxes_px, other.boxes_px).max(1)
        overlaps.append(iou)
        rights.append(torch.where(iou > 0.5, other.right[best], found.right))
    return 1 - torch.stack(overlaps).mean(0), torch.stack(rights).mean(0)


def _mirrored(found: Detections, side_px: int) -> Detections:
    x0, y0, x1, y1 = found.boxes_px.unbind(-1)
    boxes = torch.stack([side_px - 1 - x1, y0, side_px - 1 - x0, y1], -1)
    return Detections(boxes, found.score, 1 - found.right)


def _inverse(A: Float[Tensor, "2 3"]) -> Float[Tensor, "2 3"]:
    scale = 1 / A.diagonal()
    return torch.cat([torch.diag(scale), (-A[:, 2] * scale)[:, None]], 1)


def _area(boxes: Float[Tensor, "hands 4"]) -> Float[Tensor, "hands"]:
    return (boxes[:, 2:] - boxes[:, :2]).clamp_min(0).prod(-1)
