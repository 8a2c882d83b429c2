"""Mean teacher after UniFrame (Kim et al., ECCV 2022): the teacher's surest joints, moved to the student's view."""

import copy
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from distill.methods.base import Method, Setting, TargetOptions
from distill.pseudo_labels.denoising import PseudoLabels
from distill.pseudo_labels.losses import pseudo_label_loss
from distill.targets.views import TargetBatch
from dualmod.data.batch import HandBatch
from dualmod.network.model import DualModalityNet
from synth.common.config import check, option


@dataclass
class Options(TargetOptions):
    """The averaged teacher and its mask of joints."""

    teacher_decay: float = option(0.98, "decay of the averaged teacher; the paper's 0.999 goes with 15,000 steps")
    weight: float = option(1.0, "weight of the teacher's joints")
    joint_share: float = option(0.5, "share of the joints of a batch that teach: those the teacher is surest of")

    def __post_init__(self) -> None:
        super().__post_init__()
        check(0 < self.teacher_decay < 1, "method.teacher_decay", self.teacher_decay, "between 0 and 1")
        check(self.weight >= 0, "method.weight", self.weight, "0 or more")
        check(0 < self.joint_share <= 1, "method.joint_share", self.joint_share, "in (0, 1]")

    def build(self, net: DualModalityNet, setting: Setting) -> "MeanTeacher":
        """The method for a start network."""
        return MeanTeacher(net, self, setting)


class MeanTeacher(Method):
    """The teacher sees the weak view, the student the strong one."""

    def __init__(self, net: DualModalityNet, options: Options, setting: Setting):
        super().__init__(options, setting)
        self.options = options
        self.teacher = copy.deepcopy(net).requires_grad_(False).eval()

    def decay(self, step: int) -> float:
        return self.options.teacher_decay

    def losses(self, net: DualModalityNet, source: HandBatch, target: TargetBatch, step: int) -> Mapping[str, Tensor]:
        assert self.teacher is not None
        target, seen, sure = self.right_hands(self.teacher, target)
        weight = joint_mask(seen.confidence, self.options.joint_share)
        labels = PseudoLabels(seen.joints_uv, seen.joints_depth, seen.joints_depth[:, 0] * 0, sure, weight, {})
        supervision = self.options.source.supervision
        loss = pseudo_label_loss(net(target.strong), labels, target.A_strong_weak, supervision)
        return {
            "mean_teacher": self.options.weight * loss,
            "_kept_by_hands": sure.float().mean(),
            "_kept_share": (weight * sure[:, None]).mean(),
        }


def joint_mask(confidence: Float[Tensor, "batch 21"], share: float) -> Float[Tensor, "batch 21"]:
    """1 for the surest ``share`` of all joints of the batch."""
    return (confidence >= torch.quantile(confidence.flatten(), 1 - share)).float()
