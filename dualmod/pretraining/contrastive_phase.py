"""A first phase of contrast alone, before the supervised one: PeCLR, HandCLR, and plain SimCLR as their control.

It takes the first ``share`` of the run's steps; the rest is supervised fine-tuning. Each has a schedule of the learning
rate of its own; the optimizer goes on through both.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from dualmod.data.contrast_views import ContrastView
from dualmod.losses.equivariance import undo_geometry
from dualmod.losses.pair_weights import pose_weights
from dualmod.losses.weighted_nt_xent import weighted_nt_xent
from dualmod.network.model import DualModalityNet
from dualmod.training.grad_cache import Gather, unchanged
from synth.common.config import check, option

POSITIVES = ("self", "similar")


@dataclass
class ContrastPhaseConfig:
    """Contrast of RGB views without supervision in the first steps."""

    share: float = option(0.0, "share of the steps that contrast views before supervision starts; 0: none")
    batch_size: int = option(128, "pairs in a step of this phase: a contrastive loss needs many negatives")
    positives: str = option("self", "self: two views of one image; similar: of two images of similar hands")
    undo_geometry: bool = option(True, "take turn and shift back in the embedding (PeCLR); false is SimCLR")
    pose_weights: bool = option(False, "weigh pairs by the distance of their poses (HandCLR)")
    temperature: float = option(0.5, "temperature of NT-Xent")
    turn_rad: float = option(0.785, "largest turn of a view either way, radians")
    shift: float = option(0.12, "largest shift of a view either way, crop sides")
    photo_share: float = option(0.0, "share of the pairs that come from photos instead of renders")
    photos: str = option("", "folder of unlabelled photos, or names of real sets (their adapt rows) with commas")
    photo_root: str = option("", "folder that holds the real sets named in photos")
    pose_checkpoint: str = option("", "model.safetensors that predicts the photos' poses, where poses are needed")

    def __post_init__(self) -> None:
        check(0 <= self.share < 1, "method.phase.share", self.share, "0 or more and below 1: the rest is supervised")
        check(0 <= self.photo_share <= 1, "method.phase.photo_share", self.photo_share, "0 to 1")
        check(self.batch_size > 1, "method.phase.batch_size", self.batch_size, "2 or more")
        known = self.positives in POSITIVES
        check(known, "method.phase.positives", self.positives, f"one of {', '.join(POSITIVES)}")
        check(self.temperature > 0, "method.phase.temperature", self.temperature, "positive")
        check(self.turn_rad >= 0, "method.phase.turn_rad", self.turn_rad, "0 or more")
        check(0 <= self.shift <= 0.5, "method.phase.shift", self.shift, "0 to 0.5")
        if self.share > 0 and self.photo_share > 0:
            check(self.photos != "", "method.phase.photos", "", "a folder of photos when method.phase.photo_share > 0")
            known = not self.needs_poses or self.pose_checkpoint != ""
            check(known, "method.phase.pose_checkpoint", "", "a checkpoint when photos need poses")

    @property
    def needs_poses(self) -> bool:
        """Whether positives or weights come from poses."""
        return self.positives == "similar" or self.pose_weights

    def steps(self, max_steps: int) -> int:
        """Number of first steps that are this phase's."""
        return round(self.share * max_steps)

    def rows(self) -> tuple[int, int]:
        """Pairs of a step from renders, and from photos."""
        photos = round(self.photo_share * self.batch_size)
        return self.batch_size - photos, photos


def contrast_objective(
    net: DualModalityNet,
    first: ContrastView,
    second: ContrastView,
    config: ContrastPhaseConfig,
    *,
    gather: Gather = unchanged,
) -> dict[str, Tensor]:
    """The loss of one step by name: RGB encoder and projector learn, nothing else.

    Both views run through the encoder in one batch.

    Args:
        net: The network in training mode.
        first: One view of each row.
        second: Its positive.
        config: What counts.
        gather: Takes rows of this batch to those of the whole one, where that is split.
    """
    pooled = net.encode_rgb(torch.cat([first.rgb, second.rgb])).pooled
    embedding = net.embed(pooled)
    if config.undo_geometry:
        turns, shifts = torch.cat([first.turn_rad, second.turn_rad]), torch.cat([first.shift, second.shift])
        embedding = undo_geometry(embedding, turns, shifts)
    weights = (None, None)
    if config.pose_weights:
        weights = pose_weights(gather(first.joints_uv), gather(second.joints_uv))
    count = len(first)
    loss = weighted_nt_xent(
        gather(embedding[:count]),
        gather(embedding[count:]),
        temperature=config.temperature,
        positive_weight=weights[0],
        negative_weight=weights[1],
    )
    return {"contrast_views": loss}
