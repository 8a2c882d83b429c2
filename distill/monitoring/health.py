"""What can be told of an adapting network without a label: readings on a fixed batch of photos, step after step.

The batch and the start network's readings on it are the same in every call, so a run that is resumed goes on unchanged.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from distill.pseudo_labels.bone_registration import lifted
from distill.pseudo_labels.uncertainty import hand_doubt
from distill.pseudo_labels.view_consistency import view_poses
from distill.targets.views import TargetBatch
from dualmod.inference.predictor import look
from dualmod.network.model import DualModalityNet
from dualmod.network.prediction import Prediction
from dualmod.network.train_eval_mode import evaluating
from synth.common.conventions import BONES

SURE_QUANTILE = 0.02
"""A photo counts as a hand when the network is surer of it than of this share of the renders."""
KEPT_QUANTILE = 0.7
"""Share of the photos that a gate at the start would keep."""


@dataclass(frozen=True)
class Readings:
    """What is read off the fixed photos.

    Attributes:
        sure_share: Share of the photos whose confidence is above ``SURE_QUANTILE`` of the start network's on renders.
        kept_share: Share of the photos that are less in doubt than ``KEPT_QUANTILE`` of them were at the start. The
            gates of the methods keep a share of what they saw lately, which stays the same when all become worse.
        spread: Standard deviation of the poses over the photos in units of their size: near 0 when all are alike.
        disagreement: Mean distance of the joints between two weak views, in crop sides.
        teacher_gap: Mean distance of the joints between teacher and student, in crop sides; 0 without a teacher.
        bone_drift: Mean of |log| of each bone's mean length over that of the start network.
        right_share: Share of the photos that are taken for right hands.
    """

    sure_share: float
    kept_share: float
    spread: float
    disagreement: float
    teacher_gap: float
    bone_drift: float
    right_share: float


class Watch:
    """Reads a network on a fixed batch.

    Attributes:
        start: Readings of the start network on the photos.
        render_spread: ``spread`` of the start network on renders.
    """

    def __init__(self, net: DualModalityNet, photos: TargetBatch, renders: Float[Tensor, "batch 3 side side"]):
        self.photos = photos.mirrored(photos.right < 0.5)
        with torch.no_grad(), evaluating(net):
            on_renders = net(renders)
            self.least_confidence = (-hand_doubt(on_renders.confidence)).quantile(SURE_QUANTILE).item()
            self.render_spread = pose_spread(on_renders.joints_uv)
            on_photos = net(self.photos.weak)
            self.most_doubt = hand_doubt(on_photos.confidence).quantile(KEPT_QUANTILE).item()
            self.start_bones = bone_lengths(on_photos, self.photos.focal)
        self.start = self(net, None)

    @torch.no_grad()
    def __call__(self, net: DualModalityNet, teacher: DualModalityNet | None) -> Readings:
        """Readings of a network, and of its teacher where there is one; both are left as they were."""
        photos = self.photos.to(next(net.parameters()).device)
        with evaluating(net):
            prediction, right = look(net, photos.weak)
            seen = prediction(torch.zeros_like(right, dtype=torch.bool))
            views = view_poses(net, photos, seen, mirrored=False)
            taught = teacher(photos.weak).joints_uv if teacher is not None else seen.joints_uv
        # photos are mirrored as the start network saw them: back to how they are
        right = torch.where(photos.right < 0.5, 1 - right, right)
        bones = bone_lengths(seen, photos.focal)
        doubt = hand_doubt(seen.confidence)
        return Readings(
            sure_share=(-doubt >= self.least_confidence).double().mean().item(),
            kept_share=(doubt <= self.most_doubt).double().mean().item(),
            spread=pose_spread(seen.joints_uv),
            disagreement=_distance(views.uv[1], seen.joints_uv),
            teacher_gap=_distance(taught, seen.joints_uv),
            bone_drift=(bones / self.start_bones.to(bones)).log().abs().mean().item(),
            right_share=(right >= 0.5).double().mean().item(),
        )


def pose_spread(joints_uv: Float[Tensor, "batch 21 2"]) -> float:
    """Root of the variance of the joints over the batch, over that of a pose about its own centre."""
    varied = (joints_uv - joints_uv.mean(0)).square().sum(-1).mean()
    size = (joints_uv - joints_uv.mean(1, keepdim=True)).square().sum(-1).mean()
    return (varied / size.clamp_min(1e-9)).sqrt().item()


def bone_lengths(seen: Prediction, focal: Float[Tensor, "batch"]) -> Float[Tensor, "20"]:
    """Mean length of each bone over the batch in reference-bone lengths."""
    joints = lifted(seen.joints_uv, seen.joints_depth, focal)
    near, far = torch.tensor(BONES, device=joints.device).unbind(1)
    return torch.linalg.norm(joints[:, far] - joints[:, near], dim=-1).mean(0).clamp_min(1e-6)


def _distance(a: Tensor, b: Tensor) -> float:
    return torch.linalg.norm(a - b, dim=-1).mean().item()
