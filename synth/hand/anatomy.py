"""22 anatomical angles of a hand, their limits, and the way from them to axis-angle poses and back.

Signs: flexion bends a finger towards the palm; abduction of a finger moves it towards the thumb, abduction of the
thumb lifts it out of the palm's plane; twist of the thumb turns its nail away from the fingers. 0 is the flat hand.
Limits are active ranges of motion as handbooks of goniometry give them (Norkin & White), widened a little for the
thumb, whose saddle joint is modelled by three angles here.
"""

from dataclasses import dataclass

import numba
import numpy as np
from jaxtyping import Float
from scipy.spatial.transform import Rotation

from synth.common.conventions import FINGERS, MANO_JOINT_NAMES, MANO_PARENTS
from synth.hand.arrays import ManoArrays
from synth.hand.joints import ORDERS

ANGLE_FINGERS = ("index", "middle", "ring", "little")
_FINGER_LIMITS = {
    "mcp_flexion": (-20.0, 92.0),
    "mcp_abduction": (-20.0, 22.0),
    "pip_flexion": (-3.0, 110.0),
    "dip_flexion": (-6.0, 82.0),
}
_THUMB_LIMITS = {
    "cmc_flexion": (-14.0, 48.0),
    "cmc_abduction": (-10.0, 50.0),
    "cmc_twist": (-8.0, 45.0),
    "mcp_flexion": (-12.0, 60.0),
    "mcp_abduction": (-12.0, 12.0),
    "ip_flexion": (-20.0, 82.0),
}
JOINT_LIMITS: dict[str, tuple[float, float]] = {
    **{f"{finger}_{key}": limit for finger in ANGLE_FINGERS for key, limit in _FINGER_LIMITS.items()},
    **{f"thumb_{key}": limit for key, limit in _THUMB_LIMITS.items()},
}
"""Smallest and largest value of each angle in degrees."""
ANGLE_NAMES = tuple(JOINT_LIMITS)
NUM_ANGLES = len(ANGLE_NAMES)
LOWER_DEG, UPPER_DEG = np.array(list(JOINT_LIMITS.values())).T

_TO_OURS = np.argsort(ORDERS["mano_tips"])
_BASES = np.array([MANO_JOINT_NAMES.index(f"{finger}1") for finger in ANGLE_FINGERS])
_THUMB = MANO_JOINT_NAMES.index("thumb1")
_LAST_JOINTS = tuple(MANO_JOINT_NAMES.index(f"{finger}3") for finger in FINGERS)
_PARENTS_AND_TIPS = np.array(MANO_PARENTS + _LAST_JOINTS)


@dataclass(frozen=True, eq=False)
class HandAxes:
    """What the angles turn about in one hand at rest.

    Attributes:
        frames: For each MANO joint three unit column vectors: backwards along the bone, towards the back of the hand
            (for the thumb: towards its nail), and the axis of flexion.
        rest_joints: 16 joints in MANO order and 5 tips from thumb to little finger, metres.
    """

    frames: Float[np.ndarray, "16 3 3"]
    rest_joints: Float[np.ndarray, "21 3"]

    @staticmethod
    def of(arrays: ManoArrays) -> "HandAxes":
        """Axes of the mean shape of ``arrays``."""
        joints, tips = arrays.rest_joints(), arrays.rest_tips()
        frames = np.tile(np.eye(3), (16, 1, 1))
        for joint, name in enumerate(MANO_JOINT_NAMES[1:], start=1):
            finger, segment = name[:-1], int(name[-1])
            end = joints[joint + 1] if segment < 3 else tips[FINGERS.index(finger)]
            # MANO's up axes: (0, 1, 0) for the fingers and (1, 1, 1) for the thumb (manotorch, AxisLayer)
            up = np.array([1.0, 1.0, 1.0] if finger == "thumb" else [0.0, 1.0, 0.0])
            frames[joint] = _frame(joints[joint] - end, up)
        return HandAxes(frames=frames, rest_joints=np.concatenate([joints, tips]))

    def joints(self, pose_aa: Float[np.ndarray, "16 3"]) -> Float[np.ndarray, "21 3"]:
        """Joints of the mean shape in a pose, our order, metres."""
        return self.turned_joints(Rotation.from_rotvec(pose_aa).as_matrix())

    def turned_joints(self, turns: Float[np.ndarray, "16 3 3"]) -> Float[np.ndarray, "21 3"]:
        """``joints`` for a pose that is given as rotation matrices."""
        return _forward_kinematics(np.ascontiguousarray(turns), self.rest_joints)[_TO_OURS]


def pose_from_angles(angles_deg: Float[np.ndarray, "22"], axes: HandAxes) -> Float[np.ndarray, "16 3"]:
    """Axis-angle pose in MANO order of anatomical angles in degrees (order ``ANGLE_NAMES``); the wrist is zero."""
    return Rotation.from_matrix(turns_from_angles(angles_deg, axes)).as_rotvec()


def turns_from_angles(angles_deg: Float[np.ndarray, "22"], axes: HandAxes) -> Float[np.ndarray, "16 3 3"]:
    """``pose_from_angles`` as rotation matrices: abduction, then flexion, then twist about the turned axes."""
    flexion, abduction, twist = np.zeros((3, 16))
    fingers = np.radians(angles_deg[:16]).reshape(4, 4)
    flexion[_BASES], abduction[_BASES] = fingers[:, 0], fingers[:, 1]
    flexion[_BASES + 1], flexion[_BASES + 2] = fingers[:, 2], fingers[:, 3]
    thumb = np.radians(angles_deg[16:])
    flexion[_THUMB : _THUMB + 3] = thumb[[0, 3, 5]]
    abduction[_THUMB : _THUMB + 2] = thumb[[1, 4]]
    twist[_THUMB] = thumb[2]
    return axes.frames @ _local_turns(flexion, abduction, twist) @ axes.frames.transpose(0, 2, 1)


def angles_from_pose(pose_aa: Float[np.ndarray, "16 3"], axes: HandAxes) -> Float[np.ndarray, "22"]:
    """Anatomical angles in degrees of a pose: the inverse of ``pose_from_angles``.

    What a pose has beyond the 22 angles (twist of a finger, abduction of a PIP joint) is left out.
    """
    turned = Rotation.from_rotvec(pose_aa).as_matrix()
    local = axes.frames.transpose(0, 2, 1) @ turned @ axes.frames
    # without twist these hold beyond 90 degrees of flexion too, where Euler angles of three turns would flip
    flexion = np.degrees(np.arctan2(local[:, 1, 0], local[:, 1, 1]))
    abduction = np.degrees(np.arctan2(local[:, 0, 2], local[:, 2, 2]))
    fingers = np.stack([flexion[_BASES], abduction[_BASES], flexion[_BASES + 1], flexion[_BASES + 2]], axis=1)
    cmc = Rotation.from_matrix(local[_THUMB]).as_euler("YZX", degrees=True)[[1, 0, 2]]
    mcp_ip = [flexion[_THUMB + 1], abduction[_THUMB + 1], flexion[_THUMB + 2]]
    return np.concatenate([fingers.ravel(), cmc, mcp_ip])


@numba.njit(cache=True, nogil=True)
def _forward_kinematics(turns: np.ndarray, rest: np.ndarray) -> np.ndarray:
    """16 joints and 5 tips (order of ``rest_joints``) for the rotation of each joint in its parent's frame."""
    globals_ = turns.copy()
    posed = rest.copy()
    for child in range(1, 21):
        parent = _PARENTS_AND_TIPS[child]
        for row in range(3):
            posed[child, row] = posed[parent, row]
            for k in range(3):
                posed[child, row] += globals_[parent, row, k] * (rest[child, k] - rest[parent, k])
        if child < 16:
            globals_[child] = 0.0
            for row in range(3):
                for column in range(3):
                    for k in range(3):
                        globals_[child, row, column] += globals_[parent, row, k] * turns[child, k, column]
    return posed


def _local_turns(flexion: np.ndarray, abduction: np.ndarray, twist: np.ndarray) -> np.ndarray:
    """R_y(abduction) R_z(flexion) R_x(twist) for each joint, written out (scipy takes five times as long)."""
    ca, cf, ct = np.cos(abduction), np.cos(flexion), np.cos(twist)
    sa, sf, st = np.sin(abduction), np.sin(flexion), np.sin(twist)
    rows = [
        [ca * cf, sa * st - ca * sf * ct, ca * sf * st + sa * ct],
        [sf, cf * ct, -cf * st],
        [-sa * cf, sa * sf * ct + ca * st, ca * ct - sa * sf * st],
    ]
    return np.moveaxis(np.array(rows), 2, 0)


def _frame(backwards: np.ndarray, up: np.ndarray) -> np.ndarray:
    x = backwards / np.linalg.norm(backwards)
    y = up - (up @ x) * x
    y /= np.linalg.norm(y)
    return np.stack([x, y, np.cross(x, y)], axis=1)
