"""Cuts the hand off behind the wrist and closes it, and brings SOMA's bones down to MANO's joints."""

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy.sparse.csgraph import connected_components

from synth.common.conventions import MANO_JOINT_NAMES
from synth.hand.build.meshes import adjacency, open_edge
from synth.hand.build.sources import FOREARM, HAND, Bodies

CUT_M = 0.040
"""Distance of the cut behind the wrist joint on the mean hand."""
INNER_RING = 0.6
"""Size of the ring inside the cap."""
INNER_RING_DEPTH_M, CENTRE_DEPTH_M = 0.003, 0.0045
LEVEL_M = 0.001
_LAST = {"index": "Index", "middle": "Middle", "little": "Pinky", "ring": "Ring", "thumb": "Thumb"}


@dataclass(frozen=True, eq=False)
class Hands:
    """Closed hands with MANO's joints, one mesh on many bodies.

    Attributes:
        verts: Metres.
        joints: MANO's order, metres.
        tips: Where the last bones end, index, middle, little, ring, thumb (the order of their joints), metres.
        weights: Skinning weights.
        faces: Triangles, counter-clockwise seen from outside, those of the cap last.
        num_skin_faces: Triangles before the cap's.
        pinned: The ring of the cut and the cap: nothing may smooth them.
        base_ids: Each vertex in MakeHuman's base mesh, -1 for the cap.
        is_adult: Bodies that are grown up.
    """

    verts: Float[np.ndarray, "bodies verts 3"]
    joints: Float[np.ndarray, "bodies 16 3"]
    tips: Float[np.ndarray, "bodies 5 3"]
    weights: Float[np.ndarray, "verts 16"]
    faces: Int[np.ndarray, "faces 3"]
    num_skin_faces: int
    pinned: Bool[np.ndarray, "verts"]
    base_ids: Int[np.ndarray, "verts"]
    is_adult: Bool[np.ndarray, "bodies"]

    def moved(self, verts: np.ndarray, joints: np.ndarray, tips: np.ndarray) -> "Hands":
        """The same hands elsewhere."""
        return replace(self, verts=verts, joints=joints, tips=tips)


def cut_hands(bodies: Bodies) -> Hands:
    """Right hands with a flat cap behind the wrist.

    Raises:
        ValueError: when the piece that is cut out is not one mesh with one open edge.
    """
    bones = {name.removeprefix(HAND): i for i, name in enumerate(bodies.bone_names)}
    joints = bodies.bone_heads[:, [bones[_bone(name)] for name in MANO_JOINT_NAMES]]
    tips = bodies.bone_heads[:, [bones[f"{finger}End"] for finger in _LAST.values()]]
    arm = bodies.bone_heads[:, bones[""]] - bodies.bone_heads[:, bones[FOREARM]]
    kept = _before_the_cut(bodies, joints[:, 0], arm)
    place = np.full(len(bodies.weights), -1)
    place[kept] = np.arange(len(kept))
    faces = place[bodies.faces]
    faces = faces[(faces >= 0).all(1)]
    ring = open_edge(faces)
    verts, cap = _capped(bodies.verts[:, kept], ring, wrists=joints[:, 0], arm=_unit(arm))
    added = verts.shape[1] - len(kept)
    weights = np.concatenate([merged_weights(bodies.weights[kept], bones), np.eye(16)[[0] * added]])
    pinned = np.arange(len(weights)) >= len(kept)
    pinned[ring] = True
    return Hands(
        verts=verts,
        joints=joints,
        tips=tips,
        weights=weights,
        faces=np.concatenate([faces, cap]),
        num_skin_faces=len(faces),
        pinned=pinned,
        base_ids=np.concatenate([bodies.base_ids[kept], np.full(added, -1)]),
        is_adult=bodies.ages > 0.62,
    )


def merged_weights(weights: Float[np.ndarray, "verts bones"], bones: dict[str, int]) -> Float[np.ndarray, "verts 16"]:
    """SOMA's weights added up by MANO's joints: metacarpals and forearm to the wrist, ends to the last joints."""
    joint_of = dict.fromkeys(bones, 0)
    joint_of |= {_bone(name): joint for joint, name in enumerate(MANO_JOINT_NAMES)}
    joint_of |= {f"{bone}End": MANO_JOINT_NAMES.index(f"{finger}3") for finger, bone in _LAST.items()}
    merged = np.zeros((len(weights), 16))
    for bone, column in bones.items():
        merged[:, joint_of[bone]] += weights[:, column]
    return merged / merged.sum(1, keepdims=True)


def _bone(joint: str) -> str:
    """SOMA's bone that starts at a joint of MANO's: fingers count from the metacarpal, the thumb does not."""
    if joint == "wrist":
        return ""
    finger, segment = joint[:-1], int(joint[-1])
    return f"{_LAST[finger]}{segment if finger == 'thumb' else segment + 1}"


def _before_the_cut(bodies: Bodies, wrists: np.ndarray, arm: np.ndarray) -> Int[np.ndarray, "verts"]:
    """The vertices of the largest piece in front of the cut, judged on the mean hand."""
    direction = _unit(wrists.mean(0) - (wrists - arm).mean(0))
    in_front = (bodies.verts.mean(0) - wrists.mean(0)) @ direction > -CUT_M
    faces = bodies.faces[in_front[bodies.faces].all(1)]
    piece = connected_components(adjacency(faces, len(in_front)), directed=False)[1]
    return np.flatnonzero(piece == np.bincount(piece).argmax())


def _capped(
    verts: np.ndarray, ring: np.ndarray, *, wrists: np.ndarray, arm: np.ndarray
) -> tuple[np.ndarray, Int[np.ndarray, "faces 3"]]:
    """Vertices with the ring laid into one plane, an inner ring and a centre; and the triangles of the cap."""
    verts = verts.copy()
    height = np.einsum("nrk,nk->nr", verts[:, ring] - wrists[:, None], arm)
    level = height.min(1, keepdims=True) - LEVEL_M
    verts[:, ring] += arm[:, None] * (level - height)[..., None]
    middle = verts[:, ring].mean(1, keepdims=True)
    inner = middle + INNER_RING * (verts[:, ring] - middle) - arm[:, None] * INNER_RING_DEPTH_M
    centre = middle - arm[:, None] * CENTRE_DEPTH_M
    first, count = verts.shape[1], len(ring)
    cap = []
    for i in range(count):
        a, b = ring[i], ring[(i + 1) % count]
        inner_a, inner_b = first + i, first + (i + 1) % count
        cap += [(a, b, inner_b), (a, inner_b, inner_a), (inner_a, inner_b, first + count)]
    return np.concatenate([verts, inner, centre], axis=1), np.array(cap)


def _unit(vectors: np.ndarray) -> np.ndarray:
    return vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)
