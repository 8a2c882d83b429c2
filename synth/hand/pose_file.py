"""Poses that the user brings along: an npz of axis-angle poses in MANO's order as one more source of poses.

They are posed as they stand, without noise, limits or a test for collision: whoever measured them knows better.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float

from synth.common.config import check, option
from synth.common.files import read_npz, require_file
from synth.hand.arrays import NUM_PARTS, ManoArrays
from synth.hand.poses import PoseMixture

FLAT, HAND_MEAN = "flat", "hand_mean"
SHAPES = f"N x {3 * (NUM_PARTS - 1)}, N x {NUM_PARTS - 1} x 3 or N x {NUM_PARTS} x 3"
LARGEST_TURN = 2 * np.pi
"""Radians; no axis-angle pose needs more, and degrees soon exceed it."""


@dataclass
class PoseOptions(PoseMixture):
    """The kinds of poses, and a file of the user's own."""

    file: str = option("", "npz of one's own poses: array poses (docs/own_hand.md); empty: none")
    file_share: float = option(0.5, "share of images whose pose comes from file; the kinds above share the rest")
    file_relative_to: str = option(
        FLAT, "what the file's poses are relative to: flat (the flat hand) or hand_mean (hands_mean of the hand)"
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        check(0 <= self.file_share <= 1, "poses.file_share", self.file_share, "in [0, 1]")
        legal = (FLAT, HAND_MEAN)
        check(self.file_relative_to in legal, "poses.file_relative_to", self.file_relative_to, f"one of {legal}")


@dataclass(frozen=True, eq=False)
class PoseFile:
    """Poses of a file.

    Attributes:
        poses_aa: Axis-angle in MANO's order relative to the flat hand, the wrist zero.
        share: Of the samples that take one of them.
    """

    poses_aa: Float[np.ndarray, "poses 16 3"]
    share: float

    def sample(self, rng: np.random.Generator) -> tuple[Float[np.ndarray, "16 3"], str]:
        """One of the poses, all equally often, and its source ``file:ROW``."""
        row = int(rng.integers(len(self.poses_aa)))
        return self.poses_aa[row], f"file:{row}"


def load_pose_file(options: PoseOptions, arrays: ManoArrays) -> PoseFile | None:
    """The poses of ``options.file``; None when it names no file.

    The array ``poses`` holds axis-angle in radians of a right hand: joints 1 to 15, or all 16, whose first (the wrist)
    is left out, because the view is drawn. What they are relative to is added: the file's ``mean`` (45 radians) if it
    has one; else nothing, or ``hands_mean`` of the hand with ``file_relative_to=hand_mean``.

    Raises:
        FileNotFoundError: when the file does not exist.
        ValueError: when it is no npz, lacks ``poses``, or holds poses of another shape or that no hand can take.
    """
    if not options.file:
        return None
    path = require_file(options.file, "poses.file")
    found = read_npz(path, "poses.file", ("poses", "mean"), f"give axis-angle poses under the name poses, {SHAPES}")
    joints = _joints(path, "poses", found["poses"])
    joints = joints + _mean(path, found, options.file_relative_to, arrays)
    poses_aa = np.concatenate([np.zeros((len(joints), 1, 3)), joints], axis=1)
    return PoseFile(poses_aa, options.file_share)


def _joints(path: Path, key: str, array: np.ndarray) -> Float[np.ndarray, "poses 15 3"]:
    """Turns of joints 1 to 15 from any of the three shapes."""
    count = len(array) if array.ndim else 0
    legal = ((count, 3 * (NUM_PARTS - 1)), (count, NUM_PARTS - 1, 3), (count, NUM_PARTS, 3))
    if array.shape not in legal or count == 0:
        raise ValueError(f"poses.file={path}: {key} has shape {array.shape}, and it must be {SHAPES}")
    if array.dtype.kind not in "fiu" or not np.isfinite(array).all():
        raise ValueError(f"poses.file={path}: {key} holds values that are no finite numbers; leave such poses out")
    joints = array.reshape(count, -1, 3).astype(np.float64)[:, -(NUM_PARTS - 1) :]
    turns = np.linalg.norm(joints, axis=2)
    if turns.max() > LARGEST_TURN:
        raise ValueError(
            f"poses.file={path}: {key} turns a joint by {turns.max():.4g} (pose {turns.max(1).argmax()}), and it must "
            f"be at most 6.28; give axis-angle in radians, not degrees"
        )
    return joints


def _mean(path: Path, found: dict[str, np.ndarray], relative_to: str, arrays: ManoArrays) -> np.ndarray:
    if "mean" not in found:
        return arrays.hands_mean.reshape(-1, 3).astype(np.float64) if relative_to == HAND_MEAN else np.zeros((1, 3))
    if relative_to == HAND_MEAN:
        raise ValueError(
            f"poses.file={path} brings its own mean, and poses.file_relative_to={HAND_MEAN} would add a second one; "
            f"leave out one of them"
        )
    if found["mean"].shape not in ((3 * (NUM_PARTS - 1),), (NUM_PARTS - 1, 3)):
        raise ValueError(f"poses.file={path}: mean has shape {found['mean'].shape}, and it must be 45 or 15 x 3")
    return _joints(path, "mean", found["mean"].reshape(1, -1))
