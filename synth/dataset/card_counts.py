"""A dataset in numbers: what was drawn and how often, and how large, near, visible and light the hands are."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Float
from skimage.color import rgb2lab

from synth.common.conventions import BONES, HAND_PARTS, ROOT_JOINT
from synth.dataset.sample import HandSample
from synth.dataset.statistics import sample_statistics
from synth.hand import bone_lengths, shown_gesture

MIDDLE_FINGER_BONES = [BONES.index(bone) for bone in ((0, 9), (9, 10), (10, 11), (11, 12))]


@dataclass
class Census:
    """What is in the samples that were counted.

    Attributes:
        num_counted: Samples counted.
        numbers: Label with unit -> one number for each sample in which it is known.
        kinds: What was drawn -> how often each kind of it was.
        presence: Things that are there or not -> samples in which they are there.
        handedness: Samples of each hand.
        gesture_views: Named gesture -> how often each view of it was drawn.
    """

    num_counted: int = 0
    numbers: dict[str, list[float]] = field(default_factory=dict)
    kinds: dict[str, Counter[str]] = field(default_factory=dict)
    presence: dict[str, int] = field(default_factory=dict)
    handedness: Counter[str] = field(default_factory=Counter)
    gesture_views: dict[str, Counter[str]] = field(default_factory=dict)

    def add(self, sample: HandSample) -> None:
        """Count one sample."""
        self.num_counted += 1
        self.handedness[sample.handedness] += 1
        for label, value in measured(sample).items():
            self.numbers.setdefault(label, []).append(value)
        for key, value in sample.scene.items():
            self._count_drawn(key, value)
        gesture = shown_gesture(str(sample.scene.get("pose", "")))
        if gesture is not None and "view" in sample.scene:
            self.gesture_views.setdefault(gesture, Counter())[str(sample.scene["view"])] += 1

    def shares(self, key: str) -> list[tuple[str, float]]:
        """Kinds of what was drawn under ``key`` with their shares, the most frequent first."""
        counted = self.kinds.get(key, Counter())
        return [(kind, count / counted.total()) for kind, count in counted.most_common()]

    def _count_drawn(self, key: str, value: object) -> None:
        """Texts are kinds (what stands after a colon is their detail), numbers are numbers, all else is there or not;
        a factor that is drawn anew one day is counted without a change here."""
        if isinstance(value, str):
            self.kinds.setdefault(key, Counter())[value.partition(":")[0]] += 1
        elif isinstance(value, int | float) and not isinstance(value, bool):
            self.numbers.setdefault(f"{key} as drawn", []).append(float(value))
        else:
            self.presence[key] = self.presence.get(key, 0) + (value is not None and value is not False)


def take_census(samples: Iterable[HandSample]) -> Census:
    """Count all ``samples``."""
    census = Census()
    for sample in samples:
        census.add(sample)
    return census


def measured(sample: HandSample) -> dict[str, float]:
    """What can be measured on one sample, by label with unit; what it does not show is left out."""
    statistics = sample_statistics(sample)
    height, width = sample.rgb.shape[:2]
    corner = np.array([width, height]) - 0.5
    inside = np.all((sample.joints_px > -0.5) & (sample.joints_px < corner), axis=1)
    values = {
        "longer side of the joints' box, px": float(np.ptp(sample.joints_px, axis=0).max()),
        "longer side of the joints' box, image sides": statistics.fill,
        "visible joints of 21": float(sample.visible.sum()),
        "joints outside of the image": float((~inside).sum()),
        "distance of the middle knuckle, m": float(sample.joints_cam[ROOT_JOINT, 2]),
        "focal length, image sides": float(sample.K[0, 0] / width),
        "wrist to middle fingertip along the bones, cm": _length_cm(sample.joints_cam),
        "bend of the four fingers, mean, degrees": float(statistics.flexion_deg[1:].mean()),
        "palm towards the camera, cosine": -float(statistics.palm_cam[2]),
    }
    on_hand = (sample.segmentation >= HAND_PARTS.start) & (sample.segmentation < HAND_PARTS.stop)
    if on_hand.any():
        median_srgb = np.median(sample.rgb[on_hand], axis=0) / 255
        values["lightness L* of the hand in the image"] = float(rgb2lab(median_srgb[None, None])[0, 0, 0])
        values["hand's pixels, share of the image"] = float(on_hand.mean())
    depth = sample.depth_m[on_hand & (sample.depth_m > 0)]
    if depth.size:
        values["nearest depth on the hand, m"] = float(depth.min())
        values["farthest depth on the hand, m"] = float(depth.max())
        values["hand's pixels with depth, share"] = depth.size / float(on_hand.sum())
    return values


def _length_cm(joints_cam: Float[np.ndarray, "21 3"]) -> float:
    return float(100 * bone_lengths(joints_cam)[MIDDLE_FINGER_BONES].sum())
