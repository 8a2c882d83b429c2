"""Pseudo-labels from two passes over an unlabelled image, denoised in steps that can each be switched off.

    r = (p_R + rho(p_R) + p_F + rho(p_F)) / 4                                   (Lin et al. 2023, Eq. 8)

p_R is the plain prediction, p_F the one with attention from its own depth map, rho ``registration.correct``. A sample
counts when its four poses agree, whose variance is the C of Eq. 9, or (ours) when the network is confident of its
joints. The threshold is not a number here but a quantile of what was seen lately, because neither paper says the unit
of theirs.
"""

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from distill.registration import correct
from dualmod.prediction import Prediction
from synth.config import check, option

CONFIDENCE, SPREAD = DOUBTS = ("confidence", "spread")


@dataclass
class PseudoLabelConfig:
    """Which steps make and denoise the pseudo-labels."""

    registration: bool = option(True, "correct the bone lengths (half of rho)")
    angles: bool = option(True, "correct the joint angles (the other half of rho)")
    second_pass: bool = option(True, "take the pass with attention from predicted depth into the mean")
    confidence: bool = option(True, "weigh each joint by the confidence of both passes (ours)")
    gate: bool = option(True, "leave out samples that are in doubt")
    gate_by: str = option(CONFIDENCE, "what tells doubt: confidence of the joints, or spread of the poses (Eq. 9)")
    keep_share: float = option(0.7, "quantile of the doubt up to which the gate keeps a sample")
    window: int = option(2048, "samples that the quantile is taken over")
    depth_weight: float = option(0.06, "weight of squared depth in bones beside squared place in crop sides")

    def __post_init__(self) -> None:
        check(self.gate_by in DOUBTS, "gate_by", self.gate_by, f"one of {', '.join(DOUBTS)}")
        spreads = self.registration or self.angles or self.second_pass
        check(spreads or not self.gate or self.gate_by != SPREAD, "gate_by", SPREAD, f"{CONFIDENCE} with a single pose")
        check(0 < self.keep_share <= 1, "keep_share", self.keep_share, "above 0 and at most 1")
        check(self.window > 0, "window", self.window, "above 0")
        check(self.depth_weight >= 0, "depth_weight", self.depth_weight, "0 or more")


@dataclass(frozen=True)
class PseudoLabels:
    """Labels of a batch, cut from the graph.

    Attributes:
        joints_uv: In units of the crop's side.
        joints_depth: Behind the root in reference-bone lengths.
        spread: C of Eq. 9: variance of the averaged poses, mean over the joints, squared crop sides.
        kept: What the gate lets through.
        joint_weight: 0 where the joint lies outside the crop; else its confidence over the batch's mean one, at most 2,
            or 1 without that step. It does not know of the gate.
        report: What each step did, by name.
    """

    joints_uv: Float[Tensor, "batch 21 2"]
    joints_depth: Float[Tensor, "batch 21"]
    spread: Float[Tensor, "batch"]
    kept: Bool[Tensor, "batch"]
    joint_weight: Float[Tensor, "batch 21"]
    report: dict[str, float]


class QuantileGate:
    """Keeps samples whose doubt is at most a quantile of the latest ones, this batch included."""

    def __init__(self, quantile: float, window: int):
        self.quantile = quantile
        self._latest: deque[float] = deque(maxlen=window)

    def __call__(self, doubt: Float[Tensor, "batch"]) -> tuple[Bool[Tensor, "batch"], float]:
        """What is kept, and the threshold; the gate remembers ``doubt``."""
        self._latest.extend(doubt.tolist())
        threshold = torch.tensor(self._latest, dtype=torch.float64).quantile(self.quantile).item()
        return doubt.double() <= threshold, threshold

    def state_dict(self) -> dict[str, Any]:
        """What resuming needs."""
        return {"quantile": self.quantile, "window": self._latest.maxlen, "latest": list(self._latest)}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from ``state_dict``."""
        self.quantile = float(state["quantile"])
        self._latest = deque(state["latest"], maxlen=state["window"])


@torch.no_grad()
def pseudo_labels(
    first: Prediction,
    fused: Prediction | None,
    focal_crop_units: Float[Tensor, "batch"],
    config: PseudoLabelConfig,
    *,
    gate: QuantileGate | None = None,
) -> PseudoLabels:
    """Labels of a batch of crops of right hands.

    Args:
        first: Plain predictions, y_R.
        fused: Predictions with attention from the depth that ``first`` predicts, y_F; None leaves them out, like
            ``second_pass=false``.
        focal_crop_units: Focal length over the crop's side, both in pixels of the photo; assumed where not known.
        config: The steps.
        gate: Remembers the doubt of earlier batches; None takes the quantile within this batch.
    """
    passes = [first] if fused is None or not config.second_pass else [first, fused]
    plain = [(p.joints_uv, p.joints_depth) for p in passes]
    rho = config.registration or config.angles
    options = {"lengths": config.registration, "angles": config.angles}
    corrected = [correct(uv, depth, focal_crop_units, **options) for uv, depth in plain] if rho else []
    uv, depth = (torch.stack(parts) for parts in zip(*plain, *corrected, strict=True))
    spread = _variance(uv, depth, config.depth_weight)
    kept, threshold = torch.ones_like(spread, dtype=torch.bool), float("inf")
    if config.gate:
        doubt = spread if config.gate_by == SPREAD else -_confidence(passes).log().mean(1)
        kept, threshold = (gate or QuantileGate(config.keep_share, config.window))(doubt)
    label_uv, label_depth = uv.mean(0), depth.mean(0)
    inside = ((label_uv >= 0) & (label_uv <= 1)).all(-1)
    return PseudoLabels(
        joints_uv=label_uv,
        joints_depth=label_depth,
        spread=spread,
        kept=kept,
        joint_weight=inside * (_confidence_weight(passes) if config.confidence else torch.ones_like(label_depth)),
        report=_report(plain, corrected, spread, kept, threshold),
    )


def precision(
    labels: PseudoLabels, true_uv: Float[Tensor, "batch 21 2"], known: Bool[Tensor, "batch 21"], within: float = 0.05
) -> dict[str, float]:
    """Share of the labelled joints whose pseudo-label lies within ``within`` crop sides of the truth.

    For reports on images that do have labels; adaptation never calls it.

    Returns:
        ``all``, ``kept`` (after the gate) and ``left_out``; NaN where there is no such joint.
    """
    right = torch.linalg.norm(labels.joints_uv - true_uv, dim=-1) <= within
    rows = {"all": torch.ones_like(labels.kept), "kept": labels.kept, "left_out": ~labels.kept}
    return {name: right[known & row[:, None]].double().mean().item() for name, row in rows.items()}


def _variance(
    uv: Float[Tensor, "poses batch 21 2"], depth: Float[Tensor, "poses batch 21"], depth_weight: float
) -> Float[Tensor, "batch"]:
    """Mean squared distance of the poses from their mean, in the l of section 3.1."""
    squared = ((uv - uv.mean(0)) ** 2).sum(-1) + depth_weight * (depth - depth.mean(0)) ** 2
    return squared.mean(0).mean(-1)


def _confidence_weight(passes: list[Prediction]) -> Float[Tensor, "batch 21"]:
    confidence = _confidence(passes)
    return (confidence / confidence.mean().clamp_min(1e-6)).clamp(max=2.0)


def _confidence(passes: list[Prediction]) -> Float[Tensor, "batch 21"]:
    return torch.stack([p.confidence for p in passes]).mean(0).clamp_min(1e-6)


def _report(
    plain: list[tuple[Tensor, Tensor]],
    corrected: list[tuple[Tensor, Tensor]],
    spread: Tensor,
    kept: Tensor,
    threshold: float,
) -> dict[str, float]:
    report = {"kept_share": kept.double().mean().item(), "spread": spread.mean().item(), "threshold": threshold}
    if corrected:
        moved = [_distance(before[0], after[0]) for before, after in zip(plain, corrected, strict=True)]
        report["moved_by_correction"] = sum(moved) / len(moved)
    if len(plain) > 1:
        report["moved_by_second_pass"] = _distance(plain[0][0], plain[1][0])
    return report


def _distance(a: Tensor, b: Tensor) -> float:
    return torch.linalg.norm(a - b, dim=-1).mean().item()
