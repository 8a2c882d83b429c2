"""What is around the hand: a thing in it, the person's other hand, and a thing in front of it."""

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float

from synth.common.config import check, option
from synth.geometry.camera import Camera
from synth.hand import ManoArrays
from synth.render.kernels.geometry import NEAR_M
from synth.scene.arm.hand_and_arm import Limb, LimbSampler
from synth.scene.objects.collision_proxies import HandSpheres, Spheres, arm_spheres
from synth.scene.objects.grasp import HeldHand, bent_fingers, hold
from synth.scene.objects.mesh_library import Meshes
from synth.scene.objects.object_mesh import PlacedThing
from synth.scene.objects.occluder_placement import place_in_front
from synth.scene.objects.primitives import ProceduralThings, dressed
from synth.scene.objects.second_hand import (
    PosedHand,
    find_place,
    mirrored_camera,
    mirrored_limb,
    mirrored_turn,
)

BENT = 3
"""A hand with as many bent fingers looks as if it held something."""
OTHERWISE = 0.15
HOLD_TRIES = 2


@dataclass
class OccluderOptions:
    """Things of real shape, in the hand and in front of it."""

    mesh_dir: str = option("", "folder of meshes (.ply, .obj, .glb, .stl, .off, .npz), metres; empty: made by rule")
    mesh_share: float = option(0.6, "share of the things that are meshes when mesh_dir is given")
    held_share: float = option(0.3, "share of bent hands that hold a thing if one fits; of others few")

    def __post_init__(self) -> None:
        for key in ("mesh_share", "held_share"):
            check(0 <= getattr(self, key) <= 1, f"scene.occluder.{key}", getattr(self, key), "in [0, 1]")


@dataclass(frozen=True)
class FirstHand:
    """The hand that the labels describe, as its surroundings need it.

    Attributes:
        posed: The hand in the model's frame.
        T_cam_hand: Rotation and translation from the model's frame to the camera frame.
        limb: Hand and arm in the camera frame.
        tint: Linear RGB factor of the skin.
        albedo: Linear RGB of the texture at the wrist.
        camera: What sees it.
    """

    posed: PosedHand
    T_cam_hand: tuple[Float[np.ndarray, "3 3"], Float[np.ndarray, "3"]]
    limb: Limb
    tint: Float[np.ndarray, "3"]
    albedo: Float[np.ndarray, "3"]
    camera: Camera

    @property
    def joints_cam(self) -> Float[np.ndarray, "21 3"]:
        """Joints in metres, camera frame."""
        R, t = self.T_cam_hand
        return self.posed.joints @ R.T + t


@dataclass(frozen=True)
class Company:
    """What is around the hand, camera frame: a thing in it, the other hand, a thing in front of it; None for none."""

    held: PlacedThing | None = None
    other: Limb | None = None
    front: PlacedThing | None = None

    @property
    def things(self) -> list[PlacedThing]:
        """The things, held one first."""
        return [thing for thing in (self.held, self.front) if thing is not None]


class CompanySampler:
    """Draws what is around the hands of one model; ``meshes`` is None when there are none."""

    def __init__(self, arrays: ManoArrays, limbs: LimbSampler, options: OccluderOptions, meshes: Meshes | None):
        self._limbs, self._options, self._meshes = limbs, options, meshes
        self._spheres = HandSpheres(arrays)
        self._num_hand = len(arrays.v_template)
        self._procedural = ProceduralThings()

    def posed(self, verts: Float[np.ndarray, "verts 3"], joints: Float[np.ndarray, "21 3"]) -> PosedHand:
        """A posed hand in the model's frame."""
        return PosedHand(verts, joints, self._spheres)

    def sample(
        self, rng: np.random.Generator, first: FirstHand, other: PosedHand | None, *, has_front: bool
    ) -> Company:
        """What is around ``first``: perhaps a thing in it, the hand ``other`` where there is room, and a mesh in front
        if ``has_front``."""
        held = self._held(rng, first.posed)
        held_cam = None if held is None else held.moved(*first.T_cam_hand)
        second = None if other is None else self._other(rng, first, other, held_cam)
        front = None
        if self._meshes is not None and has_front and rng.random() < self._options.mesh_share:
            body = self._body(first.posed, first.limb, first.T_cam_hand)
            around = [found.verts_cam for found in [second] if found] + [found.verts for found in [held_cam] if found]
            for verts in around:
                body = body.joined(Spheres(verts, np.zeros(len(verts))))
            thing = dressed(rng, self._meshes.sample(rng))
            front = place_in_front(rng, thing, first.joints_cam, camera=first.camera, body=body)
        return Company(held_cam, second, front)

    def _held(self, rng: np.random.Generator, hand: PosedHand) -> PlacedThing | None:
        likely = bent_fingers(hand.joints) >= BENT
        if rng.random() >= self._options.held_share * (1.0 if likely else OTHERWISE):
            return None
        whole = HeldHand.of(hand.joints, hand.bones, hand.verts)
        for _ in range(HOLD_TRIES):
            meshes = self._meshes if rng.random() < self._options.mesh_share else None
            thing = (meshes or self._procedural).sample(rng)
            placed = hold(rng, whole, thing)
            if placed is not None:
                return replace(placed, thing=dressed(rng, placed.thing))
        return None

    def _other(
        self, rng: np.random.Generator, first: FirstHand, hand: PosedHand, held: PlacedThing | None
    ) -> Limb | None:
        T = (mirrored_turn(rng, first.T_cam_hand[0]), first.T_cam_hand[1])
        limb = mirrored_limb(
            self._limbs.sample(
                rng, hand.verts, T, mirrored_camera(first.camera), tint=first.tint, albedo=first.albedo,
                like=first.limb.arm,
            )
        )  # fmt: skip
        mirror = np.diag([-1.0, 1.0, 1.0])
        T_mirrored = (mirror @ T[0], mirror @ T[1])
        shift = find_place(
            rng,
            self._body(hand, limb, T_mirrored),
            hand.joints @ T_mirrored[0].T + T_mirrored[1],
            first=self._body(first.posed, first.limb, first.T_cam_hand),
            first_joints=first.joints_cam,
            R_cam_hand=first.T_cam_hand[0],
            things=[] if held is None else [held.hull],
        )
        if shift is None or not _is_seen(first.camera, limb.verts_cam + shift):
            return None
        return replace(limb, verts_cam=limb.verts_cam + shift)

    def _body(self, hand: PosedHand, limb: Limb, T_cam_hand: tuple[np.ndarray, np.ndarray]) -> Spheres:
        return hand.bones.moved(*T_cam_hand).joined(arm_spheres(self._limbs.rings(limb, self._num_hand)))


def _is_seen(camera: Camera, verts_cam: np.ndarray) -> bool:
    px = camera.project(verts_cam[verts_cam[:, 2] > NEAR_M])
    return bool(((px > 0) & (px < [camera.width - 1, camera.height - 1])).all(1).any())
