"""A hand without an arm: the mesh ends at the wrist with a flat lid, for comparison with hands that have one."""

import numpy as np
from jaxtyping import Float

from synth.hand import ManoArrays
from synth.render.renderer import MeshTopology
from synth.scene.arm.wrist_boundary import edge_corners, find_wrist_ring, skinning_parts


class CutWrist:
    """Closes one hand model at the wrist.

    Attributes:
        topology: The hand's faces and the lid; nothing of it is called forearm.
        ring_uv: Texture coordinates around the wrist.
    """

    def __init__(self, arrays: ManoArrays, uv: Float[np.ndarray, "corners 2"], uv_faces: np.ndarray):
        faces = np.asarray(arrays.faces, np.int64)
        keep, edges = find_wrist_ring(faces, arrays.v_template)
        self._ring, self._num_hand = edges[:, 0], len(arrays.v_template)
        kept, kept_uv = faces[keep], np.asarray(uv_faces)[keep]
        parts = skinning_parts(arrays, kept)
        lid = [(b, a, self._num_hand) for a, b in edges]
        lid_uv = [(tb, ta, ta) for ta, tb in edge_corners(kept, kept_uv, edges)]
        self.ring_uv = np.asarray(uv)[np.array(lid_uv)[:, 0]]
        self.topology = MeshTopology(
            faces=np.concatenate([kept, lid]).astype(np.int32),
            uv=np.asarray(uv, np.float32),
            uv_faces=np.concatenate([kept_uv, lid_uv]).astype(np.int32),
            face_parts=np.concatenate([parts, np.ones(len(lid), np.uint8)]),
        )

    def close(self, hand_verts: Float[np.ndarray, "hand 3"]) -> Float[np.ndarray, "verts 3"]:
        """All vertices in metres: the hand's, and the middle of the lid."""
        return np.concatenate([hand_verts, hand_verts[self._ring].mean(0, keepdims=True)])

    def tint(self, skin_tint: Float[np.ndarray, "3"]) -> Float[np.ndarray, "verts 3"]:
        """Linear RGB factor at each vertex."""
        return np.tile(np.asarray(skin_tint, np.float32), (self._num_hand + 1, 1))
