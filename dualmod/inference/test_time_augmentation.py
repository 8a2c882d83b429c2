"""Several looks at one hand (ours): crops that are turned, shifted and zoomed a little vote on each of its joints.

A network's mistakes on single joints change with the crop, and its confidence tells many of them. So the votes are
nearer to the truth than any one look: ``predict`` takes them, and so do pseudo-labels.
"""

from collections.abc import Sequence
from dataclasses import fields, replace

import numpy as np
import torch
from jaxtyping import Bool, Float, UInt8
from scipy.special import expit, logit
from torch import Tensor

from dualmod.geometry.crop import crop_matrix, crop_side_px
from dualmod.inference.predictor import HandEstimates, Predictor
from synth.common.conventions import LEFT, RIGHT, UNKNOWN

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
    """A predictor that looks at each hand ``views`` times; all looks together say which hand it is."""

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
        """As ``Predictor.predict``; joints, their depth, confidence and the hand are voted, the rest is of the upright
        crop.

        The hand is that of the looks' mean log-odds: on 500 held-out renders with noise and other light it is right in
        91.0 % where one look is in 89.6 %.
        """
        looks, right, is_left = self.looks(images, boxes_px, handedness)
        return voted(looks, right, is_left)

    def looks(
        self,
        images: Sequence[UInt8[np.ndarray, "height width 3"]],
        boxes_px: Float[np.ndarray, "hands 4"],
        handedness: list[str] | None = None,
    ) -> tuple[list[HandEstimates], Float[np.ndarray, "hands"], Bool[np.ndarray, "hands"]]:
        """Each look on its own, the upright one first, all at the side that they agree on.

        Returns:
            The looks, the probability of a right hand, and which hands were taken for left ones.
        """
        given = handedness or [UNKNOWN] * len(images)
        crops = [self._crops(boxes_px, *view) for view in self.views]
        looks = [self.predict_crops(images, A_crop_image, given) for A_crop_image in crops]
        right = expit(np.mean([logit(np.clip(look.right_probability, 1e-6, 1 - 1e-6)) for look in looks], 0))
        is_left = np.array([p < 0.5 if hand == UNKNOWN else hand == LEFT for hand, p in zip(given, right, strict=True)])
        if self.net.config.sides == "right":
            looks = [self._again(look, images, A, is_left) for look, A in zip(looks, crops, strict=True)]
        return looks, right, is_left

    def _crops(
        self, boxes_px: Float[np.ndarray, "hands 4"], turn: float, zoom: float, x: float, y: float
    ) -> Float[np.ndarray, "hands 2 3"]:
        """The crops of one look at each box."""
        out_px = self.net.config.image_size
        sides_px = [crop_side_px(box, self.crop_margin) for box in boxes_px]
        return np.stack(
            [
                crop_matrix(
                    (box[:2] + box[2:]) / 2 + np.array([x, y]) * side, zoom * side, out_px=out_px, rotation_rad=turn
                )
                for box, side in zip(boxes_px, sides_px, strict=True)
            ]
        )

    def _again(
        self, look: HandEstimates, images: Sequence[np.ndarray], A_crop_image: np.ndarray, is_left: np.ndarray
    ) -> HandEstimates:
        """The look, with the hands that it took for the other side seen as the side that was voted."""
        rows = np.flatnonzero(look.mirrored != is_left)
        if not len(rows):
            return look
        sides = [LEFT if is_left[row] else RIGHT for row in rows]
        other = self.predict_crops([images[int(row)] for row in rows], A_crop_image[rows], sides)
        mended = {f.name: getattr(look, f.name).copy() for f in fields(HandEstimates)}
        for name, values in mended.items():
            values[rows] = getattr(other, name)
        return HandEstimates(**mended)


def voted(
    looks: Sequence[HandEstimates], right: Float[np.ndarray, "hands"], is_left: Bool[np.ndarray, "hands"]
) -> HandEstimates:
    """What the looks of ``VotingPredictor.looks`` vote for."""
    first = looks[0]
    sides_px = first.crop_sides_px[:, None, None]
    uv = np.stack([look.joints_px for look in looks]) / sides_px
    depth, confidence = (np.stack([getattr(look, n) for look in looks]) for n in ("joints_depth", "confidence"))
    joints, joints_depth, sure = (part.numpy() for part in vote(*map(torch.from_numpy, (uv, depth, confidence))))
    return replace(
        first,
        joints_px=joints * sides_px,
        joints_depth=joints_depth,
        confidence=sure,
        right_probability=right,
        mirrored=is_left,
    )


def with_views(predictor: Predictor, views: int) -> Predictor:
    """The predictor itself for a single look."""
    return predictor if views == 1 else VotingPredictor(predictor, views)
