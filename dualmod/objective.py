"""The pre-training objective: which passes run on a pair of views, and the losses on them."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from dualmod.data.batch import HandBatch
from dualmod.losses.nt_xent import nt_xent
from dualmod.losses.supervision import SupervisionConfig, supervision_loss
from dualmod.network.model import DualModalityNet, Latent
from dualmod.prediction import Prediction
from dualmod.whole_batch import Gather, unchanged
from synth.config import check, option


@dataclass
class MethodConfig:
    """Which modalities are trained, and how they are tied together."""

    depth_branch: bool = option(True, "supervise the depth branch, M(y_D)")
    fused_branch: bool = option(True, "supervise the attention-fused branch, M(y_F); needs depth_branch")
    contrast_weight: float = option(0.1, "weight of the contrastive terms as batch means, lambda_c")
    temperature: float = option(0.5, "temperature of NT-Xent")
    handedness_weight: float = option(0.5, "weight of the handedness output")
    mirrored_share: float = option(0.5, "mirrored images added for handedness, as a share of the batch")
    supervision: SupervisionConfig = option(SupervisionConfig(), "weights of pose, mask and depth")

    def __post_init__(self) -> None:
        check(self.contrast_weight >= 0, "method.contrast_weight", self.contrast_weight, "0 or more")
        check(self.temperature > 0, "method.temperature", self.temperature, "positive")
        check(self.handedness_weight >= 0, "method.handedness_weight", self.handedness_weight, "0 or more")
        check(0 < self.mirrored_share <= 1, "method.mirrored_share", self.mirrored_share, "in (0, 1]")
        check(
            self.depth_branch or not self.fused_branch,
            "method.fused_branch", self.fused_branch, "false when method.depth_branch=false",
        )  # fmt: skip


def objective(
    net: DualModalityNet, view: HandBatch, view_plus: HandBatch, config: MethodConfig, *, gather: Gather = unchanged
) -> dict[str, Tensor]:
    """The weighted losses of one step by name (Lin et al. 2023, Eq. 7): their sum is what is minimised.

    All latents of a modality run through its encoder in one batch, and all modalities through the decoder in one:
    batch normalisation then sees in training the mixture whose statistics it keeps.

    Args:
        net: The network in training mode.
        view: x and its depth, with labels.
        view_plus: x+ and its depth: the same crops under another texture.
        config: Branches and weights.
        gather: Takes rows of this batch to those of the whole one; contrastive terms compare the latter.
    """
    pair = [view, view_plus]
    count = len(view)
    rgb = torch.cat([b.rgb for b in pair])
    latents: dict[str, Latent] = {}
    rgb_inputs, attention = [rgb], None
    if config.depth_branch:
        latents["depth"], attention = net.encode_depth(torch.cat([b.depth for b in pair]))
    if config.fused_branch:
        rgb_inputs.append(rgb)
    mirrored = mirrored_rows(view.rgb, config.mirrored_share)
    rgb_inputs.append(mirrored)
    encoded = net.encode_rgb(torch.cat(rgb_inputs), _attention(attention, config, 2 * count, len(mirrored)))
    latents["rgb"] = _rows(encoded, slice(0, 2 * count))
    if config.fused_branch:
        latents["fused"] = _rows(encoded, slice(2 * count, 4 * count))
    names = list(latents)
    decoded = net.decode(Latent.cat(list(latents.values())))
    predictions = {n: decoded[slice(2 * count * k, 2 * count * (k + 1))] for k, n in enumerate(names)}
    # The second view's depth is an input with sensor noise; the target of both views is the clean one.
    labels = _cat(view, view)
    losses = {f"supervision_{n}": supervision_loss(p, labels, config.supervision) for n, p in predictions.items()}
    if config.contrast_weight > 0:
        losses |= _contrast(predictions, count, config, gather)
    left_logits = net.handedness(encoded.pooled[-len(mirrored) :])[:, 0]
    right_logits = predictions["rgb"].handedness_logit
    # Each hand counts half, however few of the images are mirrored: softplus is the binary cross-entropy.
    handedness = (functional.softplus(-right_logits).mean() + functional.softplus(left_logits).mean()) / 2
    return losses | {"handedness": config.handedness_weight * handedness}


def mirrored_rows(rgb: Float[Tensor, "batch 3 side side"], share: float) -> Float[Tensor, "mirrored 3 side side"]:
    """The first ``share`` of the images mirrored: left hands for the handedness output."""
    return rgb[: max(1, round(share * len(rgb)))].flip(-1)


def _contrast(
    predictions: dict[str, Prediction], count: int, config: MethodConfig, gather: Gather
) -> dict[str, Tensor]:
    """eta(R, R+) + eta(D, D+) + eta(R, F) + eta(R+, F+), Eq. 4 and 5, as far as the branches are there."""
    first = {name: gather(p.embedding[:count]) for name, p in predictions.items()}
    plus = {name: gather(p.embedding[count:]) for name, p in predictions.items()}
    pairs = {"rgb_rgb": (first["rgb"], plus["rgb"])}
    if "depth" in predictions:
        pairs["depth_depth"] = (first["depth"], plus["depth"])
    if "fused" in predictions:
        pairs["rgb_fused"] = (first["rgb"], first["fused"])
        pairs["rgb_fused_plus"] = (plus["rgb"], plus["fused"])
    return {
        f"contrast_{name}": config.contrast_weight * nt_xent(a, b, temperature=config.temperature)
        for name, (a, b) in pairs.items()
    }


def _attention(attention: list[Tensor] | None, config: MethodConfig, plain: int, mirrored: int) -> list[Tensor] | None:
    """Weights for the joint RGB batch: 1 for the plain and the mirrored rows, the depth branch's for the fused."""
    if attention is None or not config.fused_branch:
        return None
    return [torch.cat([w.new_ones(plain, *w.shape[1:]), w, w.new_ones(mirrored, *w.shape[1:])]) for w in attention]


def _rows(latent: Latent, rows: slice) -> Latent:
    return Latent([m[rows] for m in latent.laterals], latent.pooled[rows])


def _cat(a: HandBatch, b: HandBatch) -> HandBatch:
    return HandBatch(**{name: torch.cat([getattr(a, name), getattr(b, name)]) for name in vars(a)})
