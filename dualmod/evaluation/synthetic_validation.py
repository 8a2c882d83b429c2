"""How good a network is on held-out renders: the only labelled data that choices may rest on."""

from collections.abc import Iterator

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn import functional

from dualmod.data.augment import plain_crops
from dualmod.data.batch import CLOSENESS_RANGE, HandBatch
from dualmod.data.hand_source import Hands
from dualmod.network.model import DualModalityNet
from dualmod.network.prediction import Prediction
from dualmod.network.train_eval_mode import is_untrained


@torch.no_grad()
def held_out_error(net: DualModalityNet, hands: Hands, *, batch_size: int = 64) -> dict[str, float]:
    """Errors of the plain RGB pass on the held-out samples, upright crops, nothing random.

    Returns:
        ``held_out_error_box``: mean joint error over the longer side of the joints' box; ``held_out_pck_box@0.1``
        and ``@0.2``; ``held_out_depth_bones``: mean joint depth error in reference bones; ``held_out_mask_iou``;
        ``held_out_closeness``: mean error of the depth map on the hand; ``held_out_right``: share of images and
        mirror images whose handedness is found; ``held_out_map_bones``: mean absolute error of the predicted depth map
        in reference bones, over the cells that lie on the hand as a whole, and ``held_out_map_mm`` in millimetres,
        which is left out where no bone's length is known. Of a network whose depth branch was trained also
        ``held_out_depth_pck_box@0.1`` and ``@0.2``: what that branch makes of the exact depth alone.
    """
    device = next(net.parameters()).device
    net.eval()
    rows: list[Tensor] = []
    for start in range(0, len(hands.held_out), batch_size):
        labelled = hands.rows(hands.held_out[start : start + batch_size].tolist())
        batch = plain_crops(labelled, net.config.image_size, net.config.crop_margin).to(device)
        bone_mm = torch.tensor([1000 * hand.bone_m for hand in labelled], device=device)
        rows.append(torch.stack([*_errors(net, batch, bone_mm), *_depth_errors(net, batch)], 1))
    names = ("error_box", "pck_box@0.1", "pck_box@0.2", "depth_bones", "mask_iou", "closeness", "right")
    names = (*names, "map_bones", "map_mm", "depth_pck_box@0.1", "depth_pck_box@0.2")
    means = torch.cat(rows).nanmean(0).tolist()
    found = zip(names, means, strict=True)
    return {f"held_out_{name}": round(value, 5) for name, value in found if value == value}


def _errors(net: DualModalityNet, batch: HandBatch, bone_mm: Tensor) -> Iterator[Tensor]:
    """Per-sample values in the order of ``held_out_error``."""
    prediction: Prediction = net(batch.rgb)
    error = _joint_error(prediction, batch)
    yield error.mean(1)
    yield (error < 0.1).float().mean(1)
    yield (error < 0.2).float().mean(1)
    yield (prediction.joints_depth - batch.joints_depth).abs().mean(1)
    height, width = prediction.depth.shape[-2:]
    coverage = functional.adaptive_avg_pool2d(batch.mask, (height, width))
    true_mask = coverage > 0.5
    true_depth = functional.adaptive_avg_pool2d(batch.depth, (height, width))
    mask = prediction.mask_logits > 0
    yield (mask & true_mask).sum((1, 2, 3)) / (mask | true_mask).sum((1, 2, 3)).clamp_min(1)
    wrong = (prediction.depth - true_depth).abs() * true_mask
    yield wrong.sum((1, 2, 3)) / true_mask.sum((1, 2, 3)).clamp_min(1)
    mirrored = net(batch.rgb.flip(-1)).handedness_logit
    yield (prediction.handedness_logit > mirrored).float()
    # cells across the silhouette mix hand and background, so that their mean depth is no place
    map_bones = depth_map_error(prediction.depth, true_depth, coverage > 0.999)
    yield map_bones
    yield map_bones * bone_mm


def _depth_errors(net: DualModalityNet, batch: HandBatch) -> Iterator[Tensor]:
    """The same of the depth branch on the exact depth; NaN where that branch was never trained."""
    if is_untrained(net.depth_neck):
        error = batch.joints_uv.new_full(batch.joints_uv.shape[:2], torch.nan)
    else:
        error = _joint_error(net.decode(net.encode_depth(batch.depth)[0]), batch)
    for limit in (0.1, 0.2):
        yield torch.where(error.isnan(), error, (error < limit).float()).mean(1)


def _joint_error(prediction: Prediction, batch: HandBatch) -> Float[Tensor, "batch 21"]:
    """Distance of each joint over the longer side of the joints' box."""
    box = (batch.joints_uv.amax(1) - batch.joints_uv.amin(1)).amax(1)
    return (prediction.joints_uv - batch.joints_uv).norm(dim=-1) / box[:, None]


def depth_map_error(
    predicted: Float[Tensor, "batch 1 height width"],
    truth: Float[Tensor, "batch 1 height width"],
    counts: Bool[Tensor, "batch 1 height width"],
) -> Float[Tensor, "batch"]:
    """Mean absolute error in reference bones between closeness maps over the cells that count; NaN where none does."""
    wrong = ((predicted - truth).abs() * counts).sum((1, 2, 3)) * CLOSENESS_RANGE
    return wrong / counts.sum((1, 2, 3))
