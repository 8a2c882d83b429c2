"""Cross-entropy of heatmaps: it makes short trainings far faster than the read-out's regression loss alone."""

import torch
from jaxtyping import Float
from torch import Tensor


def heatmap_cross_entropy(
    heatmap_logits: Float[Tensor, "batch 21 height width"],
    target_uv: Float[Tensor, "batch 21 2"],
    *,
    joint_weight: Float[Tensor, "batch 21"],
    sigma_cells: float = 1.0,
) -> Float[Tensor, "batch"]:
    """Cross-entropy between each heatmap's softmax and a Gaussian at the target, mean over the joints.

    Args:
        heatmap_logits: Unnormalised log-probabilities.
        target_uv: Joints in units of the crop's side; one whose Gaussian lies outside the map adds nothing.
        joint_weight: Weight of each joint.
        sigma_cells: Standard deviation of the Gaussian in map cells.
    """
    height, width = heatmap_logits.shape[-2:]
    options = {"device": heatmap_logits.device, "dtype": heatmap_logits.dtype}
    u = torch.arange(width, **options) + 0.5
    v = torch.arange(height, **options) + 0.5
    along_u = torch.exp(-0.5 * ((u - target_uv[..., :1] * width) / sigma_cells) ** 2)
    along_v = torch.exp(-0.5 * ((v - target_uv[..., 1:] * height) / sigma_cells) ** 2)
    target = (along_v[..., :, None] * along_u[..., None, :]).flatten(2)
    target = target / (target.sum(-1, keepdim=True) + 1e-6)
    entropy = -(target * heatmap_logits.flatten(2).log_softmax(-1)).sum(-1)
    return (entropy * joint_weight).mean(-1)
