"""The distance between two 2.5D poses."""

from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

DEPTH_WEIGHT = 0.2
"""Weight of a depth error of one reference bone against a place error of one crop side."""


def pose_distance(
    joints_uv: Float[Tensor, "batch 21 2"],
    joints_depth: Float[Tensor, "batch 21"],
    target_uv: Float[Tensor, "batch 21 2"],
    target_depth: Float[Tensor, "batch 21"],
    *,
    joint_weight: Float[Tensor, "batch 21"] | None = None,
) -> Float[Tensor, "batch"]:
    """Distance of each pose to its target, mean over the joints (the l of Lin et al. 2023, Eq. 2).

    The paper squares the errors; here they are smooth L1, so that joints which are far off (most of them early in a
    short training) don't drown the rest.

    Args:
        joints_uv: In units of the crop's side.
        joints_depth: Behind the root joint, in reference bones.
        target_uv: Like ``joints_uv``.
        target_depth: Like ``joints_depth``.
        joint_weight: Weight of each joint; all 1 when None. Its sum does not change the scale of other joints.
    """
    place = functional.smooth_l1_loss(joints_uv, target_uv, beta=0.025, reduction="none").sum(-1)
    depth = functional.smooth_l1_loss(joints_depth, target_depth, beta=0.1, reduction="none")
    distance = place + DEPTH_WEIGHT * depth
    if joint_weight is not None:
        distance = distance * joint_weight
    return distance.mean(-1)
