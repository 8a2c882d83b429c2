"""Poses as vectors: to find similar hands, and to group them into classes."""

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Float, Int
from scipy.spatial import KDTree
from torch import Tensor

from dualmod.data.synthetic import SyntheticHands
from synth.common.conventions import ROOT_JOINT

PCA_DIMS = 14
"""As in the code of HandCLR."""


def pose_vectors(
    joints_uv: Float[Tensor, "batch 21 2"], joints_depth: Float[Tensor, "batch 21"] | None = None
) -> Float[Tensor, "batch dims"]:
    """The pose relative to the root joint, whatever the place and the size of the hand in the image.

    Args:
        joints_uv: In any unit of length; the result is in units of their root mean square distance from the root.
        joints_depth: Behind the root in reference bones, added as it is; None for a 2D pose.

    Returns:
        42 numbers, or 63 with depth.
    """
    place = joints_uv - joints_uv[:, ROOT_JOINT : ROOT_JOINT + 1]
    size = place.square().sum(-1).mean(-1).sqrt().clamp_min(1e-6)
    place = place / size[:, None, None]
    return place.flatten(1) if joints_depth is None else torch.cat([place.flatten(1), joints_depth], 1)


def dataset_poses(hands: SyntheticHands, indices: Sequence[int]) -> Float[np.ndarray, "samples 63"]:
    """``pose_vectors`` of the exact 2.5D poses of some samples, upright as they were rendered."""
    joints_px, joints_depth = zip(*(hands.pose(int(index)) for index in indices), strict=True)
    return pose_vectors(torch.from_numpy(np.stack(joints_px)), torch.from_numpy(np.stack(joints_depth))).numpy()


def principal_components(
    vectors: Float[np.ndarray, "samples dims"], count: int = PCA_DIMS
) -> Float[np.ndarray, "samples count"]:
    """The vectors about their mean in their ``count`` directions of largest variance, fewer where there are fewer."""
    centred = vectors - vectors.mean(0)
    _, directions = np.linalg.eigh(centred.T @ centred)  # in ascending order
    return centred @ directions[:, ::-1][:, :count]


def nearest_others(vectors: Float[np.ndarray, "samples dims"], count: int = 1) -> Int[np.ndarray, "samples count"]:
    """Rows of the ``count`` nearest other vectors, nearest first.

    Raises:
        ValueError: when there are not that many others.
    """
    if len(vectors) <= count:
        raise ValueError(f"{len(vectors)} hands have no {count} similar ones each; give more images")
    found = np.asarray(KDTree(vectors).query(vectors, k=count + 1, workers=-1)[1])
    # itself goes; where others lie in the same place it need not come first, nor come at all
    itself = found == np.arange(len(vectors))[:, None]
    itself[~itself.any(1), -1] = True
    return found[~itself].reshape(len(vectors), count)
