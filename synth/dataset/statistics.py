"""Numbers that show what a dataset contains: flexion, view direction, counts of what was drawn."""

from collections import Counter
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from synth.common.conventions import FINGERS
from synth.dataset.sample import HandSample
from synth.sensor import FAULTS


@dataclass(frozen=True)
class SampleStatistics:
    """One sample's numbers.

    Attributes:
        flexion_deg: Total bend of each finger, thumb first; 0 is straight.
        palm_cam: Unit normal of the palm (out of the palm), camera frame.
        joints_share: Joints in image sides.
        fill: Longer side of the joints' box in image sides.
        visible_share: Share of the joints that are visible.
        drawn: What was drawn by name (skin, light, ...), as text.
    """

    flexion_deg: Float[np.ndarray, "5"]
    palm_cam: Float[np.ndarray, "3"]
    joints_share: Float[np.ndarray, "21 2"]
    fill: float
    visible_share: float
    drawn: dict[str, str]


COUNTED = ("pose", "contact", "view", "light", "background", "skin", "arm", "sleeve", "occluder", "held",
           "second_hand", "photo_edge",
           *(f"camera_{name}" for name in FAULTS))  # fmt: skip


def sample_statistics(sample: HandSample) -> SampleStatistics:
    """The numbers of one sample."""
    height, width = sample.rgb.shape[:2]
    joints_share = (sample.joints_px + 0.5) / [width, height]
    scene = sample.scene
    drawn = {key: str(scene[key]) for key in COUNTED if key in scene}
    if drawn.get("pose", "").startswith("file:"):
        drawn["pose"] = "file"  # not each of its rows
    if "photo_edge" in scene:
        drawn["photo_edge"] = str(scene["photo_edge"] is not None)
    return SampleStatistics(
        flexion_deg=finger_flexion_deg(sample.joints_cam),
        palm_cam=palm_normal(sample.joints_cam),
        joints_share=joints_share,
        fill=float(np.ptp(joints_share, axis=0).max()),
        visible_share=float(sample.visible.mean()),
        drawn=drawn,
    )


def finger_flexion_deg(joints_cam: Float[np.ndarray, "21 3"]) -> Float[np.ndarray, "5"]:
    """Sum of the angles between successive bones of each finger, from the wrist to the tip, degrees."""
    flexion = []
    for finger in range(len(FINGERS)):
        chain = joints_cam[[0, *range(1 + 4 * finger, 5 + 4 * finger)]]
        bones = np.diff(chain, axis=0)
        bones = bones / np.linalg.norm(bones, axis=1, keepdims=True)
        cosines = np.clip((bones[1:] * bones[:-1]).sum(1), -1, 1)
        flexion.append(np.degrees(np.arccos(cosines)).sum())
    return np.array(flexion)


def palm_normal(joints_cam: Float[np.ndarray, "21 3"]) -> Float[np.ndarray, "3"]:
    """Unit vector out of a right hand's palm."""
    index, little = joints_cam[5] - joints_cam[0], joints_cam[17] - joints_cam[0]
    normal = np.cross(index, little)
    return normal / np.linalg.norm(normal)


def counts(statistics: list[SampleStatistics], key: str, most: int = 24) -> list[tuple[str, int]]:
    """How often each value of ``key`` was drawn, the most frequent first."""
    return Counter(s.drawn[key] for s in statistics if key in s.drawn).most_common(most)
