"""Supervision of one modality's prediction on all three outputs: pose, mask and depth."""

from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from dualmod.data.batch import HandBatch
from dualmod.losses.heatmap import heatmap_cross_entropy
from dualmod.losses.pose import pose_distance
from dualmod.network.prediction import Prediction
from synth.common.config import check, option


@dataclass
class SupervisionConfig:
    """Weights of the three outputs. The paper's (mask 100, depth 50) go with its own, unstated units."""

    pose_weight: float = option(10.0, "weight of the 2.5D pose distance")
    heatmap_weight: float = option(3.0, "weight of the heatmap cross-entropy (ours)")
    mask_weight: float = option(0.5, "weight of the hand mask, lambda_m")
    depth_weight: float = option(1.0, "weight of the depth map, lambda_d")

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            check(value >= 0, f"supervision.{name}", value, "0 or more")


def supervision_loss(prediction: Prediction, batch: HandBatch, config: SupervisionConfig) -> Float[Tensor, ""]:
    """The multi-modal supervision M(y, y*) of Lin et al. 2023, Eq. 2, as a mean over the batch.

    M = l(pose, pose*) + lambda_m |mask - mask*|_1 + lambda_d |depth - depth*|_1, with a heatmap term added.
    """
    height, width = prediction.depth.shape[-2:]
    mask = functional.adaptive_avg_pool2d(batch.mask, (height, width))
    depth = functional.adaptive_avg_pool2d(batch.depth, (height, width))
    pose = pose_distance(
        prediction.joints_uv,
        prediction.joints_depth,
        batch.joints_uv,
        batch.joints_depth,
        joint_weight=batch.joint_weight,
    ).mean()
    heatmap = heatmap_cross_entropy(prediction.heatmap_logits, batch.joints_uv, joint_weight=batch.joint_weight).mean()
    return (
        config.pose_weight * pose
        + config.heatmap_weight * heatmap
        + config.mask_weight * (prediction.mask_logits.sigmoid() - mask).abs().mean()
        + config.depth_weight * (prediction.depth - depth).abs().mean()
    )
