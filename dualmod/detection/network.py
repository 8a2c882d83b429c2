"""The network of centre points (Zhou et al. 2019, "Objects as Points"): a backbone, a light pyramid, one dense head."""

from dataclasses import asdict, dataclass, replace
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from dualmod.network.backbone import backbone_stages
from dualmod.network.cpu.batch_norm import use_fast_norm
from dualmod.network.cpu.depthwise_conv import use_fast_depthwise
from dualmod.network.cpu.frozen_stage import freeze_stage
from dualmod.network.model import IMAGE_MEAN, IMAGE_STD
from synth.common.config import check, option

STRIDE = 8
"""Pixels of the input to a cell of the output maps."""
FINEST_STAGE = 2
"""Index of the backbone's stage at ``STRIDE``."""
PRIOR_LOGIT = -2.19
"""Start of the heatmap's bias: 0.1 (Lin et al. 2017, "Focal Loss"), as empty cells are by far the most."""
CHANNELS = {"heat": 1, "log_size": 2, "offset": 2, "right": 1}


@dataclass
class DetectorNetConfig:
    """The network that finds hands."""

    image_size: int = option(224, "side of the input in pixels, a multiple of 32; photos are fitted into it")
    backbone: str = option("tf_efficientnet_lite0", "timm name of a backbone with five stages")
    weights: str = option("", "empty: random; imagenet: from the installed package; else a local file")
    frozen_stages: int = option(0, "number of first stages whose weights and statistics stay as loaded, 0 to 5")
    trimmed_blocks: int = option(0, "last blocks of the last stage that are left out: widest, with most of the weights")
    width: int = option(64, "channels of the pyramid")

    def __post_init__(self) -> None:
        legal = self.image_size >= 64 and self.image_size % 32 == 0
        check(legal, "network.image_size", self.image_size, "a multiple of 32, at least 64")
        check(0 <= self.frozen_stages <= 5, "network.frozen_stages", self.frozen_stages, "0 to 5")
        check(self.trimmed_blocks >= 0, "network.trimmed_blocks", self.trimmed_blocks, "0 or more")
        check(self.width > 0, "network.width", self.width, "positive")


@dataclass(frozen=True)
class CentreMaps:
    """What the network says in each cell of ``STRIDE`` input pixels.

    Attributes:
        heat: Logit of a hand's centre.
        log_size: Natural log of width and height of the hand's box in cells.
        offset: From the cell's upper left corner to the box's centre, x and y in cells.
        right: Logit of a right hand.
    """

    heat: Float[Tensor, "batch 1 height width"]
    log_size: Float[Tensor, "batch 2 height width"]
    offset: Float[Tensor, "batch 2 height width"]
    right: Float[Tensor, "batch 1 height width"]


class DetectorNet(nn.Module):
    """Centre points of hands from whole photos, at strides 8 to 32 seen together."""

    mean: Tensor
    std: Tensor

    def __init__(self, config: DetectorNetConfig):
        """
        Raises:
            ValueError: for an unknown backbone, or one with less blocks than are to be left out.
            FileNotFoundError: when the weights are not there.
        """
        super().__init__()
        self.config = config
        self.stages, channels = backbone_stages(config.backbone, 3, config.weights)
        if config.trimmed_blocks:
            channels[-1] = self._trim(config.trimmed_blocks)
        self.laterals = nn.ModuleList(_conv(c, config.width, 1) for c in channels[FINEST_STAGE:])
        self.smooth = nn.Sequential(*_separable(config.width), *_separable(config.width))
        use_fast_depthwise(self.smooth)
        self.head = nn.Conv2d(config.width, sum(CHANNELS.values()), 1)
        nn.init.zeros_(self.head.bias)  # type: ignore[arg-type]
        nn.init.constant_(self.head.bias[:1], PRIOR_LOGIT)  # type: ignore[index]
        self.register_buffer("mean", torch.tensor(IMAGE_MEAN).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(IMAGE_STD).view(1, 3, 1, 1), persistent=False)
        for stage in self.stages[: config.frozen_stages]:
            freeze_stage(stage)
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        use_fast_norm(self)

    def train(self, mode: bool = True) -> "DetectorNet":
        """Training mode for all but the frozen stages, whose normalisation statistics stay."""
        super().train(mode)
        for stage in self.stages[: self.config.frozen_stages]:
            stage.eval()
        return self

    def forward(self, rgb: Float[Tensor, "batch 3 height width"]) -> CentreMaps:
        """Maps of images whose values are in [0, 1] and whose sides are multiples of 32."""
        image = ((rgb - self.mean) / self.std).contiguous(memory_format=torch.channels_last)
        features: list[Tensor] = []
        for stage in self.stages:
            image = stage(image)
            features.append(image)
        laterals = [lateral(f) for lateral, f in zip(self.laterals, features[FINEST_STAGE:], strict=True)]
        merged = laterals[-1]
        for finer in laterals[-2::-1]:
            merged = finer + functional.interpolate(merged, scale_factor=2.0, mode="nearest")
        maps = self.head(self.smooth(functional.relu(merged)))
        return CentreMaps(**dict(zip(CHANNELS, maps.split(list(CHANNELS.values()), 1), strict=True)))

    def _trim(self, count: int) -> int:
        """Leave out the last blocks of the last stage; the channels of what is left."""
        last = self.stages[-1]
        assert isinstance(last, nn.Sequential)
        check(count < len(last), "network.trimmed_blocks", count, f"less than the {len(last)} blocks of the last stage")
        self.stages[-1] = last[:-count]
        convolutions = [m for m in self.stages[-1].modules() if isinstance(m, nn.Conv2d)]
        return convolutions[-1].out_channels


def detector_dict(config: DetectorNetConfig) -> dict[str, Any]:
    """The config as plain values for a checkpoint; the backbone's weight file is dropped, it holds the weights."""
    return asdict(replace(config, weights=""))


def detector_from_dict(plain: dict[str, Any]) -> DetectorNet:
    """The network of ``detector_dict``, with random weights.

    Raises:
        ValueError: when keys are missing or unknown.
    """
    try:
        return DetectorNet(DetectorNetConfig(**plain))
    except TypeError as error:
        raise ValueError(f"the detector's network config does not fit this version: {error}") from error


def _conv(inputs: int, outputs: int, size: int, groups: int = 1) -> nn.Sequential:
    convolution = nn.Conv2d(inputs, outputs, size, padding=size // 2, groups=groups, bias=False)
    return nn.Sequential(convolution, nn.BatchNorm2d(outputs))


def _separable(width: int) -> list[nn.Module]:
    """A convolution over 5 x 5 cells, channel by channel, and one over the channels."""
    return [_conv(width, width, 5, groups=width), nn.ReLU(inplace=True), _conv(width, width, 1), nn.ReLU(inplace=True)]
