"""How much predicted joints tremble in video: mean acceleration over frames, with no label needed."""

from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Float


@dataclass
class Jitter:
    """Length of the second difference of each joint's place, averaged over joints and frames of one hand after another.

    Attributes:
        frames: Triples of frames that were counted.
        sum_px: Sum over them in px per frame^2.
        sum_boxes: Sum over them in sides of the hand's box per frame^2.
    """

    frames: int = 0
    sum_px: float = 0.0
    sum_boxes: float = 0.0
    _past: list[np.ndarray] = field(default_factory=list)

    def add(self, joints_px: Float[np.ndarray, "21 2"], box_side_px: float) -> None:
        """The hand in the next frame; its box's side is that of the prediction, not of the smoothed one."""
        self._past = [*self._past[-2:], np.asarray(joints_px, np.float64)]
        if len(self._past) < 3:
            return
        before, now, after = self._past
        length = float(np.linalg.norm(after - 2 * now + before, axis=1).mean())
        self.frames += 1
        self.sum_px += length
        self.sum_boxes += length / max(1.0, box_side_px)

    def end_of_track(self) -> None:
        """The hand is lost: the next one has no past."""
        self._past = []

    def __add__(self, other: "Jitter") -> "Jitter":
        return Jitter(self.frames + other.frames, self.sum_px + other.sum_px, self.sum_boxes + other.sum_boxes)

    def to_json(self) -> dict[str, float | int | None]:
        """Means; None where no hand was followed for three frames."""
        count = self.frames or None
        return {
            "frames": self.frames,
            "px_per_frame2": round(self.sum_px / count, 3) if count else None,
            "box_sides_per_frame2": round(self.sum_boxes / count, 5) if count else None,
        }
