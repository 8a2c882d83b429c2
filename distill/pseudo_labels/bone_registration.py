"""Label correction: predicted joints pulled onto a hand with true bone lengths and legal joint angles (rho).

Registration is SemiHand's (Yang et al., ICCV 2021), the rho of Lin et al. 2023, Eq. 8; nothing here is trained. It
works in 3D, so a 2.5D pose is lifted first and projected afterwards. The principal point is taken
at the crop's centre, and where the camera is not known the caller assumes a focal length: both tilt the hand a
little, the same way before and after.
"""

from functools import lru_cache

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from distill.pseudo_labels.joint_limits import rectify_angles
from dualmod.geometry.lifting import root_depth_bones
from synth.common.conventions import BONES, REFERENCE_BONE, ROOT_JOINT
from synth.hand import HandAxes, bone_lengths, load_hand

CROP_CENTRE = 0.5
NEAREST_Z = 0.2
"""Least depth in reference bones at which a corrected joint is projected."""


@lru_cache(maxsize=4)
def bone_template(hand: str = "open") -> Float[Tensor, "20"]:
    """Bone lengths of a hand's mean shape in reference-bone lengths, in the order of ``BONES``."""
    lengths = bone_lengths(HandAxes.of(load_hand(hand)).joints(np.zeros((16, 3))))
    return torch.from_numpy(lengths / lengths[BONES.index(REFERENCE_BONE)]).float()


def register(
    joints: Float[Tensor, "batch 21 3"], template: Float[Tensor, "20"] | None = None
) -> Float[Tensor, "batch 21 3"]:
    """Joints with the template's bone lengths (SemiHand, section 3.3).

    Walks from the root joint outwards; each bone points from the registered parent to the estimated child, so that
    errors don't add up along a finger.

    Args:
        joints: Estimated joints in reference-bone lengths, or in any unit that ``template`` is in.
        template: Bone lengths in the order of ``BONES``; those of the open hand by default.
    """
    lengths = (bone_template() if template is None else template).to(joints)
    registered = list(joints.unbind(1))
    for near, far, bone in WALK:
        aim = joints[:, far] - registered[near]
        # where the child lies on the registered parent, the estimated bone still has a direction
        aim = torch.where(_norm(aim) > 1e-6, aim, joints[:, far] - joints[:, near])
        registered[far] = registered[near] + lengths[bone] * aim / _norm(aim).clamp_min(1e-9)
    return torch.stack(registered, 1)


def correct(
    joints_uv: Float[Tensor, "batch 21 2"],
    joints_depth: Float[Tensor, "batch 21"],
    focal_crop_units: Float[Tensor, "batch"],
    *,
    lengths: bool = True,
    angles: bool = True,
) -> tuple[Float[Tensor, "batch 21 2"], Float[Tensor, "batch 21"]]:
    """A 2.5D pose after correction: rho of Lin et al. 2023, Eq. 8.

    Args:
        joints_uv: Joints of right hands in units of the crop's side (``Prediction.joints_uv``).
        joints_depth: Depth behind the root in reference-bone lengths.
        focal_crop_units: Focal length over the crop's side, both in pixels of the photo.
        lengths: Give the bones the template's lengths.
        angles: Bring PIP and DIP joints into their ranges of motion.

    Returns:
        Corrected ``joints_uv`` and ``joints_depth``; the root joint stays where it is.
    """
    joints = lifted(joints_uv, joints_depth, focal_crop_units)
    joints = register(joints) if lengths else joints
    joints = rectify_angles(joints) if angles else joints
    depth = joints[..., 2].clamp_min(NEAREST_Z)
    uv = CROP_CENTRE + focal_crop_units[:, None, None] * joints[..., :2] / depth[..., None]
    return uv, joints[..., 2] - joints[:, ROOT_JOINT, None, 2]


def lifted(
    joints_uv: Float[Tensor, "batch 21 2"],
    joints_depth: Float[Tensor, "batch 21"],
    focal_crop_units: Float[Tensor, "batch"],
) -> Float[Tensor, "batch 21 3"]:
    """Joints in the camera frame in reference-bone lengths (``dualmod.geometry.lifting`` for tensors and crops)."""
    relative = joints_depth - joints_depth[:, ROOT_JOINT, None]
    rays = (joints_uv - CROP_CENTRE) / focal_crop_units[:, None, None]
    depth = root_depth_bones(rays, relative)[:, None] + relative
    return torch.cat([rays, torch.ones_like(rays[..., :1])], -1) * depth[..., None]


def _walk() -> tuple[tuple[int, int, int], ...]:
    """(nearer joint, farther joint, bone) of every bone, from the root outwards."""
    reached, steps = [ROOT_JOINT], []
    for near in reached:
        for bone, ends in enumerate(BONES):
            far = ends[1 - ends.index(near)] if near in ends else None
            if far is not None and far not in reached:
                reached.append(far)
                steps.append((near, far, bone))
    return tuple(steps)


def _norm(vectors: Tensor) -> Tensor:
    return torch.linalg.norm(vectors, dim=-1, keepdim=True)


WALK = _walk()
