"""The other hand of the same person: the mirror image of a posed hand, beside, behind or before the first one.

It is drawn in the mirror, where it is a right hand like every other, and comes back through it.
"""

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from jaxtyping import Float
from scipy.spatial.transform import Rotation

from synth.geometry.camera import Camera
from synth.hand import mirror_K, mirror_points
from synth.render.renderer import MeshTopology
from synth.scene.arm.hand_and_arm import Limb
from synth.scene.objects.collision_proxies import HandSpheres, Hull, Spheres

THUMB_SIDE = np.array([0.0, 0.0, 1.0])
THUMB_SIDE_SHARE = 0.75
"""Both hands before the body have their thumbs between them."""
TURN_RAD = 0.45
"""How far it is turned from the mirror image of the first hand, standard deviation about each axis."""
BEHIND_M = (-0.06, 0.12)
APART_M = np.arange(0.03, 0.28, 0.02)
NEAREST_M = 0.2
GAP_M = 0.004
FREE_GAP_M = (0.0, 0.06)
DIRECTIONS = 3


@dataclass(frozen=True, eq=False)
class PosedHand:
    """A posed right hand in the model's frame, metres: vertices, its 21 joints, and what makes spheres of them."""

    verts: Float[np.ndarray, "verts 3"]
    joints: Float[np.ndarray, "21 3"]
    spheres: HandSpheres

    @cached_property
    def bones(self) -> Spheres:
        """Spheres along its bones."""
        return self.spheres.of(self.joints)


def mirrored_camera(camera: Camera) -> Camera:
    """What sees in the mirror what ``camera`` sees."""
    return Camera(mirror_K(camera.K, camera.width), camera.width, camera.height)


def mirrored_turn(rng: np.random.Generator, R_cam_hand: Float[np.ndarray, "3 3"]) -> Float[np.ndarray, "3 3"]:
    """Rotation of the other hand in the mirror: that of the first, and a little more."""
    return Rotation.from_rotvec(rng.normal(size=3) * TURN_RAD).as_matrix() @ R_cam_hand


def mirrored_limb(limb: Limb) -> Limb:
    """The limb on the other side of the mirror: x negated, and faces turned so that they still look outwards."""
    own = limb.topology
    turned = MeshTopology(own.faces[:, ::-1], own.uv, own.uv_faces[:, ::-1], own.face_parts)
    return replace(limb, topology=turned, verts_cam=mirror_points(limb.verts_cam))


def find_place(
    rng: np.random.Generator,
    other: Spheres,
    joints: Float[np.ndarray, "21 3"],
    *,
    first: Spheres,
    first_joints: Float[np.ndarray, "21 3"],
    R_cam_hand: Float[np.ndarray, "3 3"],
    things: list[Hull],
) -> Float[np.ndarray, "3"] | None:
    """A shift of the other hand to where it crosses nothing, or None where there is none near.

    Args:
        rng: Source of all randomness.
        other: Hand and arm as spheres, camera frame, metres.
        joints: The joints of the other hand in that place.
        first: The first hand and its arm.
        first_joints: Joints of the first hand.
        R_cam_hand: Rotation of the first hand.
        things: What it holds.
    """
    for _ in range(DIRECTIONS):
        aside = R_cam_hand @ THUMB_SIDE if rng.random() < THUMB_SIDE_SHARE else rng.normal(size=3)
        aside = aside + 0.35 * rng.normal(size=3)
        aside[2] = 0.0
        aside /= max(float(np.linalg.norm(aside)), 1e-6)
        behind = np.array([0.0, 0.0, rng.uniform(*BEHIND_M)])
        spare_m = rng.uniform(*FREE_GAP_M)
        start = first_joints.mean(0) - joints.mean(0) + behind
        for apart_m in APART_M:
            shift = start + apart_m * aside
            place = other.moved(np.eye(3), shift)
            if joints[:, 2].min() + shift[2] > NEAREST_M and _is_clear(place, first, things):
                further = shift + spare_m * aside
                return further if _is_clear(other.moved(np.eye(3), further), first, things) else shift
    return None


def _is_clear(body: Spheres, first: Spheres, things: list[Hull]) -> bool:
    return body.gap_m(first) > GAP_M and all(hull.gap_m(body) > GAP_M for hull in things)
