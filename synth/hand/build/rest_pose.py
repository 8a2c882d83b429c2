"""Lays every hand flat into MANO's rest pose: fingers along -x in a fan, back of the hand +y, thumb side +z."""

import numpy as np
from jaxtyping import Float
from scipy.spatial.transform import Rotation

from synth.common.conventions import FINGERS, MANO_JOINT_NAMES
from synth.hand.build.cut import Hands
from synth.hand.build.delta_mush import DeltaMush
from synth.hand.build.meshes import normalised
from synth.hand.build.skinning import skin

TILT_DEG = 4.0
"""The knuckle of the little finger lies so much lower than that of the index finger."""
MUSH_STEPS = 10
BATCH = 50
FAN_DEG = {
    "index": ((3, 4), (1, -1), (0, -3)),
    "middle": ((-9, 3), (-10, -1), (-10, -3)),
    "little": ((-28, 1), (-29, -1), (-29, -3)),
    "ring": ((-13, 3), (-16, -1), (-17, -3)),
    "thumb": ((48, 0), (36, -9), (33, -9)),
}
"""Direction of each bone at rest: azimuth from -x towards +z, and elevation, in degrees. Design angles near to what
public listings of MANO's 16 joints show; no array of MANO was used."""
TIP_FINGERS = ("index", "middle", "little", "ring", "thumb")
"""Order of ``Hands.tips``."""


def laid_flat(hands: Hands) -> Hands:
    """The same hands at rest in the frame of the hand model, the wrist joint at the origin."""
    placed = in_hand_frame(hands)
    turns = straightening_turns(placed)
    details = DeltaMush(placed.faces, placed.verts.shape[1], iterations=MUSH_STEPS, pinned=placed.pinned)
    verts, joints, tips = (np.empty_like(x) for x in (placed.verts, placed.joints, placed.tips))
    lasts = [MANO_JOINT_NAMES.index(f"{finger}3") for finger in TIP_FINGERS]
    for i in range(len(verts)):
        posed = skin(placed.verts[i], placed.joints[i], placed.weights, turns[i])
        offsets = placed.tips[i] - placed.joints[i][lasts]
        verts[i], joints[i] = posed.verts, posed.joints
        tips[i] = posed.joints[lasts] + np.einsum("tab,tb->ta", turns[i][lasts], offsets)
    for start in range(0, len(verts), BATCH):
        some = slice(start, start + BATCH)
        verts[some] = details.restored(details.details(placed.verts[some]), verts[some])
    return placed.moved(verts, joints, tips)


def in_hand_frame(hands: Hands) -> Hands:
    """The hands turned so that the middle finger's metacarpal lies along x and the knuckles almost along z."""
    wrist = hands.joints[:, 0]
    index, middle, little = (hands.joints[:, MANO_JOINT_NAMES.index(f"{f}1")] for f in ("index", "middle", "little"))
    x = normalised(wrist - middle)
    across = index - little
    z = normalised(across - (across * x).sum(1, keepdims=True) * x)
    rows = np.stack([x, np.cross(z, x), z], axis=1)
    R_hand_body = Rotation.from_euler("x", -TILT_DEG, degrees=True).as_matrix() @ rows

    def moved(points: np.ndarray) -> np.ndarray:
        return np.einsum("nij,nkj->nki", R_hand_body, points - wrist[:, None])

    return hands.moved(moved(hands.verts), moved(hands.joints), moved(hands.tips))


def straightening_turns(hands: Hands) -> Float[np.ndarray, "bodies 16 3 3"]:
    """Rotation of each joint against the world that lays its bone into the fan by the shortest way."""
    turns = np.tile(np.eye(3), (len(hands.joints), 16, 1, 1))
    for joint, name in enumerate(MANO_JOINT_NAMES[1:], start=1):
        finger, segment = name[:-1], int(name[-1])
        end = hands.joints[:, joint + 1] if segment < 3 else hands.tips[:, TIP_FINGERS.index(finger)]
        turns[:, joint] = _shortest_turns(normalised(end - hands.joints[:, joint]), _direction(finger, segment))
    return turns


def _direction(finger: str, segment: int) -> Float[np.ndarray, "3"]:
    azimuth, elevation = np.radians(FAN_DEG[finger][segment - 1])
    level = np.cos(elevation)
    return np.array([-np.cos(azimuth) * level, np.sin(elevation), np.sin(azimuth) * level])


def _shortest_turns(starts: Float[np.ndarray, "bodies 3"], end: Float[np.ndarray, "3"]) -> np.ndarray:
    """Rotations that take unit vectors to one unit vector (none of them to its opposite)."""
    axis = np.cross(starts, end)
    x, y, z = axis.T
    zero = np.zeros_like(x)
    cross = np.stack([zero, -z, y, z, zero, -x, -y, x, zero], axis=1).reshape(-1, 3, 3)
    return np.eye(3) + cross + cross @ cross / (1 + starts @ end)[:, None, None]


assert set(TIP_FINGERS) == set(FINGERS)
