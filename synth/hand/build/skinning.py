"""Linear blend skinning about MANO's 16 joints, with the blended transforms at hand."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from synth.common.conventions import MANO_PARENTS


@dataclass(frozen=True, eq=False)
class SkinnedHand:
    """A posed hand.

    Attributes:
        verts: Metres.
        joints: 16 joints, metres.
        turns: What each vertex is multiplied with (a blend of rotations), before ``shifts`` is added.
        shifts: Metres.
    """

    verts: Float[np.ndarray, "verts 3"]
    joints: Float[np.ndarray, "16 3"]
    turns: Float[np.ndarray, "verts 3 3"]
    shifts: Float[np.ndarray, "verts 3"]


def global_turns(local: Float[np.ndarray, "16 3 3"]) -> Float[np.ndarray, "16 3 3"]:
    """Rotation of each joint against the world, of rotations against its parent."""
    turns = local.copy()
    for joint in range(1, 16):
        turns[joint] = turns[MANO_PARENTS[joint]] @ local[joint]
    return turns


def skin(
    verts: Float[np.ndarray, "verts 3"],
    joints: Float[np.ndarray, "16 3"],
    weights: Float[np.ndarray, "verts 16"],
    turns: Float[np.ndarray, "16 3 3"],
) -> SkinnedHand:
    """The hand with each joint turned by ``turns`` (against the world); the wrist stays where it is."""
    posed = joints.copy()
    for joint in range(1, 16):
        parent = MANO_PARENTS[joint]
        posed[joint] = posed[parent] + turns[parent] @ (joints[joint] - joints[parent])
    shifts = posed - np.einsum("jab,jb->ja", turns, joints)
    blended = np.einsum("vj,jab->vab", weights, turns)
    blended_shifts = weights @ shifts
    moved = np.einsum("vab,vb->va", blended, verts) + blended_shifts
    return SkinnedHand(moved, posed, blended, blended_shifts)
