"""The pre-training objective: which passes run on the views of a step, and the losses on them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from dualmod.data.batch import HandBatch
from dualmod.losses.alignment import feature_alignment
from dualmod.losses.nt_xent import nt_xent
from dualmod.losses.supervision import SupervisionConfig, supervision_loss
from dualmod.network.model import DualModalityNet, Latent
from dualmod.network.prediction import Prediction
from dualmod.network.train_eval_mode import evaluating
from dualmod.training.grad_cache import Gather, unchanged
from synth.common.config import check, option

PAIRS = {
    "rgb_rgb": ("rgb",),
    "depth_depth": ("depth",),
    "rgb_fused": ("rgb", "fused"),
    "rgb_depth": ("rgb", "depth"),
}
"""Contrastive terms by name, and the branches whose embeddings they draw together."""
ATTENTION = ("depth", "mask")
PLUS_DEPTH = ("sensor", "predicted")


@dataclass
class MethodConfig:
    """Which modalities are trained, and how they are tied together."""

    depth_branch: bool = option(True, "run the depth branch and supervise it, M(y_D)")
    fused_branch: bool = option(True, "run the attention-fused branch and supervise it, M(y_F)")
    rgb_supervision: float = option(1.0, "weight of M(y_R)")
    depth_supervision: float = option(1.0, "weight of M(y_D)")
    fused_supervision: float = option(1.0, "weight of M(y_F)")
    attention: str = option("depth", "what weighs the fused branch: depth features, or as a control the true mask")
    plus_depth: str = option("sensor", "depth of the second view: sensor (true, with faults) or predicted from its RGB")
    contrast: list[str] = option(["rgb_rgb", "depth_depth", "rgb_fused"], f"contrastive terms: {', '.join(PAIRS)}")
    contrast_weight: float = option(0.1, "weight of the contrastive terms as batch means, lambda_c")
    temperature: float = option(0.5, "temperature of NT-Xent")
    alignment_weight: float = option(0.0, "weight of the l1 difference between RGB and depth features")
    handedness_weight: float = option(0.5, "weight of the handedness output")
    mirrored_share: float = option(
        0.125, "network.sides=right: mirrored images added for handedness, as a share of the batch"
    )
    supervision: SupervisionConfig = option(SupervisionConfig(), "weights of pose, mask and depth")

    def __post_init__(self) -> None:
        weights = ("contrast_weight", "alignment_weight", "handedness_weight")
        for key in (*weights, "rgb_supervision", "depth_supervision", "fused_supervision"):
            check(getattr(self, key) >= 0, f"method.{key}", getattr(self, key), "0 or more")
        check(self.temperature > 0, "method.temperature", self.temperature, "positive")
        check(0 < self.mirrored_share <= 1, "method.mirrored_share", self.mirrored_share, "in (0, 1]")
        for key, legal in (("attention", ATTENTION), ("plus_depth", PLUS_DEPTH)):
            check(getattr(self, key) in legal, f"method.{key}", getattr(self, key), f"one of {', '.join(legal)}")
        for name in self.contrast:
            check(name in PAIRS, "method.contrast", name, f"a list of {', '.join(PAIRS)}")
        self._check_branches()

    def _check_branches(self) -> None:
        """Every term has the branches that it needs."""
        without = "when method.depth_branch=false"
        given = self.depth_branch or self.attention == "mask"
        check(given or not self.fused_branch, "method.fused_branch", self.fused_branch, f"false {without}")
        check(self.depth_branch or not self.alignment_weight, "method.alignment_weight", self.alignment_weight,
              f"0 {without}")  # fmt: skip
        given = self.plus_depth == "sensor" or (self.depth_branch and len(self.contrast_terms) > 0)
        check(given, "method.plus_depth", self.plus_depth,
              "sensor without a depth branch and contrastive terms: there is no second view")  # fmt: skip
        branches = {"rgb": True, "depth": self.depth_branch, "fused": self.fused_branch}
        for name in self.contrast_terms:
            missing = next((branch for branch in PAIRS[name] if not branches[branch]), None)
            check(missing is None, "method.contrast", name, f"without {name} when method.{missing}_branch=false")

    @property
    def contrast_terms(self) -> tuple[str, ...]:
        """The contrastive terms that count; only they need a second view of each sample."""
        return tuple(self.contrast) if self.contrast_weight > 0 else ()


@dataclass(frozen=True)
class Passes:
    """What the network made of all views; rows of the first view stand before those of the second.

    Attributes:
        latents: By branch: ``rgb``, and ``depth`` and ``fused`` where they run.
        predictions: By branch.
        labels: Of all rows.
        num_views: Views of each sample, 1 or 2.
        gather: Takes rows of one view to those of the whole batch, where that is split.
    """

    latents: dict[str, Latent]
    predictions: dict[str, Prediction]
    labels: HandBatch
    num_views: int = 2
    gather: Gather = unchanged

    def of_whole_batch(self, rows: Tensor) -> Tensor:
        """Rows of all views here to those of the whole batch, first views first."""
        return torch.cat([self.gather(view) for view in rows.chunk(self.num_views)])


Head = Callable[[Passes], dict[str, Tensor]]
"""Further losses on what the network made, by name."""


def objective(
    net: DualModalityNet,
    views: Sequence[HandBatch],
    config: MethodConfig,
    *heads: Head,
    gather: Gather = unchanged,
) -> dict[str, Tensor]:
    """The weighted losses of one step by name (Lin et al. 2023, Eq. 7): their sum is what is minimised.

    All latents of a modality run through its encoder in one batch, and all modalities through the decoder in one:
    batch normalisation then sees in training the mixture whose statistics it keeps.

    Args:
        net: The network in training mode. One of both sides sees every second sample as a left hand.
        views: One view of each sample or, where there are contrastive terms, x and x+: the same crops under two
            textures. The depth that a view senses is an input with faults; the target is always the exact one.
        config: Branches and weights.
        heads: Losses of other methods, added to these.
        gather: Takes rows of this batch to those of the whole one; contrastive terms compare the latter.
    """
    count, rows = len(views[0]), HandBatch.cat(views)
    is_left = (torch.arange(count, device=rows.rgb.device) % 2 == 1).repeat(len(views))
    if net.config.sides == "both":
        rows = rows.mirrored(is_left)
    latents: dict[str, Latent] = {}
    attention = None
    if config.depth_branch:
        latents["depth"], attention = net.encode_depth(_sensed(net, rows, count, config))
    if config.attention == "mask":
        attention = net.mask_attention(rows.mask)
    extra = rows.rgb[:0]
    if net.config.sides == "right" and config.handedness_weight > 0:
        extra = mirrored_rows(views[0].rgb, config.mirrored_share)
    inputs = [rows.rgb, *([rows.rgb] if config.fused_branch else []), extra]
    encoded = net.encode_rgb(torch.cat(inputs), _attention(attention, config, len(rows), len(extra)))
    latents["rgb"] = _rows(encoded, slice(0, len(rows)))
    if config.fused_branch:
        latents["fused"] = _rows(encoded, slice(len(rows), 2 * len(rows)))
    names = list(latents)
    decoded = net.decode(Latent.cat(list(latents.values())))
    predictions = {n: decoded[slice(len(rows) * k, len(rows) * (k + 1))] for k, n in enumerate(names)}
    if not net.config.shared_projector:
        predictions = {n: replace(p, embedding=net.embed(latents[n].pooled, n)) for n, p in predictions.items()}
    losses = _supervision(predictions, rows, config) | _contrast(predictions, count, config, gather)
    if config.alignment_weight > 0:
        aligned = feature_alignment(latents["rgb"].laterals, latents["depth"].laterals)
        losses["alignment"] = config.alignment_weight * aligned
    for head in heads:
        losses |= head(Passes(latents, predictions, rows, len(views), gather))
    if config.handedness_weight > 0:
        logits = predictions["rgb"].handedness_logit
        left = logits[is_left] if net.config.sides == "both" else net.handedness(encoded.pooled[-len(extra) :])[:, 0]
        right = logits[~is_left] if net.config.sides == "both" else logits
        losses["handedness"] = config.handedness_weight * handedness_loss(right, left)
    return losses


def handedness_loss(right_logits: Float[Tensor, "rights"], left_logits: Float[Tensor, "lefts"]) -> Float[Tensor, ""]:
    """Binary cross-entropy of the handedness output in which each hand counts half, however few images show it."""
    terms = [functional.softplus(signed).mean() for signed in (-right_logits, left_logits) if len(signed)]
    return torch.stack(terms).mean()


def mirrored_rows(rgb: Float[Tensor, "batch 3 side side"], share: float) -> Float[Tensor, "mirrored 3 side side"]:
    """The first ``share`` of the images mirrored: left hands for the handedness output."""
    return rgb[: max(1, round(share * len(rgb)))].flip(-1)


def _supervision(predictions: dict[str, Prediction], labels: HandBatch, config: MethodConfig) -> dict[str, Tensor]:
    """M(y_R), M(y_D) and M(y_F), Eq. 6, as far as the branches are there and count."""
    weights = {name: getattr(config, f"{name}_supervision") for name in predictions}
    return {
        f"supervision_{name}": weights[name] * supervision_loss(prediction, labels, config.supervision)
        for name, prediction in predictions.items()
        if weights[name] > 0
    }


def _contrast(
    predictions: dict[str, Prediction], count: int, config: MethodConfig, gather: Gather
) -> dict[str, Tensor]:
    """eta(R, R+) + eta(D, D+) + eta(R, F) + eta(R+, F+), Eq. 4 and 5; as a control eta(R, D) + eta(R+, D+)."""
    branches = sorted({branch for term in config.contrast_terms for branch in PAIRS[term]})
    first = {name: gather(predictions[name].embedding[:count]) for name in branches}
    plus = {name: gather(predictions[name].embedding[count:]) for name in branches}
    pairs: dict[str, tuple[Tensor, Tensor]] = {}
    for term in config.contrast_terms:
        one, other = PAIRS[term][0], PAIRS[term][-1]
        if one == other:
            pairs[term] = (first[one], plus[one])
        else:
            pairs[term] = (first[one], first[other])
            pairs[f"{term}_plus"] = (plus[one], plus[other])
    return {
        f"contrast_{name}": config.contrast_weight * nt_xent(a, b, temperature=config.temperature)
        for name, (a, b) in pairs.items()
    }


def _sensed(net: DualModalityNet, rows: HandBatch, count: int, config: MethodConfig) -> Tensor:
    """Depth that the depth encoder takes; that of the second view may be what the network predicts from its RGB."""
    if config.plus_depth == "sensor":
        return rows.sensed
    return torch.cat([rows.sensed[:count], _predicted_depth(net, rows.rgb[count:])])


@torch.no_grad()
def _predicted_depth(net: DualModalityNet, rgb: Tensor) -> Tensor:
    """Depth as the second pass of adaptation has it: predicted from RGB by the network as it is at test."""
    with evaluating(net):
        return net.predicted_depth(net(rgb))


def _attention(attention: list[Tensor] | None, config: MethodConfig, plain: int, mirrored: int) -> list[Tensor] | None:
    """Weights for the joint RGB batch: 1 for the plain and the mirrored rows, the depth branch's for the fused."""
    if attention is None or not config.fused_branch:
        return None
    return [torch.cat([w.new_ones(plain, *w.shape[1:]), w, w.new_ones(mirrored, *w.shape[1:])]) for w in attention]


def _rows(latent: Latent, rows: slice) -> Latent:
    return Latent([m[rows] for m in latent.laterals], latent.pooled[rows])
