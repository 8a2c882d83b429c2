"""The conventions that every package holds to: units, frames, pixel centres, joint order, handedness, pose.

Units are SI: metres, radians, seconds. Depth is the z coordinate in metres; 0 means "no measurement".
Camera frame: x right, y down, z forward (OpenCV). ``K`` is in pixels; fx and fy may differ.
Pixel (row 0, column 0) has its centre at u = v = 0.
Inside, every hand is a right hand: a left hand is mirrored on reading and mirrored back on writing.
Poses are axis-angle, 16 joints in MANO order, relative to the flat hand.
Hand model frame: fingers along -x, back of the hand +y, thumb side +z; finger flexion is a +z rotation.
"""

FINGERS = ("thumb", "index", "middle", "ring", "little")

JOINT_NAMES = (
    "wrist",
    "thumb_cmc", "thumb_mcp", "thumb_ip", "thumb_tip",
    "index_mcp", "index_pip", "index_dip", "index_tip",
    "middle_mcp", "middle_pip", "middle_dip", "middle_tip",
    "ring_mcp", "ring_pip", "ring_dip", "ring_tip",
    "little_mcp", "little_pip", "little_dip", "little_tip",
)  # fmt: skip
NUM_JOINTS = len(JOINT_NAMES)

JOINT_PARENTS = (-1, 0, 1, 2, 3, 0, 5, 6, 7, 0, 9, 10, 11, 0, 13, 14, 15, 0, 17, 18, 19)
BONES = tuple((parent, child) for child, parent in enumerate(JOINT_PARENTS) if parent >= 0)

WRIST = 0
ROOT_JOINT = JOINT_NAMES.index("middle_mcp")
"""Origin of root-relative poses (Lin et al. 2023, SemiHand)."""

REFERENCE_BONE = (WRIST, ROOT_JOINT)
"""The bone whose length is the unit of scale-free depth: a 2.5D pose gives depth in multiples of it."""

TIP_JOINTS = (4, 8, 12, 16, 20)

MANO_JOINT_NAMES = (
    "wrist",
    "index1", "index2", "index3",
    "middle1", "middle2", "middle3",
    "little1", "little2", "little3",
    "ring1", "ring2", "ring3",
    "thumb1", "thumb2", "thumb3",
)  # fmt: skip
MANO_PARENTS = (-1, 0, 1, 2, 0, 4, 5, 0, 7, 8, 0, 10, 11, 0, 13, 14)

DEPTH_STEP_M = 1e-4
"""Metres per step of the 16-bit depth images on disk."""

PART_NAMES = ("background", *MANO_JOINT_NAMES, "forearm", "sleeve", "occluder", "other_hand")
"""Segmentation ids: 0 is background, 1 to 16 the skinning parts of the hand in MANO order, then the rest."""
HAND_PARTS = range(1, 17)

RIGHT, LEFT, UNKNOWN = "right", "left", "unknown"
