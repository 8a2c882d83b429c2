"""From 2.5D to 3D: the root's depth in closed form from the reference bone (Iqbal et al. 2018, scale-normalised pose).

Given: the intrinsics and the true length of the reference bone (wrist to middle MCP), nothing else. Predicted: where
each joint is in the image, its depth behind the root in bone lengths, and from both the root's depth.
With joint j on the ray (x_j, y_j, 1) at depth Z + d_j (bone lengths; Z the root's), the reference bone from a to b has
length 1:

    (Z dx + cx)^2 + (Z dy + cy)^2 + (d_a - d_b)^2 = 1,   dx = x_a - x_b,  cx = d_a x_a - d_b x_b  (and so for y)

a quadratic in Z. The larger root is taken: the smaller one puts the hand at or behind the camera.
"""

from typing import TypeVar

import numpy as np
from jaxtyping import Float

from synth.common.conventions import REFERENCE_BONE, ROOT_JOINT

TYPICAL_BONE_M = 0.095
"""Reference bone of an adult's hand, for pictures where the true length is not known."""
ASSUMED_FOCAL = 1.2
"""Focal length in longer image sides where K is not known: a phone's main camera is near it."""

MAX_FORESHORTENING = 0.95
NEAREST_BONES, FARTHEST_BONES = 1.5, 80.0

Array = TypeVar("Array")


def assumed_K(width: int, height: int) -> Float[np.ndarray, "3 3"]:
    """Intrinsics for an image of an unknown camera: focal length 1.2 longer sides, principal point in the middle."""
    focal_px = ASSUMED_FOCAL * max(width, height)
    return np.array([[focal_px, 0, (width - 1) / 2], [0, focal_px, (height - 1) / 2], [0, 0, 1]])


def lift(
    joints_px: Float[np.ndarray, "*n 21 2"],
    joints_depth: Float[np.ndarray, "*n 21"],
    K: Float[np.ndarray, "*n 3 3"],
    bone_m: Float[np.ndarray, "*n"] | float,
) -> Float[np.ndarray, "*n 21 3"]:
    """Joints in metres in the camera frame.

    Args:
        joints_px: Joints in pixels of the image that ``K`` belongs to.
        joints_depth: Depth behind the root in lengths of the reference bone.
        K: Intrinsics (skew is honoured), one for all or one for each image.
        bone_m: True length of the reference bone in metres.

    Returns:
        Joints on their rays, at a distance where the reference bone has the given length. Where no such distance
        exists (the predicted bone is foreshortened beyond its length, or points at the camera) the nearest legal one.
    """
    relative = joints_depth - joints_depth[..., ROOT_JOINT, None]
    homogeneous = np.concatenate([joints_px, np.ones_like(joints_px[..., :1])], -1)
    rays = homogeneous @ np.swapaxes(np.linalg.inv(K), -1, -2)
    root = root_depth_bones(rays[..., :2], relative)
    return rays * ((root[..., None] + relative) * np.asarray(bone_m)[..., None])[..., None]


def root_depth_bones(rays, relative):  # type: ignore[no-untyped-def]
    """The root's depth Z in bone lengths, for numpy arrays and torch tensors alike.

    The quadratic's discriminant is set to 0 where it is negative, and the bone's share along the ray is limited to
    95 % of its length, so that noise in the predicted depth cannot send the hand to the camera or to infinity.

    Args:
        rays: x / z and y / z of each joint, shape (*n, 21, 2).
        relative: Depth behind the root in bone lengths, shape (*n, 21).

    Returns:
        Z, shape (*n), between 1.5 bones in front of the nearest joint and 80 bones.
    """
    a, b = REFERENCE_BONE
    difference = rays[..., a, :] - rays[..., b, :]
    offset = relative[..., a, None] * rays[..., a, :] - relative[..., b, None] * rays[..., b, :]
    along = ((relative[..., a] - relative[..., b]) ** 2).clip(0, MAX_FORESHORTENING**2)
    quadratic = (difference**2).sum(-1) + 1e-12
    linear = 2 * (difference * offset).sum(-1)
    constant = (offset**2).sum(-1) + along - 1
    discriminant = (linear**2 - 4 * quadratic * constant).clip(0, None)
    root = (discriminant**0.5 - linear) / (2 * quadratic)
    shortfall = (NEAREST_BONES - _smallest(relative) - root).clip(0, None)
    return (root + shortfall).clip(None, FARTHEST_BONES)


def _smallest(values: Array) -> Array:
    """Minimum over the last axis: numpy gives an array, torch an array with indices."""
    smallest = values.min(-1)  # type: ignore[attr-defined]
    return getattr(smallest, "values", smallest)
