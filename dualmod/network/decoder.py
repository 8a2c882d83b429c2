"""The one decoder that all latents share, and the 2.5D read-out of its heatmaps."""

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from synth.common.conventions import NUM_JOINTS, ROOT_JOINT


class Decoder(nn.Module):
    """Deconvolutions with batch norm and ReLU, from the last stage to 1/4 of the input (Lin et al. 2023, section 4.1).

    Three of them after the paper's five stages, whose last one has 1/32 of the input. With skips (ours; the paper has
    none) the encoder's laterals of strides 16, 8 and 4 are added after each.
    """

    def __init__(self, width: int, stages: int = 5):
        """
        Args:
            width: Channels.
            stages: Stages of the encoders, 3 to 5.
        """
        super().__init__()
        self.up = nn.ModuleList(
            nn.Sequential(nn.ConvTranspose2d(width, width, 4, 2, 1, bias=False), nn.BatchNorm2d(width))
            for _ in range(stages - 2)
        )
        self.head = nn.Conv2d(width, 2 * NUM_JOINTS + 2, 1)
        self.sharpness = nn.Parameter(torch.tensor(1.0))

    def forward(self, laterals: list[Tensor]) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Heatmap logits and depth maps [batch, 21, h, w], mask logits and closeness [batch, 1, h, w]."""
        return self.outputs(self.features(laterals))

    def outputs(self, features: Float[Tensor, "batch channels height width"]) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """The maps of ``forward`` from ``features``."""
        heatmaps, depths, mask, closeness = self.head(features).split((NUM_JOINTS, NUM_JOINTS, 1, 1), dim=1)
        return heatmaps * self.sharpness, depths, mask, closeness

    def features(self, laterals: list[Tensor]) -> Float[Tensor, "batch channels height width"]:
        """What the head reads: the last map before it, after ReLU."""
        x = functional.relu(laterals[-1])
        for step, up in enumerate(self.up):
            x = up(x)
            if len(laterals) > 1:
                x = x + laterals[-2 - step]
            x = functional.relu(x)
        return x


def read_out(
    heatmap_logits: Float[Tensor, "batch 21 height width"], depth_maps: Float[Tensor, "batch 21 height width"]
) -> tuple[Float[Tensor, "batch 21 2"], Float[Tensor, "batch 21"], Float[Tensor, "batch 21"]]:
    """2.5D pose from heatmaps: the expected place and the expected depth under their softmax (Iqbal et al. 2018).

    Returns:
        ``joints_uv`` in units of the crop's side, ``joints_depth`` behind the root joint in reference bones, and
        ``confidence``: exp(-spread / 0.05), where spread is the heatmap's standard deviation in crop sides.
    """
    height, width = heatmap_logits.shape[-2:]
    probability = heatmap_logits.flatten(2).softmax(-1).unflatten(2, (height, width))
    u = (torch.arange(width, device=probability.device, dtype=probability.dtype) + 0.5) / width
    v = (torch.arange(height, device=probability.device, dtype=probability.dtype) + 0.5) / height
    along_u, along_v = probability.sum(2), probability.sum(3)
    mean_u, mean_v = (along_u * u).sum(-1), (along_v * v).sum(-1)
    variance = (along_u * u**2).sum(-1) - mean_u**2 + (along_v * v**2).sum(-1) - mean_v**2
    depth = (probability * depth_maps).sum((2, 3))
    depth = depth - depth[:, ROOT_JOINT : ROOT_JOINT + 1]
    confidence = torch.exp(-(variance.clamp_min(1e-10)).sqrt() / 0.05)
    return torch.stack([mean_u, mean_v], -1), depth, confidence
