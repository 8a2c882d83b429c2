"""How well the teacher agrees with itself: on further weak views of a photo, and between neighbouring frames."""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from distill.targets.views import TargetBatch
from dualmod.geometry.view_warps import move_points
from dualmod.network.model import DualModalityNet
from dualmod.network.prediction import Prediction


@dataclass(frozen=True)
class ViewPoses:
    """Poses of the same hands in several weak views, the first of which is the weak view itself.

    Attributes:
        uv: ``joints_uv``, taken to the weak view.
        depth: ``joints_depth``.
        confidence: Of each joint.
    """

    uv: Float[Tensor, "views batch 21 2"]
    depth: Float[Tensor, "views batch 21"]
    confidence: Float[Tensor, "views batch 21"]


@torch.no_grad()
def view_poses(teacher: DualModalityNet, target: TargetBatch, first: Prediction, *, mirrored: bool) -> ViewPoses:
    """Poses of the weak view (``first``), of the further ones, and if ``mirrored`` of its mirror image."""
    poses = [(first.joints_uv, first.joints_depth, first.confidence)]
    if target.views is not None and target.A_weak_views is not None:
        count = target.views.shape[1]
        seen = teacher(target.views.flatten(0, 1))
        uv = move_points(target.A_weak_views.flatten(0, 1), seen.joints_uv)
        parts = [part.unflatten(0, (-1, count)).unbind(1) for part in (uv, seen.joints_depth, seen.confidence)]
        poses += zip(*parts, strict=True)
    if mirrored:
        seen = teacher(target.weak.flip(-1))
        uv = torch.stack([1 - seen.joints_uv[..., 0], seen.joints_uv[..., 1]], -1)
        poses.append((uv, seen.joints_depth, seen.confidence))
    uvs, depths, confidences = zip(*poses, strict=True)
    return ViewPoses(torch.stack(uvs), torch.stack(depths), torch.stack(confidences))


def unsteadiness(
    joints_uv: Float[Tensor, "batch 21 2"], frames_uv: Float[Tensor, "batch 2 21 2"]
) -> Float[Tensor, "batch"]:
    """Mean distance of the joints from the middle between those of the frame before and after, in crop sides.

    A hand that moves evenly lies in the middle, so motion alone raises no doubt.
    """
    return torch.linalg.norm(joints_uv - frames_uv.mean(1), dim=-1).mean(-1)


def keep_steady(
    gate, joints_uv: Float[Tensor, "batch 21 2"], frames_uv: Float[Tensor, "batch 2 21 2"], known: Bool[Tensor, "batch"]
) -> Bool[Tensor, "batch"]:
    """What ``gate`` keeps of the photos whose frames are ``known``; the others stay."""
    doubt = unsteadiness(joints_uv, frames_uv)
    kept = torch.ones_like(known)
    kept[known] = gate(doubt[known])[0]
    return kept
