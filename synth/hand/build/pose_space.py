"""Poses for what depends on poses: the fit of the correctives, and MANO's mean pose and components."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from synth.common.conventions import MANO_JOINT_NAMES
from synth.hand.anatomy import ANGLE_FINGERS
from synth.hand.arrays import ManoArrays
from synth.hand.poses import PoseSampler

SWEEP_RAD = (0.5, 1.0, 1.5)
LIBRARY = 500


@dataclass(frozen=True, eq=False)
class PoseSpace:
    """Principal components of poses, as MANO's files hold them.

    Attributes:
        mean: Of joints 1 to 15, axis-angle in radians.
        components: Unit vectors in rows, by falling variance.
        sigma: Standard deviation along each.
        library: Some of the poses as coefficients of the components.
    """

    mean: Float[np.ndarray, "45"]
    components: Float[np.ndarray, "45 45"]
    sigma: Float[np.ndarray, "45"]
    library: Float[np.ndarray, "poses 45"]


def sample_poses(arrays: ManoArrays, rng: np.random.Generator, count: int) -> Float[np.ndarray, "poses 16 3"]:
    """Poses as the generator draws them for this hand."""
    sampler = PoseSampler(arrays)
    return np.stack([sampler.sample(rng)[0] for _ in range(count)])


def single_joint_poses() -> Float[np.ndarray, "poses 16 3"]:
    """Each joint of the four fingers bent alone, so that a fit sees what it does by itself."""
    joints = [MANO_JOINT_NAMES.index(f"{finger}{segment}") for finger in ANGLE_FINGERS for segment in (1, 2, 3)]
    poses = np.zeros((len(joints) * len(SWEEP_RAD), 16, 3))
    for row, (joint, angle) in enumerate((joint, angle) for joint in joints for angle in SWEEP_RAD):
        poses[row, joint, 2] = angle  # flexion is a turn about +z
    return poses


def pose_space(poses_aa: Float[np.ndarray, "poses 16 3"]) -> PoseSpace:
    """Mean and principal components of poses."""
    rows = poses_aa[:, 1:].reshape(len(poses_aa), 45)
    mean = rows.mean(0)
    _, spread, components = np.linalg.svd(rows - mean, full_matrices=False)
    sigma = spread / np.sqrt(len(rows) - 1)
    return PoseSpace(mean, components, sigma, (rows[:LIBRARY] - mean) @ components.T)
