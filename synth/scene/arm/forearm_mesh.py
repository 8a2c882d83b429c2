"""The arm behind the hand: rings extruded from the wrist along a bent path, bare or in a sleeve.

It is longer than any image shows, so that no picture contains an arm's open end. Everything is in the hand model's
frame (the arm leaves along +x), before the hand is placed in front of the camera.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from synth.common.conventions import PART_NAMES, WRIST
from synth.hand import ManoArrays
from synth.render.renderer import MeshTopology
from synth.scene.arm.wrist_boundary import edge_corners, find_wrist_ring, skinning_parts

FOREARM, SLEEVE = PART_NAMES.index("forearm"), PART_NAMES.index("sleeve")
SKIN_RINGS = 3
"""Rings that are skin even in a sleeve."""
RING_AT_M = np.array([0.0, 0.006, 0.02, 0.04, 0.07, 0.11, 0.16, 0.21, 0.24, 0.27, 0.30, 0.34, 0.42, 0.60])
"""Distance of the rings behind the skin rings from where they start; the elbow lies between 0.21 and 0.34."""
ELBOW_M = (0.21, 0.34)
WRIST_M = 0.04
"""The wrist bends over the first four centimetres."""
HAND_END_M = 0.012
"""Hand faces that lie farther than this behind the wrist joint belong to the forearm."""


@dataclass(frozen=True)
class Sleeve:
    """A sleeve: ``start_m`` behind the wrist ring (negative covers the wrist), radii relative to the arm's, colours
    (linear RGB) of its rings."""

    start_m: float
    width: float
    folds: Float[np.ndarray, "rings ring"]
    colours: Float[np.ndarray, "rings 3"]


@dataclass(frozen=True)
class Arm:
    """How one arm continues the hand: bends as axis-angle (radians), relative girth in the middle, how muscles change
    the radius and how skin varies (linear RGB factors), and its sleeve."""

    wrist_bend: Float[np.ndarray, "3"]
    elbow_bend: Float[np.ndarray, "3"]
    girth: float
    muscles: Float[np.ndarray, "rings ring"]
    mottle: Float[np.ndarray, "rings ring 3"]
    sleeve: Sleeve | None


class ArmMesh:
    """Joins an arm to one hand model. The topologies (bare, sleeved) are made once, so that renderers can cache.

    Attributes:
        bare: Topology of the hand with a bare arm.
        sleeved: The same mesh, the part ids from the cuff on being the sleeve's.
        ring: Vertex ids around the wrist.
    """

    def __init__(self, arrays: ManoArrays, uv: Float[np.ndarray, "corners 2"], uv_faces: np.ndarray):
        faces = np.asarray(arrays.faces, np.int64)
        keep, edges = find_wrist_ring(faces, arrays.v_template)
        self.ring = edges[:, 0]
        self._num_hand = len(arrays.v_template)
        self._num_rings = SKIN_RINGS + len(RING_AT_M)
        arm_faces, arm_uv_faces = self._arm_faces(faces[keep], np.asarray(uv_faces)[keep], edges)
        all_faces = np.concatenate([faces[keep], arm_faces]).astype(np.int32)
        all_uv_faces = np.concatenate([np.asarray(uv_faces)[keep], arm_uv_faces]).astype(np.int32)
        hand_parts = _hand_parts(arrays, faces[keep])
        self.bare, self.sleeved = (
            MeshTopology(all_faces, np.asarray(uv, np.float32), all_uv_faces, np.concatenate([hand_parts, parts]))
            for parts in (self._arm_parts(self._num_rings), self._arm_parts(SKIN_RINGS))
        )
        self.ring_uv = np.asarray(uv)[arm_uv_faces[: 2 * len(self.ring), 0]]

    def extend(self, hand_verts: Float[np.ndarray, "hand 3"], arm: Arm) -> Float[np.ndarray, "verts 3"]:
        """All vertices of hand and arm in metres."""
        ring = hand_verts[self.ring]
        centre = ring.mean(0)
        offsets = ring - centre
        at_m, radii = self._rings(arm)
        directions, points = _centre_line(at_m, arm)
        flatness = np.clip(1 - at_m / 0.03, 0, 1)[:, None]
        local = np.stack([flatness * offsets[:, 0], radii[0] * offsets[:, 1], radii[1] * offsets[:, 2]], -1)
        arm_verts = local @ directions.transpose(0, 2, 1) + (centre + points)[:, None]
        return np.concatenate([hand_verts, arm_verts.reshape(-1, 3), centre + points[-1:]])

    def centre_line(self, hand_verts: Float[np.ndarray, "hand 3"], arm: Arm) -> Float[np.ndarray, "rings 3"]:
        """The arm's centre line from the wrist to its end, in metres."""
        return hand_verts[self.ring].mean(0) + _centre_line(self._at_m(arm), arm)[1]

    def tint(self, skin_tint: np.ndarray, skin_albedo: np.ndarray, arm: Arm) -> np.ndarray:
        """Linear RGB factor at each vertex; cloth undoes ``skin_albedo``, the texture's colour at the wrist."""
        tint = np.tile(np.asarray(skin_tint, np.float32), (self._num_hand + self._num_rings * len(self.ring) + 1, 1))
        first = self._num_hand + SKIN_RINGS * len(self.ring)
        if arm.sleeve is None:
            tint[first:-1] *= arm.mottle.reshape(-1, 3)
        else:
            cloth = arm.sleeve.colours / np.maximum(skin_albedo, 0.01)
            tint[first:-1] = np.repeat(cloth, len(self.ring), 0)
            tint[-1] = cloth[-1]
        return tint

    def _at_m(self, arm: Arm) -> np.ndarray:
        """Distance of each ring behind the wrist ring."""
        start = 0.0 if arm.sleeve is None else arm.sleeve.start_m
        skin_end = max(start, 0.01) + 0.004
        behind = RING_AT_M + (skin_end + 0.004 if arm.sleeve is None else start)
        return np.concatenate([np.linspace(0, skin_end, SKIN_RINGS + 1)[1:], behind])

    def _rings(self, arm: Arm) -> tuple[np.ndarray, np.ndarray]:
        """Distance of each ring behind the wrist ring, and its radii relative to the wrist's (y, z) x ring."""
        at_m = self._at_m(arm)
        swell = arm.girth * np.clip(at_m / 0.17, 0, 1) ** 1.3
        radii = np.stack([1 + 0.75 * swell, 1 + 0.5 * swell])[..., None] * np.ones(len(self.ring))
        if arm.sleeve is None:
            radii[:, SKIN_RINGS:] *= arm.muscles
        else:
            radii[:, SKIN_RINGS:] *= arm.sleeve.width * arm.sleeve.folds
        return at_m, radii

    def _arm_faces(self, faces: np.ndarray, uv_faces: np.ndarray, edges: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Triangles of the arm, ring by ring, then the end; their texture corners repeat the wrist edge's."""
        wrist_uv = edge_corners(faces, uv_faces, edges)
        n = len(edges)
        geometry, texture = [], []
        for k in range(self._num_rings + 1):
            near = (
                edges
                if k == 0
                else self._num_hand + (k - 1) * n + np.stack([np.arange(n), np.roll(np.arange(n), -1)], 1)
            )
            far = self._num_hand + k * n
            for i, ((a, b), (ta, tb)) in enumerate(zip(near, wrist_uv, strict=True)):
                if k == self._num_rings:
                    geometry.append((b, a, far))
                    texture.append((tb, ta, ta))
                    continue
                geometry += [(b, a, far + i), (b, far + i, far + (i + 1) % n)]
                texture += [(tb, ta, ta), (tb, ta, tb)]
        return np.array(geometry), np.array(texture)

    def _arm_parts(self, first_sleeve_ring: int) -> np.ndarray:
        ring_of_face = np.concatenate(
            [np.repeat(np.arange(self._num_rings), 2 * len(self.ring)), np.full(len(self.ring), self._num_rings - 1)]
        )
        return np.where(ring_of_face >= first_sleeve_ring, SLEEVE, FOREARM).astype(np.uint8)


def _centre_line(at_m: np.ndarray, arm: Arm) -> tuple[np.ndarray, np.ndarray]:
    """Orientation of each ring and its centre relative to the wrist ring's."""
    wrist = np.clip(at_m / WRIST_M, 0, 1)
    elbow = np.clip((at_m - ELBOW_M[0]) / (ELBOW_M[1] - ELBOW_M[0]), 0, 1)
    directions = turns_about(arm.wrist_bend, wrist) @ turns_about(arm.elbow_bend, elbow)
    steps = np.diff(at_m, prepend=0.0)[:, None] * directions[:, :, 0]
    return directions, np.cumsum(steps, 0)


def turns_about(full_turn: Float[np.ndarray, "3"], shares: Float[np.ndarray, "steps"]) -> np.ndarray:
    """Rotation matrices of ``shares`` of one axis-angle turn (Rodrigues' formula), steps x 3 x 3."""
    angle = float(np.linalg.norm(full_turn))
    x, y, z = full_turn / max(angle, 1e-12)
    cross = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    turned = (shares * angle)[:, None, None]
    return np.eye(3) + np.sin(turned) * cross + (1 - np.cos(turned)) * (cross @ cross)


def _hand_parts(arrays: ManoArrays, faces: np.ndarray) -> np.ndarray:
    """Part of each hand face: its strongest skinning joint, or the forearm behind the wrist joint."""
    parts = skinning_parts(arrays, faces)
    wrist_x = (np.asarray(arrays.J_regressor) @ arrays.v_template)[WRIST, 0]
    behind = arrays.v_template[faces].mean(1)[:, 0] > wrist_x + HAND_END_M
    return np.where((parts == 1) & behind, FOREARM, parts).astype(np.uint8)
