"""How well the teacher agrees with itself: on further weak views of a photo, and between neighbouring frames."""

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from distill.target import TargetBatch
from distill.warps import move_points
from dualmod.network.model import DualModalityNet

Poses = tuple[Float[Tensor, "views batch 21 2"], Float[Tensor, "views batch 21"]]
"""``joints_uv`` in the weak view and ``joints_depth``."""


@torch.no_grad()
def view_poses(teacher: DualModalityNet, target: TargetBatch, *, mirrored: bool) -> Poses:
    """Poses seen in the further weak views, taken to the weak view, and if ``mirrored`` in its mirror image."""
    poses: list[tuple[Tensor, Tensor]] = []
    if target.views is not None and target.A_weak_views is not None:
        count = target.views.shape[1]
        seen = teacher(target.views.flatten(0, 1))
        uv = move_points(target.A_weak_views.flatten(0, 1), seen.joints_uv).unflatten(0, (-1, count))
        depth = seen.joints_depth.unflatten(0, (-1, count))
        poses += [(uv[:, k], depth[:, k]) for k in range(count)]
    if mirrored:
        seen = teacher(target.weak.flip(-1))
        poses.append((torch.stack([1 - seen.joints_uv[..., 0], seen.joints_uv[..., 1]], -1), seen.joints_depth))
    uvs, depths = zip(*poses, strict=True)
    return torch.stack(uvs), torch.stack(depths)


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
