"""The two encoders: a backbone in stages, with depth attention after each, and a neck to the decoder's width."""

from collections.abc import Collection
from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor, nn

from dualmod.network.attention import depth_attention
from dualmod.network.backbone import backbone_stages
from dualmod.network.cpu.frozen_stage import freeze_stage
from synth.common.config import check, option

STAGES = (1, 2, 3, 4, 5)


@dataclass
class EncoderConfig:
    """One encoder."""

    backbone: str = option("tf_efficientnet_lite0", "timm name of a backbone with five stages")
    weights: str = option("", "empty: random; imagenet: from the installed package; else a local file")
    frozen_stages: int = option(0, "number of first stages whose weights and statistics stay as loaded")
    stages: int = option(5, "number of first stages that the network has, 3 to 5")

    def __post_init__(self) -> None:
        check(3 <= self.stages <= 5, "stages", self.stages, "3 to 5")
        check(0 <= self.frozen_stages <= self.stages, "frozen_stages", self.frozen_stages, f"0 to {self.stages}")


class Encoder(nn.Module):
    """A backbone whose stages can be re-weighted by spatial attention (Lin et al. 2023, section 3.2)."""

    def __init__(self, config: EncoderConfig, in_channels: int, taps: Collection[int] = STAGES):
        """
        Args:
            config: Backbone and weights.
            in_channels: 3 for RGB, 1 for depth.
            taps: Stages, counted from 1, whose features make attention and are weighed by it.
        """
        super().__init__()
        self.taps = frozenset(taps)
        stages, channels = backbone_stages(config.backbone, in_channels, config.weights)
        self.stages, self.channels = stages[: config.stages], channels[: config.stages]
        self.frozen_stages = config.frozen_stages
        for stage in self.stages[: self.frozen_stages]:
            freeze_stage(stage)

    def train(self, mode: bool = True) -> "Encoder":
        """Training mode for all but the frozen stages, whose normalisation statistics stay."""
        super().train(mode)
        for stage in self.stages[: self.frozen_stages]:
            stage.eval()
        return self

    def forward(
        self, image: Float[Tensor, "batch channels side side"], attention: list[Tensor] | None = None
    ) -> list[Tensor]:
        """Features of the stages.

        Args:
            image: Normalised input.
            attention: One weight map [batch, 1, h, w] for each stage, or None for none.
        """
        features: list[Tensor] = []
        for index, stage in enumerate(self.stages):
            image = stage(image)
            if attention is not None:
                # no gradient enters the depth encoder through frozen stages: it would cost their backward pass
                frozen = index < self.frozen_stages
                image = image * (attention[index].detach() if frozen else attention[index])
            features.append(image)
        return features

    def self_attended(self, image: Float[Tensor, "batch channels side side"]) -> tuple[list[Tensor], list[Tensor]]:
        """Features of the stages, re-weighted by their own attention at the taps, and the attention maps (1 where
        there is no tap)."""
        features: list[Tensor] = []
        attention: list[Tensor] = []
        for index, stage in enumerate(self.stages):
            image = stage(image)
            if index + 1 in self.taps:
                attention.append(depth_attention(image))
                image = image * attention[-1]
            else:
                attention.append(image.new_ones(len(image), 1, *image.shape[2:]))
            features.append(image)
        return features, attention


class Neck(nn.Module):
    """Brings an encoder's stages to the decoder's width: the last one always, stages 2 to 4 where it skips."""

    def __init__(self, channels: list[int], width: int, skips: bool):
        super().__init__()
        used = channels[1:] if skips else channels[-1:]
        self.laterals = nn.ModuleList(
            nn.Sequential(nn.Conv2d(c, width, 1, bias=False), nn.BatchNorm2d(width)) for c in used
        )

    def forward(self, features: list[Tensor]) -> list[Tensor]:
        """Lateral maps, finest first; only the coarsest without skips."""
        return [lateral(f) for lateral, f in zip(self.laterals, features[-len(self.laterals) :], strict=True)]
