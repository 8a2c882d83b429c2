"""Joint orders of other datasets and tools, and bones.

An order is a tuple whose k-th entry is the place in our order (``conventions.JOINT_NAMES``) of the k-th foreign joint.
The orders say which joint is meant, not where exactly it sits: definitions differ between datasets by millimetres,
most of all at the wrist and at the fingertips.
"""

from typing import Any, TypeVar

import numpy as np

from synth.common.conventions import BONES, FINGERS, JOINT_NAMES, MANO_JOINT_NAMES, NUM_JOINTS, TIP_JOINTS

T = TypeVar("T")
_CHAINS = {f: tuple(i for i, name in enumerate(JOINT_NAMES) if name.startswith(f)) for f in FINGERS}


def _mano_with_tips() -> tuple[int, ...]:
    """MANO's 16 joints, then the tips of thumb, index, middle, ring, little."""
    order = [0]
    for name in MANO_JOINT_NAMES[1:]:
        finger, segment = name[:-1], int(name[-1])
        order.append(_CHAINS[finger][segment - 1])
    return (*order, *TIP_JOINTS)


OURS = tuple(range(NUM_JOINTS))
TIP_TO_BASE = tuple(joint for finger in FINGERS for joint in reversed(_CHAINS[finger]))

ORDERS: dict[str, tuple[int, ...]] = {
    "ours": OURS,
    # The 16 joints that MANO regresses, then fingertips in the order of smplx' vertex_ids["mano"].
    "mano_tips": _mano_with_tips(),
    # smplx.MANO returns 16 joints; with its own vertex_ids["mano"] appended it is the same order.
    "smplx": _mano_with_tips(),
    # manopth reorders inside its layer: [0, 13, 14, 15, 16, 1, 2, 3, 17, ...] of MANO + tips is ours.
    "manopth": OURS,
    # RHD's readme: wrist, then thumb to little, each from the tip to the palm; the left hand comes first in the file.
    "rhd": (0, *TIP_TO_BASE),
    # STB: base first, little finger to thumb; its first point is the centre of the palm, not the wrist.
    "stb": (0, *(joint for finger in reversed(FINGERS) for joint in _CHAINS[finger])),
    # MVHand's readme: wrist, then index to little finger and the thumb last, each from the base to the tip.
    "mvhand": (0, *(joint for finger in (*FINGERS[1:], FINGERS[0]) for joint in _CHAINS[finger])),
    # InterHand2.6M's skeleton.txt: thumb4 .. thumb1, index4 .., pinky1, and the wrist last (right hand first).
    "interhand": (*TIP_TO_BASE, 0),
    # MediaPipe Hands' landmark list: WRIST, THUMB_CMC, THUMB_MCP, THUMB_IP, THUMB_TIP, INDEX_FINGER_MCP ...
    "mediapipe": OURS,
    # DexYCB's joints come out of manopth.
    "dexycb": OURS,
    # HO-3D stores MANO's order with tips; its own viewer applies the permutation that manopth applies inside.
    "ho3d": _mano_with_tips(),
    # FreiHAND's xyz are manopth's joints.
    "freihand": OURS,
    # OneHand10K as MMPose lists it: wrist, thumb1-4, forefinger1-4, middle, ring, pinky; 4 is the tip.
    "onehand10k": OURS,
}


def to_ours(joints: T, order: str) -> T:
    """Joints [..., 21, dims] in a named foreign order, put into ours. Arrays and tensors alike.

    Raises:
        ValueError: for an order that is not in ``ORDERS`` or another number of joints.
    """
    return _taken(joints, np.argsort(_order(order)))


def from_ours(joints: T, order: str) -> T:
    """Joints [..., 21, dims] in our order, put into a named foreign order. Arrays and tensors alike.

    Raises:
        ValueError: for an order that is not in ``ORDERS`` or another number of joints.
    """
    return _taken(joints, np.array(_order(order)))


def bone_lengths(joints: T) -> T:
    """Lengths [..., 20] of the bones of joints [..., 21, 3] in the order of ``conventions.BONES``, in their unit."""
    values: Any = joints
    parents, children = (list(ends) for ends in zip(*BONES, strict=True))
    return ((values[..., children, :] - values[..., parents, :]) ** 2).sum(-1) ** 0.5


def _order(name: str) -> tuple[int, ...]:
    if name not in ORDERS:
        raise ValueError(f"order={name} is unknown; legal: {', '.join(sorted(ORDERS))}")
    return ORDERS[name]


def _taken(joints: T, ids: np.ndarray) -> T:
    values: Any = joints
    if values.shape[-2] != NUM_JOINTS:
        raise ValueError(f"joints have shape {tuple(values.shape)}; the last but one side must be {NUM_JOINTS}")
    return values[..., ids.tolist(), :]
