"""Predictions as JSON: what every field is, in which frame and unit, stands in docs/predict.md and in the file itself.

One file for each photo; for a video one line for each frame, and what is the same for all frames in the summary.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float

from dualmod.checkpoints.checkpoint import read_notes
from dualmod.geometry.lifting import assumed_K
from dualmod.geometry.metric_root import MEANINGS
from dualmod.inference.top_down import PREDICTED, EstimatedHand
from synth.common.conventions import JOINT_NAMES
from synth.common.files import written_atomically
from synth.dataset.shards import file_sha256

FORMAT = "handbridge-prediction-1"
PIXEL_FRAME = "the upright image as viewers show it; x right, y down, the first pixel's centre is (0, 0)"
TURNED = "; the stored pixels are turned by the file's EXIF orientation"
CAMERA_FRAME = "x right, y down, z forward, metres"
PX_DIGITS, M_DIGITS, SHARE_DIGITS = 2, 5, 4
NOT_RECORDED = "not recorded"
"""Hand model of a checkpoint that does not tell it."""


@dataclass(frozen=True)
class Origin:
    """What made a prediction.

    Attributes:
        checkpoint: The network's file.
        sha256: Its checksum.
        hand_model: Hand that it was trained with; its joints define the predicted ones.
        detector: Who found the hands: ``given``, ``detector`` or ``windows``.
    """

    checkpoint: str
    sha256: str
    hand_model: str
    detector: str

    @classmethod
    def of(cls, checkpoint: str | Path, detector: str) -> "Origin":
        """Read from the checkpoint's file."""
        return cls(str(checkpoint), file_sha256(checkpoint), hand_model_of(read_notes(checkpoint)), detector)

    def to_json(self) -> dict[str, str]:
        return {"file": self.checkpoint, "sha256": self.sha256, "hand_model": self.hand_model}


def prediction_json(
    hands: Sequence[EstimatedHand],
    *,
    file: str,
    size_px: tuple[int, int],
    exif_orientation: int,
    K: Float[np.ndarray, "3 3"] | None,
    origin: Origin,
    handedness: str,
) -> dict[str, Any]:
    """Everything that one photo's file says."""
    return {
        "format": FORMAT,
        "file": file,
        "width": size_px[0],
        "height": size_px[1],
        "exif_orientation": exif_orientation,
        "pixel_frame": PIXEL_FRAME + (TURNED if exif_orientation != 1 else ""),
        "camera_frame": CAMERA_FRAME,
        "camera": camera_json(K, size_px),
        "detector": origin.detector,
        "checkpoint": origin.to_json(),
        "joint_names": list(JOINT_NAMES),
        "hands": [hand_json(hand, handedness) for hand in hands],
    }


def camera_json(K: Float[np.ndarray, "3 3"] | None, size_px: tuple[int, int]) -> dict[str, Any]:
    """The intrinsics that were used, and whether they were given or assumed."""
    used = assumed_K(*size_px) if K is None else K
    return {"K": _rounded(used, PX_DIGITS), "source": "assumed" if K is None else "given"}


def hand_json(hand: EstimatedHand, handedness: str) -> dict[str, Any]:
    """One hand.

    Args:
        hand: The hand.
        handedness: The option: ``predicted``, ``left`` or ``right``.
    """
    placed = hand.placed
    return {
        "handedness": hand.handedness,
        "handedness_source": PREDICTED if handedness == PREDICTED else "given",
        "right_probability": round(hand.right_probability, SHARE_DIGITS),
        "confidence": round(float(hand.confidence.mean()), SHARE_DIGITS),
        "box_px": _rounded(hand.box.box_px, PX_DIGITS),
        "box_source": hand.box_source,
        "box_score": round(hand.box.score, SHARE_DIGITS),
        "box_right_probability": round(hand.box.right_probability, SHARE_DIGITS),
        "joints_px": _rounded(hand.joints_px, PX_DIGITS),
        "joint_confidence": _rounded(hand.confidence, SHARE_DIGITS),
        "joints_cam": _rounded(placed.joints_cam, M_DIGITS),
        "scale": placed.scale,
        "scale_meaning": MEANINGS[placed.scale],
        "root_cam": None if placed.root_cam is None else _rounded(placed.root_cam, M_DIGITS),
        "bone_m": round(placed.bone_m, M_DIGITS),
        "depth_joints": placed.depth_joints,
    }


def write_json(path: Path, values: dict[str, Any]) -> None:
    """Write or replace a JSON file; it is never half-written."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with written_atomically(path) as partial:
        partial.write_text(json.dumps(values, indent=1) + "\n")


def _rounded(values: np.ndarray, digits: int) -> list:
    return np.round(np.asarray(values, np.float64), digits).tolist()


def hand_model_of(notes: dict[str, Any]) -> str:
    """The hand model of a checkpoint, or of the one that it was trained on from."""
    start = notes.get("start")
    return str(notes.get("hand_model") or (hand_model_of(start) if isinstance(start, dict) else NOT_RECORDED))
