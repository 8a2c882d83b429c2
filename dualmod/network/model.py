"""The dual-modality network: RGB and depth encoders, one shared decoder, a projector."""

from dataclasses import asdict, dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from dualmod.network.attention import mask_attention
from dualmod.network.backbone import REDUCTIONS
from dualmod.network.cpu.batch_norm import use_fast_norm
from dualmod.network.decoder import Decoder, read_out
from dualmod.network.encoder import STAGES, Encoder, EncoderConfig, Neck
from dualmod.network.prediction import Prediction
from synth.common.config import check, option

IMAGE_MEAN = (0.485, 0.456, 0.406)
IMAGE_STD = (0.229, 0.224, 0.225)
SIDES = ("right", "both")
FIRST_RELEASE = {"crop_margin": 1.6, "sides": "right"}
"""What networks were whose files don't say it."""


@dataclass
class NetworkConfig:
    """The dual-modality network."""

    image_size: int = option(96, "side of the input crop in pixels, a multiple of 2**stages: 32 for all five")
    rgb: EncoderConfig = option(EncoderConfig(), "the RGB encoder")
    depth: EncoderConfig = option(EncoderConfig(backbone="mobilenetv3_small_100"), "the depth encoder")
    crop_margin: float = option(1.3, "side of the crop at test over the longer side of the hand's box")
    sides: str = option("right", "hands that the network sees: right, left ones mirrored to it; or both as they are")
    decoder_width: int = option(64, "channels of the decoder's deconvolutions")
    skips: bool = option(True, "add encoder stages 2 to 4 in the decoder (the paper does not)")
    embedding_dims: int = option(128, "length of the contrastive embedding")
    shared_projector: bool = option(True, "one projector to the embedding for RGB, depth and fused; false: one each")
    attention_taps: list[int] = option(list(STAGES), "stages after which depth attention acts, as far as there are")

    def __post_init__(self) -> None:
        cell = 2**self.rgb.stages
        check(
            self.image_size >= 64 and self.image_size % cell == 0,
            "network.image_size", self.image_size, f"a multiple of {cell}, at least 64",
        )  # fmt: skip
        check(0.5 <= self.crop_margin <= 10, "network.crop_margin", self.crop_margin, "0.5 to 10")
        check(self.sides in SIDES, "network.sides", self.sides, f"one of {', '.join(SIDES)}")
        check(
            self.depth.stages == self.rgb.stages, "network.depth.stages", self.depth.stages,
            f"network.rgb.stages={self.rgb.stages}: both encoders share the decoder",
        )  # fmt: skip
        check(self.decoder_width > 0, "network.decoder_width", self.decoder_width, "positive")
        check(self.embedding_dims > 0, "network.embedding_dims", self.embedding_dims, "positive")
        legal = len(set(self.attention_taps)) == len(self.attention_taps) and set(self.attention_taps) <= set(STAGES)
        check(legal, "network.attention_taps", self.attention_taps, "a list of different stages from 1 to 5")


@dataclass(frozen=True)
class Latent:
    """Features of one modality, ready for the decoder.

    Attributes:
        laterals: Neck outputs, finest first.
        pooled: Mean over the neck's coarsest map, [batch, width].
    """

    laterals: list[Tensor]
    pooled: Tensor

    @staticmethod
    def cat(parts: "list[Latent]") -> "Latent":
        """One batch from several."""
        laterals = [torch.cat(maps) for maps in zip(*(p.laterals for p in parts), strict=True)]
        return Latent(laterals, torch.cat([p.pooled for p in parts]))


class DualModalityNet(nn.Module):
    """The network of Lin et al., CVPR 2023, with a handedness output (ours) beside the pose.

    At test time only the RGB encoder and the decoder run: ``net(rgb)``. The fused pass takes attention maps that the
    depth encoder computed from rendered or predicted depth: ``net.fused(rgb, net.encode_depth(depth)[1])``.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, config: NetworkConfig):
        super().__init__()
        self.config = config
        self.rgb_encoder = Encoder(config.rgb, 3, config.attention_taps)
        self.depth_encoder = Encoder(config.depth, 1, config.attention_taps)
        self.rgb_neck = Neck(self.rgb_encoder.channels, config.decoder_width, config.skips)
        self.depth_neck = Neck(self.depth_encoder.channels, config.decoder_width, config.skips)
        self.decoder = Decoder(config.decoder_width, config.rgb.stages)
        self.projector = _projector(config)
        self.handedness = nn.Linear(config.decoder_width, 1)
        others = () if config.shared_projector else ("depth", "fused")
        self.other_projectors = nn.ModuleDict({name: _projector(config) for name in others})
        self.register_buffer("mean", torch.tensor(IMAGE_MEAN).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(IMAGE_STD).view(1, 3, 1, 1), persistent=False)
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        use_fast_norm(self)

    def forward(self, rgb: Float[Tensor, "batch 3 side side"]) -> Prediction:
        """Prediction from RGB alone; values of ``rgb`` are in [0, 1]."""
        return self.decode(self.encode_rgb(rgb))

    def fused(self, rgb: Float[Tensor, "batch 3 side side"], attention: list[Tensor]) -> Prediction:
        """Prediction from RGB features that depth attention re-weights."""
        return self.decode(self.encode_rgb(rgb, attention))

    def encode_rgb(self, rgb: Tensor, attention: list[Tensor] | None = None) -> Latent:
        """Latent of RGB crops, plain or fused."""
        image = ((rgb - self.mean) / self.std).contiguous(memory_format=torch.channels_last)
        return _latent(self.rgb_neck(self.rgb_encoder(image, attention)))

    def encode_depth(self, depth: Float[Tensor, "batch 1 side side"]) -> tuple[Latent, list[Tensor]]:
        """Latent of closeness maps at input size, and the attention map of each stage."""
        image = (2 * depth - 0.5).contiguous(memory_format=torch.channels_last)
        features, attention = self.depth_encoder.self_attended(image)
        return _latent(self.depth_neck(features)), attention

    def mask_attention(self, mask: Float[Tensor, "batch 1 side side"]) -> list[Tensor]:
        """Attention maps from a hand mask, in place of those of ``encode_depth``; 1 where there is no tap."""
        reductions, taps = REDUCTIONS[: self.config.rgb.stages], self.config.attention_taps
        maps = [mask_attention(mask, (mask.shape[-2] // r, mask.shape[-1] // r)) for r in reductions]
        return [m if stage in taps else torch.ones_like(m) for stage, m in enumerate(maps, 1)]

    def second_pass(self, rgb: Tensor, first: Prediction) -> tuple[Prediction, Prediction, list[Tensor]]:
        """Fused and depth-only predictions with the depth that the first pass predicted (section 3.4).

        The predicted closeness is masked by the predicted hand and cut from the graph.

        Returns:
            The fused prediction, the depth branch's prediction, and the attention maps.
        """
        latent, attention = self.encode_depth(self.predicted_depth(first))
        return self.fused(rgb, attention), self.decode(latent), attention

    def predicted_depth(self, prediction: Prediction) -> Float[Tensor, "batch 1 side side"]:
        """A prediction's closeness on its hand mask at input size, as the depth encoder takes it."""
        side = self.config.image_size
        on_hand = (prediction.mask_logits.detach() > 0).float()
        depth = prediction.depth.detach().clamp(0.0, 1.0) * on_hand
        return functional.interpolate(depth, size=(side, side), mode="bilinear", align_corners=False)

    def embed(self, pooled: Float[Tensor, "batch width"], modality: str = "rgb") -> Float[Tensor, "batch dims"]:
        """Unit vectors of a latent of ``rgb``, ``depth`` or ``fused``; the modality counts where projectors differ."""
        own = modality in self.other_projectors
        return functional.normalize((self.other_projectors[modality] if own else self.projector)(pooled), dim=-1)

    def decode(self, latent: Latent) -> Prediction:
        """All outputs from the latent of any modality; the embedding is that of the RGB projector."""
        heatmaps, depth_maps, mask_logits, depth = self.decoder(latent.laterals)
        joints_uv, joints_depth, confidence = read_out(heatmaps, depth_maps)
        return Prediction(
            joints_uv=joints_uv,
            joints_depth=joints_depth,
            heatmap_logits=heatmaps,
            confidence=confidence,
            mask_logits=mask_logits,
            depth=depth,
            embedding=self.embed(latent.pooled),
            handedness_logit=self.handedness(latent.pooled)[:, 0],
        )


def _projector(config: NetworkConfig) -> nn.Sequential:
    return nn.Sequential(nn.Linear(config.decoder_width, 256), nn.ReLU(), nn.Linear(256, config.embedding_dims))


def _latent(laterals: list[Tensor]) -> Latent:
    return Latent(laterals, functional.relu(laterals[-1]).mean((2, 3)))


def network_dict(config: NetworkConfig) -> dict[str, Any]:
    """The config as plain values for a checkpoint; weight files of the encoders are dropped, it holds the weights."""
    plain = asdict(config)
    for encoder in ("rgb", "depth"):
        plain[encoder]["weights"] = ""
    return plain


def network_from_dict(plain: dict[str, Any]) -> DualModalityNet:
    """The network of ``network_dict``, with random weights.

    Raises:
        ValueError: when keys are missing or unknown.
    """
    try:
        encoders = {name: EncoderConfig(**plain[name]) for name in ("rgb", "depth")}
        return DualModalityNet(NetworkConfig(**{**FIRST_RELEASE, **plain, **encoders}))
    except (KeyError, TypeError) as error:
        raise ValueError(f"the checkpoint's network config does not fit this version: {error}") from error
