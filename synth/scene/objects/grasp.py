"""Where a thing lies in a posed hand: in the palm, under bent fingers, or between thumb and index finger.

The pose stays as it was drawn; it is the thing that is turned, shrunk and pushed out of the palm until nothing of the
hand reaches deeper into it than flesh yields. Everything is in the hand model's frame.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from scipy.spatial.transform import Rotation

from synth.common.conventions import FINGERS, JOINT_NAMES, WRIST
from synth.scene.objects.collision_proxies import SPHERES_PER_BONE, Hull, Spheres
from synth.scene.objects.object_mesh import PlacedThing, Thing

MAX_DEPTH_M = 0.002
"""How deep a hand may reach into what it holds."""
TOUCH_M = 0.006
"""A finger this near to the thing touches it: hulls and capsules are not finer."""
KNUCKLES = [JOINT_NAMES.index(f"{finger}_mcp") for finger in FINGERS[1:]]
TIPS = [JOINT_NAMES.index(f"{finger}_tip") for finger in FINGERS]
SCALES = (1.0, 0.74, 0.55, 0.4)
"""A thing that does not fit is tried smaller."""
ALONG_FINGERS_M = (0.012, -0.01)
"""Places of its middle, from the knuckles towards the fingertips."""
LAST_PUSH_M = 0.03
PINCH_GAP_M = (0.004, 0.06)
PINCH_TRIES = 8
MAX_SCALE = 1.05
"""What would have to grow more to fill the gap of a pinch is left out."""
LIKELY_REACH = (0.36, 0.9)
"""Distance of a fingertip from its knuckle, in lengths of the finger, at which the finger is bent but not shut."""


@dataclass(frozen=True)
class HeldHand:
    """What a grasp needs of a hand: ``joints`` (metres), the spheres of ``HandSpheres.of``, and all that nothing may
    cross: these first, since they are few, and then the vertices of its surface."""

    joints: Float[np.ndarray, "21 3"]
    bones: Spheres
    body: Spheres

    @staticmethod
    def of(joints: np.ndarray, bones: Spheres, verts: Float[np.ndarray, "verts 3"]) -> "HeldHand":
        """With the vertices as spheres without a size."""
        surface = verts.astype(np.float64)
        return HeldHand(joints, bones, bones.joined(Spheres(surface, np.zeros(len(surface)))))


def bent_fingers(joints: Float[np.ndarray, "21 3"]) -> int:
    """How many of the four fingers are bent around something, and neither straight nor shut."""
    fingers = joints[5:].reshape(4, 4, 3)
    lengths = np.linalg.norm(np.diff(fingers, axis=1), axis=2).sum(1)
    reach = np.linalg.norm(fingers[:, 3] - fingers[:, 0], axis=1) / lengths
    return int(((reach > LIKELY_REACH[0]) & (reach < LIKELY_REACH[1])).sum())


def hold(rng: np.random.Generator, hand: HeldHand, thing: Thing) -> PlacedThing | None:
    """The thing in the hand, or None where it finds no place.

    Between thumb and index finger where they are open for it, else in the palm.
    """
    placed = _pinched(rng, hand, thing)
    return placed if placed is not None else _in_palm(rng, hand, thing)


def _in_palm(rng: np.random.Generator, hand: HeldHand, thing: Thing) -> PlacedThing | None:
    """Long side across the palm, thin side on it, at the largest size that fits; touched by palm and fingers."""
    palm = _palm_frame(hand.joints)
    noise = Rotation.from_rotvec(rng.normal(size=3) * [0.15, 0.12, 0.22]).as_matrix()
    R = palm @ noise @ np.diag([*rng.choice([-1.0, 1.0], 2), 1.0])
    R[:, 2] *= np.sign(np.linalg.det(R))
    if thing.size_m[1] < 1.15 * thing.size_m[2]:
        R = R @ Rotation.from_rotvec([rng.uniform(-np.pi, np.pi), 0, 0]).as_matrix()
    slide = rng.uniform(-0.3, 0.3) * thing.size_m[0]
    for scale in SCALES:
        small = thing.scaled(scale)
        for along_m in ALONG_FINGERS_M:
            start = hand.joints[KNUCKLES].mean(0) + along_m * palm[:, 1] + scale * slide * palm[:, 0]
            start += 0.5 * small.size_m[2] * palm[:, 2]
            hull = small.hull.moved(R, start)
            way_m = hull.way_out_m(hand.body, palm[:, 2], depth_m=MAX_DEPTH_M, last_m=LAST_PUSH_M)
            if way_m is None:
                continue
            end = way_m * palm[:, 2]
            if _is_held(hand, hull.moved(np.eye(3), end)):
                return PlacedThing(small, R, start + end)
    return None


def _is_held(hand: HeldHand, hull: Hull) -> bool:
    """Whether the palm and at least two fingers touch the thing."""
    gaps_m = hull.gaps_m(hand.bones).reshape(-1, SPHERES_PER_BONE).min(1)
    fingers_m, palm_m = gaps_m[:15].reshape(5, 3), gaps_m[15:]
    return bool(palm_m.min() < TOUCH_M and (fingers_m[:, 1:].min(1) < TOUCH_M).sum() >= 2)


def _pinched(rng: np.random.Generator, hand: HeldHand, thing: Thing) -> PlacedThing | None:
    """Between the pads of thumb and index finger, as thick as the gap between them."""
    # the last sphere of each finger's last bone
    ends = [3 * SPHERES_PER_BONE * finger + 3 * SPHERES_PER_BONE - 1 for finger in (0, 1)]
    (thumb, index), radii = hand.bones.centres[ends], hand.bones.radii[ends]
    apart_m = float(np.linalg.norm(index - thumb))
    gap_m = apart_m - radii.sum()
    scale = (gap_m + MAX_DEPTH_M) / thing.size_m[2]
    if not (PINCH_GAP_M[0] < gap_m < PINCH_GAP_M[1] and SCALES[-1] < scale < MAX_SCALE):
        return None
    across = (index - thumb) / apart_m
    small = thing.scaled(scale)
    middle = thumb + across * (radii[0] + gap_m / 2)
    forward = middle - hand.joints[WRIST]
    for _ in range(PINCH_TRIES):
        R = _frame(across, forward + rng.normal(size=3) * np.linalg.norm(forward))
        along = rng.uniform(-0.42, 0.42) * small.size_m[0]
        placed = PlacedThing(small, R, middle + along * R[:, 0])
        hull = placed.hull
        reaches_both = hull.gaps_m(hand.bones)[ends].max() < TOUCH_M  # a neck or tip may be thinner than the whole
        if reaches_both and hull.gap_m(hand.body) >= -MAX_DEPTH_M:
            return placed
    return None


def _palm_frame(joints: np.ndarray) -> np.ndarray:
    """Columns: across the palm towards the index finger, along it towards the fingers, and out of it."""
    across = joints[KNUCKLES[0]] - joints[KNUCKLES[-1]]
    forward = joints[KNUCKLES].mean(0) - joints[WRIST]
    out = np.cross(across, forward)  # of a right hand
    return _frame(out, across)


def _frame(thin: np.ndarray, long: np.ndarray) -> np.ndarray:
    """Rotation that takes a thing's z to ``thin`` and its x as near to ``long`` as that lets it."""
    z = thin / np.linalg.norm(thin)
    x = long - (long @ z) * z
    x /= max(float(np.linalg.norm(x)), 1e-9)
    return np.stack([x, np.cross(z, x), z], 1)
