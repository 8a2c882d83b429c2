"""Hands and bodies for the tests of the build, made of the open hand, without Anny."""

import numpy as np
from scipy.spatial.transform import Rotation

from synth.hand import ManoArrays, load_hand
from synth.hand.build.cut import Hands
from synth.hand.build.rest_pose import TIP_FINGERS
from synth.hand.build.skinning import global_turns, skin

FINGER_OF_TIP = ("thumb", "index", "middle", "ring", "little")


def open_hand() -> ManoArrays:
    return load_hand("open")


def hands_of(arrays: ManoArrays, betas: np.ndarray, poses_aa: np.ndarray | None = None) -> Hands:
    """The open hand in some shapes and poses as if it had been cut out of as many bodies."""
    verts, joints, tips = [], [], []
    regressor, weights = arrays.J_regressor.astype(np.float64), arrays.weights.astype(np.float64)
    tip_ids = arrays.tip_vertex_ids[[FINGER_OF_TIP.index(finger) for finger in TIP_FINGERS]]
    for row, beta in enumerate(betas):
        rest = arrays.v_template + arrays.shapedirs.astype(np.float64) @ beta
        pose = np.zeros((16, 3)) if poses_aa is None else poses_aa[row]
        posed = skin(rest, regressor @ rest, weights, global_turns(Rotation.from_rotvec(pose).as_matrix()))
        verts.append(posed.verts)
        joints.append(posed.joints)
        tips.append(posed.verts[tip_ids])
    return Hands(
        verts=np.array(verts), joints=np.array(joints), tips=np.array(tips), weights=weights, faces=arrays.faces,
        num_skin_faces=len(arrays.faces) - 60, pinned=np.arange(len(weights)) >= len(weights) - 21,
        base_ids=np.arange(len(weights)), is_adult=np.ones(len(betas), bool),
    )  # fmt: skip
