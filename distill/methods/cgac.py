"""C-GAC (Ohkawa et al., ECCV 2022): geometric consistency of keypoints and mask, weighted by two teachers' divergence.

    w = 2 (1 - sigmoid(k D(T1(x), T2(x)))), target = mean of T1 and T2

The student sees another geometry and texture than the teachers, whose mean is moved to its view. What makes the two
teachers differ (ours): one follows the student quickly, one slowly, and the slow one sees another weak view.
"""

import copy
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from distill.methods.base import WINDOW, Method, Setting, TargetOptions, follow
from distill.pseudo_labels.denoising import PseudoLabels
from distill.pseudo_labels.losses import pseudo_label_loss
from distill.pseudo_labels.quantile_threshold import QuantileGate
from distill.targets.views import TargetBatch, ViewsConfig
from dualmod.data.batch import HandBatch
from dualmod.geometry.view_warps import move_maps, move_points
from dualmod.network.model import DualModalityNet
from synth.common.config import check, option


@dataclass
class Options(TargetOptions):
    """The two teachers and the weights of the two tasks."""

    teacher_decay: float = option(0.98, "decay of the quick teacher")
    slow_decay: float = option(0.995, "decay of the slow teacher")
    sharpness: float = option(1.0, "k, for a divergence in units of its running median")
    pose_weight: float = option(1.0, "weight of the keypoints")
    mask_weight: float = option(0.5, "weight of the hand mask")

    def __post_init__(self) -> None:
        super().__post_init__()
        for key in ("teacher_decay", "slow_decay"):
            check(0 < getattr(self, key) < 1, f"method.{key}", getattr(self, key), "between 0 and 1")
        check(self.teacher_decay < self.slow_decay, "method.slow_decay", self.slow_decay, "above method.teacher_decay")
        for key in ("sharpness", "pose_weight", "mask_weight"):
            check(getattr(self, key) >= 0, f"method.{key}", getattr(self, key), "0 or more")

    def views(self) -> ViewsConfig:
        """The slow teacher has a view of its own."""
        return ViewsConfig(num_views=1)

    def build(self, net: DualModalityNet, setting: Setting) -> "TwoTeachers":
        """The method for a start network."""
        return TwoTeachers(net, self, setting)


class TwoTeachers(Method):
    """Both teachers are running means of the student."""

    def __init__(self, net: DualModalityNet, options: Options, setting: Setting):
        super().__init__(options, setting)
        self.options = options
        self.teacher = copy.deepcopy(net).requires_grad_(False).eval()
        self.slow = copy.deepcopy(net).requires_grad_(False).eval()
        self.gates |= {name: QuantileGate(0.5, WINDOW) for name in ("pose", "mask")}

    def decay(self, step: int) -> float:
        return self.options.teacher_decay

    def after_step(self, net: DualModalityNet, step: int) -> None:
        super().after_step(net, step)
        follow(self.slow, net, self.options.slow_decay)

    def losses(self, net: DualModalityNet, source: HandBatch, target: TargetBatch, step: int) -> Mapping[str, Tensor]:
        options = self.options
        assert self.teacher is not None
        target, quick, sure = self.right_hands(self.teacher, target)
        assert target.views is not None and target.A_weak_views is not None
        A_weak_view = target.A_weak_views[:, 0]
        with torch.no_grad():
            slow = self.slow(target.views[:, 0])
            slow_uv = move_points(A_weak_view, slow.joints_uv)
            slow_mask, seen = move_maps(A_weak_view, slow.mask_logits.sigmoid())
            quick_mask = quick.mask_logits.sigmoid()
            pose_divergence = torch.linalg.norm(quick.joints_uv - slow_uv, dim=-1).mean(1)
            mask_divergence = (seen * (quick_mask - slow_mask).abs()).mean((1, 2, 3))
            pose_weight = self._weight("pose", pose_divergence)
            mask_weight = self._weight("mask", mask_divergence) * sure
            depth = (quick.joints_depth + slow.joints_depth) / 2
            labels = PseudoLabels(
                (quick.joints_uv + slow_uv) / 2, depth, pose_divergence, sure, pose_weight[:, None].expand_as(depth), {}
            )
            mask = torch.where(seen > 0, (quick_mask + slow_mask) / 2, quick_mask)
        student = net(target.strong)
        pose = pseudo_label_loss(student, labels, target.A_strong_weak, options.source.supervision)
        return {
            "consistency_pose": options.pose_weight * pose,
            "consistency_mask": options.mask_weight
            * mask_consistency(student.mask_logits, mask, target.A_strong_weak, mask_weight),
            "_kept_by_hands": sure.float().mean(),
            "_kept_share": (pose_weight * sure).mean(),
            "_divergence": pose_divergence.mean(),
        }

    def _weight(self, name: str, divergence: Float[Tensor, "batch"]) -> Float[Tensor, "batch"]:
        _, median = self.gates[name](divergence)
        return confidence_weight(divergence / max(median, 1e-9), self.options.sharpness)


def confidence_weight(divergence: Float[Tensor, "batch"], sharpness: float) -> Float[Tensor, "batch"]:
    """w = 2 (1 - sigmoid(k D)): 1 where the teachers agree, falling to 0."""
    return 2 * (1 - torch.sigmoid(sharpness * divergence))


def mask_consistency(
    mask_logits: Float[Tensor, "batch 1 height width"],
    weak_mask: Float[Tensor, "batch 1 height width"],
    A_strong_weak: Float[Tensor, "batch 2 3"],
    weight: Float[Tensor, "batch"],
) -> Float[Tensor, ""]:
    """Binary cross-entropy of the strong view's mask with the moved weak one where both look, mean over the batch.

    Args:
        mask_logits: Of the strong view.
        weak_mask: Probabilities in the weak view.
        A_strong_weak: Takes points of the weak view to the strong one.
        weight: Of each photo.
    """
    moved, inside = move_maps(A_strong_weak, weak_mask)
    entropy = functional.binary_cross_entropy_with_logits(mask_logits, moved, reduction="none")
    return (weight[:, None, None, None] * inside * entropy).mean()
