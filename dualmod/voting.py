"""Several looks at one hand (ours): crops that are turned, shifted and zoomed a little vote on each of its joints.

A network's mistakes on single joints change with the crop, and its confidence tells many of them. So the votes are
nearer to the truth than any one look: ``predict`` takes them, and so do pseudo-labels (``distill.pseudo_labels``).
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from dualmod.data.crop import crop_matrix
from dualmod.predictor import HandEstimates, Predictor
from synth.conventions import LEFT, RIGHT

VOTE_RADIUS, VOTE_POWER = 0.05, 3
"""Standard deviation of a vote in crop sides, and the power of confidence that it weighs by, as measured on a simulated
target with labels (docs/adaptation.md); from half to twice this radius makes no difference there."""
PHOTO_VIEWS = 5
"""Looks at each hand of a photo, if the user says nothing."""
VIEWS = (
    (0.0, 1.0, 0.0, 0.0),
    (0.2, 1.1, 0.04, 0.0),
    (-0.2, 0.9, -0.04, 0.0),
    (0.1, 0.95, 0.0, 0.05),
    (-0.1, 1.05, 0.0, -0.05),
    (0.35, 1.0, -0.03, -0.03),
    (-0.35, 1.0, 0.03, 0.03),
    (0.05, 1.15, -0.05, 0.03),
    (-0.05, 0.88, 0.05, -0.03),
)
"""Turn in radians, zoom of the crop's side, and shift of its centre along x and y in sides."""


def vote(
    uv: Float[Tensor, "views batch 21 2"],
    depth: Float[Tensor, "views batch 21"],
    confidence: Float[Tensor, "views batch 21"],
) -> tuple[Float[Tensor, "batch 21 2"], Float[Tensor, "batch 21"], Float[Tensor, "batch 21"]]:
    """Each joint where most of the confidence of the views lies, and their mean confidence.

    Views weigh by the cube of their confidence. From the place of the view that has most weight about it, within
    ``VOTE_RADIUS``, one step of mean shift (Comaniciu and Meer 2002, Eq. 20) averages the places near it. Of three
    views against two on which finger it is, the three decide, where a mean would lie between the fingers.

    Args:
        uv: Places in crop sides, all in one frame.
        depth: Behind the root in reference-bone lengths.
        confidence: In (0, 1].
    """
    uv, depth, confidence = uv.movedim(0, 2), depth.movedim(0, 2), confidence.movedim(0, 2)
    nearness = torch.exp(-torch.cdist(uv, uv).square() / (2 * VOTE_RADIUS**2))
    weight = confidence**VOTE_POWER
    winner = (nearness * weight[..., None, :]).sum(-1).argmax(-1, keepdim=True)
    share = weight * nearness.take_along_dim(winner[..., None], 2)[..., 0, :]
    share = share / share.sum(-1, keepdim=True).clamp_min(1e-12)
    return (uv * share[..., None]).sum(2), (depth * share).sum(2), confidence.mean(2)


class VotingPredictor(Predictor):
    """A predictor that looks at each hand ``views`` times; the first look says which hand it is."""

    def __init__(self, predictor: Predictor, views: int):
        super().__init__(
            predictor.net, predictor.device, crop_margin=predictor.crop_margin, batch_size=predictor.batch_size
        )
        self.views = VIEWS[:views]

    def predict(
        self,
        images: Sequence[UInt8[np.ndarray, "height width 3"]],
        boxes_px: Float[np.ndarray, "hands 4"],
        handedness: list[str] | None = None,
    ) -> HandEstimates:
        """As ``Predictor.predict``; joints, their depth and confidence are voted, the rest is of the upright crop."""
        first = super().predict(images, boxes_px, handedness)
        sides_px = first.crop_sides_px[:, None, None]
        known = [LEFT if mirrored else RIGHT for mirrored in first.mirrored]
        looks = [first]
        for turn, zoom, x, y in self.views[1:]:
            centres = (boxes_px[:, :2] + boxes_px[:, 2:]) / 2 + np.array([x, y]) * sides_px[:, 0]
            out_px = self.net.config.image_size
            matrices = [
                crop_matrix(centre, zoom * side, out_px=out_px, rotation_rad=turn)
                for centre, side in zip(centres, first.crop_sides_px, strict=True)
            ]
            looks.append(self.predict_crops(images, np.stack(matrices), known))
        uv = np.stack([look.joints_px for look in looks]) / sides_px
        depth, confidence = (np.stack([getattr(look, n) for look in looks]) for n in ("joints_depth", "confidence"))
        voted = [part.numpy() for part in vote(*map(torch.from_numpy, (uv, depth, confidence)))]
        return replace(first, joints_px=voted[0] * sides_px, joints_depth=voted[1], confidence=voted[2])


def with_views(predictor: Predictor, views: int) -> Predictor:
    """The predictor itself for a single look."""
    return predictor if views == 1 else VotingPredictor(predictor, views)
