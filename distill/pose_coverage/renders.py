"""What coverage knows of renders: the poses of a dataset and what they were drawn as, from the labels alone."""

import json
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Bool, Float

from distill.pose_coverage.box_poses import box_poses
from synth.common.conventions import LEFT, NUM_JOINTS
from synth.dataset import SampleStore

GESTURE_PREFIX = "gesture:"


@dataclass(frozen=True)
class Renders:
    """The renders of a dataset; row i is its sample i.

    Attributes:
        joints_px: As the picture shows them.
        is_left: Which hands are left ones.
        drawn_poses: Names of what the poses were drawn from: of a gesture, else of a kind such as ``synergy``.
        drawn_views: Names of the views.
    """

    joints_px: Float[np.ndarray, "renders 21 2"]
    is_left: Bool[np.ndarray, "renders"]
    drawn_poses: tuple[str, ...]
    drawn_views: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.joints_px)

    @property
    def poses(self) -> Float[np.ndarray, "renders 21 2"]:
        """``box_poses`` of all."""
        return box_poses(self.joints_px, self.is_left)


def read_renders(store: SampleStore) -> Renders:
    """All renders of a dataset, without decoding an image.

    Raises:
        ValueError: when a sample has no labels, or ones that cannot be decoded.
    """
    joints_px = np.empty((len(store), NUM_JOINTS, 2), np.float32)
    is_left, poses, views = np.empty(len(store), bool), [], []
    for row in range(len(store)):
        label = labels_of(store, row)
        joints_px[row], is_left[row] = label["joints_px"], label["handedness"] == LEFT
        poses.append(_pose_name(str(label["scene"].get("pose", ""))))
        views.append(str(label["scene"].get("view", "")))
    return Renders(joints_px, is_left, tuple(poses), tuple(views))


def labels_of(store: SampleStore, position: int) -> dict[str, Any]:
    """The labels of one sample, as they are on disk.

    Raises:
        ValueError: when they are missing or cannot be decoded.
    """
    member = store.member(position, "json")
    try:
        return json.loads(member)
    except ValueError as error:
        raise ValueError(f"sample {position}: member json cannot be decoded: {error}; generate it anew") from error


def _pose_name(drawn: str) -> str:
    """The gesture's own name, or the kind alone: which two gestures a pose lies between says little."""
    return drawn.removeprefix(GESTURE_PREFIX) if drawn.startswith(GESTURE_PREFIX) else f"({drawn.partition(':')[0]})"
