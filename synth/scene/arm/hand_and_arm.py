"""The mesh of one image: a posed hand with a random arm, or closed at the wrist, before the camera."""

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float

from synth.geometry.camera import Camera
from synth.hand import ManoArrays
from synth.render.renderer import MeshTopology
from synth.scene.arm.forearm_mesh import Arm, ArmMesh
from synth.scene.arm.sampling import sample_arm, sample_elbow
from synth.scene.arm.subdivision import Subdivision
from synth.scene.arm.wrist_cap import CutWrist

NEAREST_ARM_M = 0.1
ELBOW_TRIES = 12


@dataclass(frozen=True)
class Limb:
    """What the renderer takes of the hand: vertices in the camera frame (metres), their tint (linear RGB factor); and
    the arm as it was drawn, None without one."""

    topology: MeshTopology
    verts_cam: Float[np.ndarray, "verts 3"]
    vertex_tint: Float[np.ndarray, "verts 3"]
    arm: Arm | None

    @property
    def has_sleeve(self) -> bool:
        """Whether the arm is in a sleeve."""
        return self.arm is not None and self.arm.sleeve is not None


class LimbSampler:
    """Continues the posed hands of one model, each with an arm of its own.

    Attributes:
        ring_uv: Texture coordinates around the wrist.
    """

    def __init__(
        self,
        arrays: ManoArrays,
        uv: Float[np.ndarray, "corners 2"],
        uv_faces: np.ndarray,
        *,
        has_arm: bool,
        sleeve_share: float,
        is_subdivided: bool = False,
    ):
        self._mesh = mesh = ArmMesh(arrays, uv, uv_faces) if has_arm else CutWrist(arrays, uv, uv_faces)
        self._sleeve_share = sleeve_share
        self.ring_uv = mesh.ring_uv
        coarse = (mesh.topology,) if isinstance(mesh, CutWrist) else (mesh.bare, mesh.sleeved)
        self._subdivisions = tuple(Subdivision(topology) for topology in coarse) if is_subdivided else ()
        self._topologies = tuple(s.topology for s in self._subdivisions) or coarse

    @property
    def topologies(self) -> tuple[MeshTopology, ...]:
        """The meshes that occur: with a bare arm and with a sleeve, or the one without an arm."""
        return self._topologies

    def sample(
        self,
        rng: np.random.Generator,
        verts: Float[np.ndarray, "hand 3"],
        T_cam_hand: tuple[np.ndarray, np.ndarray],
        camera: Camera,
        *,
        tint: Float[np.ndarray, "3"],
        albedo: Float[np.ndarray, "3"],
        like: Arm | None = None,
    ) -> Limb:
        """The hand with what continues it.

        Args:
            rng: Source of all randomness.
            verts: The posed hand in the model's frame, metres.
            T_cam_hand: Rotation and translation from the model's frame to the camera frame.
            camera: What sees it; the elbow is drawn anew until the arm neither ends in the image nor passes right
                before the camera, or stays as it is after some tries.
            tint: Linear RGB factor of the skin.
            albedo: Linear RGB of the texture at the wrist.
            like: The same person's other arm, for girth and sleeve.
        """
        (R, t), mesh = T_cam_hand, self._mesh
        hand = verts.astype(np.float64)
        if isinstance(mesh, CutWrist):
            return Limb(mesh.topology, mesh.close(hand) @ R.T + t, mesh.tint(tint), arm=None)
        arm = sample_arm(rng, len(mesh.ring), self._sleeve_share)
        if like is not None:
            arm = replace(arm, girth=like.girth, muscles=like.muscles, mottle=like.mottle, sleeve=like.sleeve)
        for _ in range(ELBOW_TRIES):
            line_cam = mesh.centre_line(hand, arm) @ R.T + t
            if line_cam[:, 2].min() > NEAREST_ARM_M and not _sees(camera, line_cam[-1]):
                break
            arm = replace(arm, elbow_bend=sample_elbow(rng))
        topology = mesh.bare if arm.sleeve is None else mesh.sleeved
        return Limb(topology, mesh.extend(hand, arm) @ R.T + t, mesh.tint(tint, albedo, arm), arm)

    def fine(self, limb: Limb) -> Limb:
        """The limb as it is drawn: with four triangles for each where the images are large, else as it is."""
        if not self._subdivisions:
            return limb
        finer = self._subdivisions[limb.has_sleeve]
        return Limb(finer.topology, finer.verts(limb.verts_cam), finer.tint(limb.vertex_tint), limb.arm)

    def rings(self, limb: Limb, num_hand: int) -> Float[np.ndarray, "rings ring 3"]:
        """The arm's rings of vertices in the camera frame, from the wrist on; none without an arm."""
        ring = len(self._mesh.ring) if isinstance(self._mesh, ArmMesh) else 1
        return limb.verts_cam[num_hand:-1].reshape(-1, ring, 3)


def _sees(camera: Camera, point: np.ndarray) -> bool:
    u, v = camera.project(point)
    margin = 0.25 * camera.width
    return bool(-margin < u < camera.width + margin and -margin < v < camera.height + margin)
