"""The arrays of one hand in MANO's format; reading them is ``hand_file.py``, posing them ``model.py``."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from synth.common.conventions import MANO_JOINT_NAMES

NUM_BETAS = 10
NUM_PARTS = len(MANO_JOINT_NAMES)


@dataclass(frozen=True, eq=False)
class ManoArrays:
    """A right hand in MANO's format, flat at zero pose, metres, axes as ``conventions`` has them.

    Attributes:
        name: ``open``, or the file's stem: recorded with the data.
        licence: The file's own licence note.
        v_template: Vertices of the mean shape.
        shapedirs: Displacement of each vertex for each unit of beta.
        posedirs: Displacement for each element of R - I of joints 1 to 15.
        J_regressor: Joints as weighted sums of vertices.
        weights: Skinning weights.
        parents: Parent of each joint, -1 for the wrist.
        faces: Triangles, counter-clockwise seen from outside.
        tip_vertex_ids: Fingertip vertices, thumb to little finger.
        uv: Texture coordinates in [0, 1], v up; None when the file has none (MANO's has not).
        uv_faces: Ids into ``uv`` of each triangle's corners, or None.
        hands_mean: Mean pose (axis-angle of joints 1 to 15).
        hands_components: Principal components of the pose, in rows.
        pose_library: Coefficients of poses that the file brings along, or None.
    """

    name: str
    licence: str
    v_template: Float[np.ndarray, "verts 3"]
    shapedirs: Float[np.ndarray, "verts 3 betas"]
    posedirs: Float[np.ndarray, "verts 3 135"]
    J_regressor: Float[np.ndarray, "16 verts"]
    weights: Float[np.ndarray, "verts 16"]
    parents: Int[np.ndarray, "16"]
    faces: Int[np.ndarray, "faces 3"]
    tip_vertex_ids: Int[np.ndarray, "5"]
    uv: Float[np.ndarray, "corners 2"] | None
    uv_faces: Int[np.ndarray, "faces 3"] | None
    hands_mean: Float[np.ndarray, "45"]
    hands_components: Float[np.ndarray, "components 45"]
    pose_library: Float[np.ndarray, "poses components"] | None

    def rest_joints(self) -> Float[np.ndarray, "16 3"]:
        """Joints of the mean shape at zero pose, MANO order, metres."""
        return (self.J_regressor @ self.v_template).astype(np.float64)

    def rest_tips(self) -> Float[np.ndarray, "5 3"]:
        """Fingertips of the mean shape at zero pose, thumb to little finger, metres."""
        return self.v_template[self.tip_vertex_ids].astype(np.float64)
