"""The hand: arrays in MANO's format, the posed model, joint orders, mirroring, poses and shapes."""

from synth.hand.anatomy import ANGLE_NAMES, JOINT_LIMITS, HandAxes, angles_from_pose, pose_from_angles
from synth.hand.arrays import ManoArrays
from synth.hand.hand_file import load_hand, save_hand, skin_files
from synth.hand.joints import ORDERS, bone_lengths, from_ours, to_ours
from synth.hand.mirror import mirror_arrays, mirror_image, mirror_K, mirror_points, mirror_pose
from synth.hand.model import SKINNINGS, HandMesh, HandModel
from synth.hand.pose_file import PoseFile, PoseOptions, load_pose_file
from synth.hand.poses import PoseMixture, PoseSampler, shown_gesture, shows_contact
from synth.hand.shapes import sample_shape

__all__ = [
    "ANGLE_NAMES",
    "JOINT_LIMITS",
    "ORDERS",
    "SKINNINGS",
    "HandAxes",
    "HandMesh",
    "HandModel",
    "ManoArrays",
    "PoseFile",
    "PoseMixture",
    "PoseOptions",
    "PoseSampler",
    "angles_from_pose",
    "bone_lengths",
    "from_ours",
    "load_hand",
    "load_pose_file",
    "mirror_K",
    "mirror_arrays",
    "mirror_image",
    "mirror_points",
    "mirror_pose",
    "pose_from_angles",
    "sample_shape",
    "save_hand",
    "shown_gesture",
    "shows_contact",
    "skin_files",
    "to_ours",
]
