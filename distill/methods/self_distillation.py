"""Two-pass self-distillation (Lin et al. 2023, section 3.4), its labels from a running mean of the network (ours)."""

import copy
from collections.abc import Mapping
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from distill.methods.base import Method, Setting, TargetOptions
from distill.pseudo_labels.denoising import PseudoLabelConfig, PseudoLabels, make_gates, pseudo_labels
from distill.pseudo_labels.losses import consistency_loss, handedness_pseudo_loss, pseudo_label_loss
from distill.pseudo_labels.view_consistency import view_poses
from distill.targets.views import TargetBatch, ViewsConfig
from dualmod.data.batch import HandBatch
from dualmod.network.model import DualModalityNet
from dualmod.network.prediction import Prediction
from dualmod.pretraining.objective import mirrored_rows
from synth.common.config import check, option


@dataclass
class Options(TargetOptions):
    """How pseudo-labels are made and learned from."""

    teacher_decay: float = option(0.98, "decay of the averaged teacher that makes the labels; 0: the live network")
    pseudo_label_weight: float = option(1.0, "weight of the pseudo-labels, lambda_l")
    all_passes: bool = option(
        True, "the passes with predicted depth learn from the labels too, not the first one alone"
    )
    consistency_weight: float = option(0.2, "weight of the consistency between the passes, lambda_f")
    hand_weight: float = option(0.0, "weight of the pseudo-label of left or right; it can run away, so 0 is usual")
    pseudo: PseudoLabelConfig = option(PseudoLabelConfig(), "how pseudo-labels are denoised")

    def __post_init__(self) -> None:
        super().__post_init__()
        check(0 <= self.teacher_decay < 1, "method.teacher_decay", self.teacher_decay, "in [0, 1)")
        for key in ("pseudo_label_weight", "consistency_weight", "hand_weight"):
            check(getattr(self, key) >= 0, f"method.{key}", getattr(self, key), "0 or more")

    def views(self) -> ViewsConfig:
        """Further weak views and neighbouring frames, where a denoising step asks for them."""
        return ViewsConfig(num_views=self.pseudo.turned_views(), frames=self.pseudo.temporal)

    def build(self, net: DualModalityNet, setting: Setting) -> "SelfDistillation":
        """The method for a start network.

        Raises:
            ValueError: for a pseudo-label of the side with a network that sees both: its photos are not mirrored.
        """
        legal = self.hand_weight == 0 or net.config.sides == "right"
        check(legal, "method.hand_weight", self.hand_weight, "0 with a network of both sides")
        return SelfDistillation(net, self, setting)


class SelfDistillation(Method):
    """Pseudo-labels on the weak view supervise all passes on the strong one; the passes are drawn together."""

    def __init__(self, net: DualModalityNet, options: Options, setting: Setting):
        super().__init__(options, setting)
        self.options = options
        self.teacher = copy.deepcopy(net).requires_grad_(False).eval()
        self.gates |= make_gates(options.pseudo)

    def decay(self, step: int) -> float:
        return self.options.teacher_decay

    def losses(self, net: DualModalityNet, source: HandBatch, target: TargetBatch, step: int) -> Mapping[str, Tensor]:
        options = self.options
        assert self.teacher is not None
        target, labels, sure = self.labels(self.teacher if options.teacher_decay > 0 else net, target)
        first = net(target.strong)
        supervision = options.source.supervision
        terms, students = {}, [first]
        if options.all_passes or options.consistency_weight > 0:
            fused, from_depth, _ = net.second_pass(target.strong, first)
            terms["consistency"] = options.consistency_weight * consistency_loss(first, fused, supervision)
            students += [fused, from_depth] if options.all_passes else []
        pseudo = [pseudo_label_loss(student, labels, target.A_strong_weak, supervision) for student in students]
        terms["pseudo_label"] = options.pseudo_label_weight * torch.stack(pseudo).sum()
        terms |= {f"_{name}": first.depth.new_tensor(value) for name, value in labels.report.items()}
        if options.hand_weight > 0:
            left = net.encode_rgb(mirrored_rows(target.strong, options.source.mirrored_share))
            hand = handedness_pseudo_loss(first.handedness_logit, net.handedness(left.pooled)[:, 0], sure)
            terms["pseudo_handedness"] = options.hand_weight * hand
        return terms

    @torch.no_grad()
    def labels(self, teacher: DualModalityNet, target: TargetBatch) -> tuple[TargetBatch, PseudoLabels, Tensor]:
        """The photos as right hands, their labels, and of which the side is sure."""
        target, first, sure = self.right_hands(teacher, target)
        config = self.options.pseudo
        fused = teacher.second_pass(target.weak, first)[0] if config.second_pass else None
        views, frames = self._further(teacher, target, first)
        labels = pseudo_labels(first, fused, target.focal, config, gates=self.gates, views=views, frames=frames)
        kept = labels.kept & sure
        report = {
            "kept_by_hands": sure.double().mean().item(),
            **labels.report,
            "kept_share": kept.double().mean().item(),
        }
        return target, replace(labels, kept=kept, report=report), sure

    def _further(self, teacher: DualModalityNet, target: TargetBatch, first: Prediction) -> tuple:
        """Poses in the further weak views and in the neighbouring frames, where a step asks for them."""
        config = self.options.pseudo
        views = view_poses(teacher, target, first, mirrored=config.mirrored_view) if config.uses_views() else None
        frames = None
        if config.temporal:
            assert target.frames is not None and target.has_frames is not None
            seen = teacher(target.frames.flatten(0, 1))
            frames = (seen.joints_uv.unflatten(0, (-1, 2)), target.has_frames)
        return views, frames
