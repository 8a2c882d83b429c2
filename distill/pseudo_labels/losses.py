"""The losses on unlabelled images: pseudo-labels, which hand it is, and the consistency of the two passes."""

from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn import functional

from distill.pseudo_labels.denoising import PseudoLabels
from dualmod.geometry.view_warps import move_points
from dualmod.losses.heatmap import heatmap_cross_entropy
from dualmod.losses.pose import pose_distance
from dualmod.losses.supervision import SupervisionConfig
from dualmod.network.prediction import Prediction


def pseudo_label_loss(
    prediction: Prediction,
    labels: PseudoLabels,
    A_strong_weak: Float[Tensor, "batch 2 3"],
    config: SupervisionConfig,
) -> Float[Tensor, ""]:
    """1[C(r) <= eps] l(p, r) of Lin et al. 2023, Eq. 9, as a mean over the batch, with the heatmap term of ours.

    Args:
        prediction: Of the strong view, from one of the passes.
        labels: Of the weak view.
        A_strong_weak: Takes ``joints_uv`` of the weak view to those of the strong one.
        config: Weights of pose and heatmap, as for synthetic images.
    """
    target_uv = move_points(A_strong_weak, labels.joints_uv)
    inside = ((target_uv > 0) & (target_uv < 1)).all(-1)
    weight = labels.joint_weight * labels.kept[:, None] * inside
    return pose_loss(prediction, target_uv, labels.joints_depth, weight, config)


def pose_loss(
    prediction: Prediction,
    target_uv: Float[Tensor, "batch 21 2"],
    target_depth: Float[Tensor, "batch 21"],
    joint_weight: Float[Tensor, "batch 21"],
    config: SupervisionConfig,
) -> Float[Tensor, ""]:
    """Distance of the pose and entropy of the heatmaps, weighed as for renders, as a mean over the batch."""
    pose = pose_distance(
        prediction.joints_uv, prediction.joints_depth, target_uv, target_depth, joint_weight=joint_weight
    )
    heatmap = heatmap_cross_entropy(prediction.heatmap_logits, target_uv, joint_weight=joint_weight)
    return (config.pose_weight * pose + config.heatmap_weight * heatmap).mean()


def consistency_loss(first: Prediction, fused: Prediction, config: SupervisionConfig) -> Float[Tensor, ""]:
    """M(y_R, y_F) of Lin et al. 2023, Eq. 10: the first pass is drawn to the second, which sees predicted depth.

    The paper leaves open whether the gradient enters both; here it enters the first pass alone.
    """
    fused = fused.detach()
    pose = pose_distance(first.joints_uv, first.joints_depth, fused.joints_uv, fused.joints_depth).mean()
    mask = (first.mask_logits.sigmoid() - fused.mask_logits.sigmoid()).abs().mean()
    depth = (first.depth - fused.depth).abs().mean()
    return config.pose_weight * pose + config.mask_weight * mask + config.depth_weight * depth


def handedness_pseudo_loss(
    right_logits: Float[Tensor, "batch"], left_logits: Float[Tensor, "mirrored"], sure: Bool[Tensor, "batch"]
) -> Float[Tensor, ""]:
    """Binary cross-entropy of the handedness output on photos (ours); each hand counts half, as for synthetic images.

    Args:
        right_logits: Of the photos, mirrored where the teacher sees a left hand: all should be right hands.
        left_logits: Of the first of them, mirrored once more.
        sure: Photos of which the teacher is sure enough; the others don't count.
    """

    def mean(losses: Tensor) -> Tensor:
        return (losses * sure[: len(losses)]).mean()

    return (mean(functional.softplus(-right_logits)) + mean(functional.softplus(left_logits))) / 2
