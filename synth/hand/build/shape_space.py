"""The shape space: the first coefficient is size alone, the others principal components of what is left."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from synth.common.conventions import FINGERS, MANO_JOINT_NAMES
from synth.hand.arrays import NUM_BETAS
from synth.hand.build.cut import Hands
from synth.hand.build.proportions import WRIST_M
from synth.hand.build.rest_pose import TIP_FINGERS

LENGTH_M = 0.187
"""Wrist joint to middle fingertip of the mean hand."""
SIZE_PER_BETA = 0.07
CHILD_WEIGHT = 0.35


@dataclass(frozen=True, eq=False)
class ShapeSpace:
    """The mean hand and its variation.

    Attributes:
        v_template: Metres.
        shapedirs: Metres for each unit (one standard deviation) of a coefficient.
        hands: The hands that it was made of, all of one length.
        tip_vertex_ids: The vertices at the fingertips, thumb to little finger.
    """

    v_template: Float[np.ndarray, "verts 3"]
    shapedirs: Float[np.ndarray, "verts 3 10"]
    hands: Hands
    tip_vertex_ids: Int[np.ndarray, "5"]


def shape_space(hands: Hands) -> ShapeSpace:
    """Mean and components of hands at rest, size taken out first.

    Plain principal components would spend 97 % of their variance on size and leave nothing for form.
    """
    same = of_one_length(hands)
    weights = np.where(hands.is_adult, 1.0, CHILD_WEIGHT)
    mean = np.einsum("n,nvk->vk", weights, same.verts) / weights.sum()
    centred = ((same.verts - mean) * np.sqrt(weights)[:, None, None]).reshape(len(weights), -1)
    _, spread, components = np.linalg.svd(centred, full_matrices=False)
    sigma = spread / np.sqrt(weights.sum() - 1)
    form = (components * sigma[:, None])[: NUM_BETAS - 1].reshape(NUM_BETAS - 1, *mean.shape)
    size = SIZE_PER_BETA * (mean - WRIST_M)
    shapedirs = np.concatenate([size[None], form]).transpose(1, 2, 0)
    return ShapeSpace(mean, shapedirs, same, _tip_vertices(same, mean))


def of_one_length(hands: Hands) -> Hands:
    """The hands scaled about the wrist to ``LENGTH_M``."""
    tips = hands.tips[:, TIP_FINGERS.index("middle")]
    factor = (LENGTH_M / np.linalg.norm(tips - hands.joints[:, 0], axis=1))[:, None, None]
    return hands.moved(*((points - WRIST_M) * factor + WRIST_M for points in (hands.verts, hands.joints, hands.tips)))


def _tip_vertices(hands: Hands, mean: np.ndarray) -> Int[np.ndarray, "5"]:
    """Of the vertices that move with the last joint, the nearest to where its bone ends."""
    ids = []
    for finger in FINGERS:
        end = hands.tips[:, TIP_FINGERS.index(finger)].mean(0)
        own = hands.weights[:, MANO_JOINT_NAMES.index(f"{finger}3")] >= 0.9
        ids.append(np.where(own, np.linalg.norm(mean - end, axis=1), np.inf).argmin())
    return np.array(ids)
