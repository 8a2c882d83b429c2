"""The mesh of one image: a posed hand with a random arm, or closed at the wrist, before the camera."""

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float

from synth.hand import ManoArrays
from synth.render.renderer import MeshTopology
from synth.scene.arms import sample_arm, sample_elbow
from synth.scene.camera import Camera
from synth.scene.cut_wrist import CutWrist
from synth.scene.forearm import ArmMesh
from synth.scene.subdivision import Subdivision

NEAREST_ARM_M = 0.1
ELBOW_TRIES = 12


@dataclass(frozen=True)
class Limb:
    """What the renderer takes of the hand: vertices in the camera frame (metres), their tint (linear RGB factor)."""

    topology: MeshTopology
    verts_cam: Float[np.ndarray, "verts 3"]
    vertex_tint: Float[np.ndarray, "verts 3"]
    has_sleeve: bool


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
        """
        (R, t), mesh = T_cam_hand, self._mesh
        hand = verts.astype(np.float64)
        if isinstance(mesh, CutWrist):
            return self._limb(mesh.close(hand) @ R.T + t, mesh.tint(tint), has_sleeve=False)
        arm = sample_arm(rng, len(mesh.ring), self._sleeve_share)
        for _ in range(ELBOW_TRIES):
            line_cam = mesh.centre_line(hand, arm) @ R.T + t
            if line_cam[:, 2].min() > NEAREST_ARM_M and not _sees(camera, line_cam[-1]):
                break
            arm = replace(arm, elbow_bend=sample_elbow(rng))
        has_sleeve = arm.sleeve is not None
        return self._limb(mesh.extend(hand, arm) @ R.T + t, mesh.tint(tint, albedo, arm.sleeve), has_sleeve)

    def _limb(self, verts_cam: np.ndarray, tint: np.ndarray, has_sleeve: bool) -> Limb:
        if self._subdivisions:
            subdivision = self._subdivisions[has_sleeve]
            verts_cam, tint = subdivision.verts(verts_cam), subdivision.tint(tint)
        return Limb(self._topologies[has_sleeve], verts_cam, tint, has_sleeve)


def _sees(camera: Camera, point: np.ndarray) -> bool:
    u, v = camera.project(point)
    margin = 0.25 * camera.width
    return bool(-margin < u < camera.width + margin and -margin < v < camera.height + margin)
