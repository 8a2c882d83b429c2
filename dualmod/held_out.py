"""How good a network is on held-out renders: the only labelled data that choices may rest on."""

from collections.abc import Iterator

import torch
from torch import Tensor

from dualmod.data.batch import HandBatch
from dualmod.data.hands import Hands
from dualmod.data.synthetic import held_out_batches
from dualmod.network.model import DualModalityNet
from dualmod.prediction import Prediction


@torch.no_grad()
def held_out_error(net: DualModalityNet, hands: Hands, *, batch_size: int = 64) -> dict[str, float]:
    """Errors of the plain RGB pass on the held-out samples, upright crops, nothing random.

    Returns:
        ``held_out_error_box``: mean joint error over the longer side of the joints' box; ``held_out_pck_box@0.1``
        and ``@0.2``; ``held_out_depth_bones``: mean joint depth error in reference bones; ``held_out_mask_iou``;
        ``held_out_closeness``: mean error of the depth map on the hand; ``held_out_right``: share of images and
        mirror images whose handedness is found.
    """
    device = next(net.parameters()).device
    net.eval()
    rows = [
        torch.stack(list(_errors(net, batch.to(device))), 1)
        for batch in held_out_batches(hands, crop_px=net.config.image_size, batch_size=batch_size)
    ]
    names = ("error_box", "pck_box@0.1", "pck_box@0.2", "depth_bones", "mask_iou", "closeness", "right")
    means = torch.cat(rows).mean(0).tolist()
    return {f"held_out_{name}": round(value, 5) for name, value in zip(names, means, strict=True)}


def _errors(net: DualModalityNet, batch: HandBatch) -> Iterator[Tensor]:
    """Per-sample values in the order of ``held_out_error``."""
    prediction: Prediction = net(batch.rgb)
    box = (batch.joints_uv.amax(1) - batch.joints_uv.amin(1)).amax(1)
    error = (prediction.joints_uv - batch.joints_uv).norm(dim=-1) / box[:, None]
    yield error.mean(1)
    yield (error < 0.1).float().mean(1)
    yield (error < 0.2).float().mean(1)
    yield (prediction.joints_depth - batch.joints_depth).abs().mean(1)
    height, width = prediction.depth.shape[-2:]
    true_mask = torch.nn.functional.adaptive_avg_pool2d(batch.mask, (height, width)) > 0.5
    true_depth = torch.nn.functional.adaptive_avg_pool2d(batch.depth, (height, width))
    mask = prediction.mask_logits > 0
    yield (mask & true_mask).sum((1, 2, 3)) / (mask | true_mask).sum((1, 2, 3)).clamp_min(1)
    wrong = (prediction.depth - true_depth).abs() * true_mask
    yield wrong.sum((1, 2, 3)) / true_mask.sum((1, 2, 3)).clamp_min(1)
    mirrored = net(batch.rgb.flip(-1)).handedness_logit
    yield (prediction.handedness_logit > mirrored).float()
