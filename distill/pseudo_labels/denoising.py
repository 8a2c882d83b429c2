"""Pseudo-labels from two passes over an unlabelled image, denoised in steps that can each be switched off.

    r = (p_R + rho(p_R) + p_F + rho(p_F)) / 4                                   (Lin et al. 2023, Eq. 8)

p_R is the plain prediction, p_F the one with attention from its own depth map, rho ``registration.correct``. A sample
counts when its four poses agree, whose variance is the C of Eq. 9, or (ours) when the network is confident of its
joints. Further steps of ours look at more weak views of the photo and, in a video, at the frames beside it. Each step
reports the share that it keeps.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from distill.pseudo_labels.bone_registration import correct
from distill.pseudo_labels.quantile_threshold import QuantileGate
from distill.pseudo_labels.uncertainty import hand_doubt, joint_weight, pose_variance
from distill.pseudo_labels.view_consistency import ViewPoses, keep_steady
from dualmod.inference.test_time_augmentation import vote
from dualmod.network.prediction import Prediction
from synth.common.config import check, option
from synth.common.conventions import JOINT_NAMES

CONFIDENCE, SPREAD = DOUBTS = ("confidence", "spread")
NEAR = 0.05
"""Crop sides that a step may move a joint by for the report to count it as kept."""


@dataclass
class PseudoLabelConfig:
    """Which steps make and denoise the pseudo-labels."""

    registration: bool = option(True, "correct the bone lengths (half of rho)")
    angles: bool = option(True, "correct the joint angles (the other half of rho)")
    second_pass: bool = option(True, "take the pass with attention from predicted depth into the mean")
    confidence: bool = option(True, "weigh each joint by the confidence of both passes (ours)")
    joint_share: float = option(1.0, "share of all joints to learn from, the most confident ones; 1: all")
    gate: bool = option(True, "leave out samples that are in doubt")
    gate_by: str = option(CONFIDENCE, "what tells doubt: confidence of the joints, or spread of the poses (Eq. 9)")
    keep_share: float = option(0.7, "quantile of the doubt up to which the gate keeps a sample")
    agreement: bool = option(False, "leave out photos on whose weak views the poses disagree")
    agreement_share: float = option(0.7, "quantile of the disagreement up to which a photo is kept")
    vote: bool = option(False, "each joint by vote of the weak views (ours), in place of the first one's")
    num_views: int = option(2, "further weak views for agreement and vote")
    mirrored_view: bool = option(False, "the mirror image is one of them; the network knows right hands alone")
    temporal: bool = option(False, "videos: leave out frames whose pose is not between those before and after")
    temporal_share: float = option(0.8, "quantile of that distance up to which a frame is kept")
    window: int = option(2048, "samples that the quantiles are taken over")
    depth_weight: float = option(0.06, "weight of squared depth in bones beside squared place in crop sides")

    def __post_init__(self) -> None:
        check(self.gate_by in DOUBTS, "gate_by", self.gate_by, f"one of {', '.join(DOUBTS)}")
        spreads = self.registration or self.angles or self.second_pass
        check(spreads or not self.gate or self.gate_by != SPREAD, "gate_by", SPREAD, f"{CONFIDENCE} with a single pose")
        for key in ("joint_share", "keep_share", "agreement_share", "temporal_share"):
            check(0 < getattr(self, key) <= 1, key, getattr(self, key), "above 0 and at most 1")
        check(self.window > 0, "window", self.window, "above 0")
        check(self.depth_weight >= 0, "depth_weight", self.depth_weight, "0 or more")
        check(self.num_views >= 0, "num_views", self.num_views, "0 or more")
        single = self.num_views == 0 and not self.mirrored_view
        check(not (self.uses_views() and single), "num_views", 0, "1 or more with agreement or vote")

    def uses_views(self) -> bool:
        """Whether a step looks at further weak views."""
        return self.agreement or self.vote

    def turned_views(self) -> int:
        """Further weak views that a batch has to hold."""
        return self.num_views if self.uses_views() else 0


def make_gates(config: PseudoLabelConfig) -> dict[str, QuantileGate]:
    """The gates of the steps that are on, by the step's name."""
    shares = {
        config.gate_by: config.keep_share if config.gate else None,
        "agreement": config.agreement_share if config.agreement else None,
        "temporal": config.temporal_share if config.temporal else None,
    }
    gates = {name: QuantileGate(share, config.window) for name, share in shares.items() if share is not None}
    if config.joint_share < 1:
        gates["joints"] = QuantileGate(config.joint_share, len(JOINT_NAMES) * config.window)
    return gates


@dataclass(frozen=True)
class PseudoLabels:
    """Labels of a batch, cut from the graph.

    Attributes:
        joints_uv: In units of the crop's side.
        joints_depth: Behind the root in reference-bone lengths.
        spread: C of Eq. 9: variance of the averaged poses, mean over the joints, squared crop sides.
        kept: What the gate lets through.
        joint_weight: 0 where the joint lies outside the crop or in doubt; else its confidence over the batch's mean
            one, at most 2, or 1 without that step. It does not know of the gates of photos.
        report: What each step did, by name.
    """

    joints_uv: Float[Tensor, "batch 21 2"]
    joints_depth: Float[Tensor, "batch 21"]
    spread: Float[Tensor, "batch"]
    kept: Bool[Tensor, "batch"]
    joint_weight: Float[Tensor, "batch 21"]
    report: dict[str, float]


@torch.no_grad()
def pseudo_labels(
    first: Prediction,
    fused: Prediction | None,
    focal_crop_units: Float[Tensor, "batch"],
    config: PseudoLabelConfig,
    *,
    gates: Mapping[str, QuantileGate] | None = None,
    views: ViewPoses | None = None,
    frames: tuple[Float[Tensor, "batch 2 21 2"], Bool[Tensor, "batch"]] | None = None,
) -> PseudoLabels:
    """Labels of a batch of crops of right hands.

    Args:
        first: Plain predictions, y_R.
        fused: Predictions with attention from the depth that ``first`` predicts, y_F; None leaves them out, like
            ``second_pass=false``.
        focal_crop_units: Focal length over the crop's side, both in pixels of the photo; assumed where not known.
        config: The steps.
        gates: ``make_gates(config)``, which remember earlier batches; None takes quantiles within this batch.
        views: Poses in the weak views; needed for ``agreement`` and ``vote``.
        frames: Joints in the frames before and after, and whether they are known; needed for ``temporal``.
    """
    gates = make_gates(config) if gates is None else gates
    passes = [first] if fused is None or not config.second_pass else [first, fused]
    plain = [(p.joints_uv, p.joints_depth) for p in passes]
    confidences = [p.confidence for p in passes]
    report: dict[str, float] = {}
    if config.vote:
        assert views is not None
        uv, depth, confidences[0] = vote(views.uv, views.depth, views.confidence)
        plain[0] = (uv, depth)
        report |= _change("vote", first.joints_uv, plain[0][0])
    confidence = torch.stack(confidences).mean(0)
    corrected = _corrected(plain, focal_crop_units, config, report)
    uv, depth = (torch.stack(parts) for parts in zip(*plain, *corrected, strict=True))
    spread = pose_variance(uv, depth, config.depth_weight)
    kept = torch.ones_like(spread, dtype=torch.bool)
    if config.gate:
        doubt = spread if config.gate_by == SPREAD else hand_doubt(confidence)
        kept, threshold = gates[config.gate_by](doubt)
        report |= {f"kept_by_{config.gate_by}": _share(kept), "threshold": threshold}
    if config.agreement:
        assert views is not None
        agreeing, _ = gates["agreement"](pose_variance(views.uv, views.depth, config.depth_weight))
        report["kept_by_agreement"] = _share(agreeing)
        kept = kept & agreeing
    if config.temporal:
        assert frames is not None
        steady = keep_steady(gates["temporal"], first.joints_uv, *frames)
        report["kept_by_temporal"] = _share(steady)
        kept = kept & steady
    if len(plain) > 1:
        report |= _change("second_pass", plain[0][0], plain[1][0])
    label_uv, label_depth = uv.mean(0), depth.mean(0)
    inside = ((label_uv >= 0) & (label_uv <= 1)).all(-1)
    weight = joint_weight(confidence) if config.confidence else torch.ones_like(label_depth)
    if config.confidence:
        report["kept_by_joint_weights"] = _effective_share(weight)
    if config.joint_share < 1:
        confident, _ = gates["joints"](-confidence.flatten())
        report["kept_by_joints"] = _share(confident)
        weight = weight * confident.view_as(weight)
    return PseudoLabels(
        joints_uv=label_uv,
        joints_depth=label_depth,
        spread=spread,
        kept=kept,
        joint_weight=inside * weight,
        report={"kept_share": _share(kept), "spread": spread.mean().item(), **report},
    )


def _corrected(
    plain: list[tuple[Tensor, Tensor]], focal: Tensor, config: PseudoLabelConfig, report: dict[str, float]
) -> list[tuple[Tensor, Tensor]]:
    """rho of every pose; what each half of it moves goes into ``report``."""
    steps = {"registration": config.registration, "angles": config.angles}
    if not any(steps.values()):
        return []
    corrected = [correct(uv, depth, focal, lengths=config.registration, angles=config.angles) for uv, depth in plain]
    for name, is_on in steps.items():
        if is_on:
            alone = correct(*plain[0], focal, lengths=name == "registration", angles=name == "angles")
            report |= _change(name, plain[0][0], alone[0])
    moved = [_distance(before[0], after[0]) for before, after in zip(plain, corrected, strict=True)]
    report["moved_by_correction"] = sum(moved) / len(moved)
    return corrected


def _change(step: str, before: Tensor, after: Tensor) -> dict[str, float]:
    """How far a step moves the joints, and the share of the joints that it keeps where they are."""
    moved = torch.linalg.norm(after - before, dim=-1)
    return {f"moved_by_{step}": moved.mean().item(), f"kept_by_{step}": _share(moved < NEAR)}


def _share(kept: Tensor) -> float:
    return kept.double().mean().item()


def _effective_share(weight: Tensor) -> float:
    """How many joints of equal weight the weights are worth (Kish's effective sample size), over their number."""
    return (weight.sum() ** 2 / (weight.numel() * weight.square().sum().clamp_min(1e-12))).item()


def _distance(a: Tensor, b: Tensor) -> float:
    return torch.linalg.norm(a - b, dim=-1).mean().item()
