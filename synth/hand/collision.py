"""Self-collision of a hand as capsules about its bones, fast enough to reject poses by the thousand."""

import math
from dataclasses import dataclass

import numba
import numpy as np
from jaxtyping import Float, Int

from synth.common.conventions import FINGERS, MANO_JOINT_NAMES
from synth.hand.arrays import ManoArrays

# Bones as pairs of our joints: three of each finger, then the four metacarpals, which stand for the palm.
_FINGER_BONES = [(4 * f + k, 4 * f + k + 1) for f in range(5) for k in (1, 2, 3)]
_PALM_BONES = [(0, 4 * f + 1) for f in range(1, 5)]
_BONES = np.array(_FINGER_BONES + _PALM_BONES)
PALM_YIELD_M = 0.004
"""How far a fingertip presses into the palm of a closed fist."""

_DISTAL = np.array([joint % 4 == 0 for _, joint in _BONES])


@dataclass(frozen=True, eq=False)
class Capsules:
    """Capsules about the bones with radii measured on the mesh at rest.

    Attributes:
        radii: Metres, of the bones in ``_BONES``.
        pairs: Bones that can collide: of different fingers, not two neighbouring bases, and fingers with the palm.
    """

    radii: Float[np.ndarray, "19"]
    pairs: Int[np.ndarray, "pairs 2"]

    @staticmethod
    def of(arrays: ManoArrays) -> "Capsules":
        """Capsules of the mean shape of ``arrays``."""
        joints, tips = arrays.rest_joints(), arrays.rest_tips()
        radii = [_finger_radius(arrays, finger, k, joints, tips) for finger in FINGERS for k in (1, 2, 3)]
        radii += [_palm_radius(arrays, finger, joints) for finger in FINGERS[1:]]
        return Capsules(radii=np.array(radii), pairs=np.array(_colliding_pairs()))

    def overlap(self, joints: Float[np.ndarray, "21 3"]) -> float:
        """Deepest overlap of two capsules in metres; negative is the smallest gap. ``joints``: metres, our order."""
        starts, ends, radii = self.placed(joints)
        return float(_deepest(starts, ends, radii, self.pairs))

    def placed(
        self, joints: Float[np.ndarray, "21 3"], size: float = 1.0
    ) -> tuple[Float[np.ndarray, "19 3"], Float[np.ndarray, "19 3"], Float[np.ndarray, "19"]]:
        """Both ends and radius of each capsule in metres: three of each finger from the thumb on, then the palm's four.

        Args:
            joints: Metres, our order.
            size: Size of the hand relative to the one the radii were measured on.
        """
        radii = size * self.radii
        starts, ends = joints[_BONES[:, 0]], joints[_BONES[:, 1]].copy()
        bones = ends[_DISTAL] - starts[_DISTAL]
        lengths = np.sqrt((bones**2).sum(1))
        # the tip joint lies on the skin: the capsule's round end must end there
        ends[_DISTAL] = starts[_DISTAL] + bones * (1 - radii[_DISTAL] / lengths).clip(0.0)[:, None]
        return starts, ends, radii


def _colliding_pairs() -> list[tuple[int, int]]:
    pairs = []
    for first in range(15):
        for second in range(first + 1, 15):
            bases = first % 3 == 0 and second % 3 == 0
            if first // 3 != second // 3 and first != 0 and not bases:  # 0: the thumb's metacarpal, flesh of the palm
                pairs.append((first, second))
    palm = range(15, 19)
    pressing = [2, *(3 * f + 2 for f in range(1, 5))]  # last bones; the thumb's middle bone rests on the palm
    return pairs + [(bone, metacarpal) for bone in pressing for metacarpal in palm]


def _finger_radius(arrays: ManoArrays, finger: str, segment: int, joints: np.ndarray, tips: np.ndarray) -> float:
    joint = MANO_JOINT_NAMES.index(f"{finger}{segment}")
    end = joints[joint + 1] if segment < 3 else tips[FINGERS.index(finger)]
    bone = end - joints[joint]
    length = float(np.linalg.norm(bone))
    offsets = arrays.v_template - joints[joint]
    along = offsets @ bone / length
    across = np.linalg.norm(offsets - np.outer(along, bone / length), axis=1)
    shaft = (arrays.weights[:, joint] > 0.9) & (along > 0.25 * length) & (along < 0.8 * length)
    return float(np.percentile(across[shaft], 40)) if shaft.sum() > 4 else 0.008


def _palm_radius(arrays: ManoArrays, finger: str, joints: np.ndarray) -> float:
    knuckle = joints[MANO_JOINT_NAMES.index(f"{finger}1")]
    bone = knuckle - joints[0]
    along = (arrays.v_template - joints[0]) @ bone / (bone @ bone)
    offsets = arrays.v_template - joints[0] - along[:, None] * bone
    palmar = (along > 0.5) & (along < 0.9) & (np.abs(offsets[:, 2]) < 0.006) & (offsets[:, 1] < 0)
    depth = float(np.median(-offsets[palmar, 1])) if palmar.sum() > 2 else 0.012
    return depth - PALM_YIELD_M


@numba.njit(cache=True, nogil=True)
def _deepest(starts: np.ndarray, ends: np.ndarray, radii: np.ndarray, pairs: np.ndarray) -> float:
    deepest = -math.inf
    for row in range(len(pairs)):
        i, j = pairs[row]
        gap = _segment_distance(starts[i], ends[i], starts[j], ends[j]) - (radii[i] + radii[j])
        deepest = max(deepest, -gap)
    return float(deepest)


@numba.njit(cache=True, nogil=True)
def _segment_distance(p: np.ndarray, p_end: np.ndarray, q: np.ndarray, q_end: np.ndarray) -> float:
    """Distance of two segments in space (Ericson, Real-Time Collision Detection, section 5.1.9)."""
    a = b = c = d = e = 0.0
    for k in range(3):
        u, v, w = p_end[k] - p[k], q_end[k] - q[k], p[k] - q[k]
        a += u * u
        b += u * v
        c += v * v
        d += u * w
        e += v * w
    denominator = a * c - b * b
    s = 0.0 if denominator < 1e-18 else min(max((b * e - c * d) / denominator, 0.0), 1.0)
    t = (b * s + e) / c if c > 0.0 else 0.0
    if t < 0.0 or t > 1.0:
        t = min(max(t, 0.0), 1.0)
        s = min(max((b * t - d) / a, 0.0), 1.0) if a > 0.0 else 0.0
    squared = 0.0
    for k in range(3):
        gap = p[k] + s * (p_end[k] - p[k]) - q[k] - t * (q_end[k] - q[k])
        squared += gap * gap
    return math.sqrt(squared)
