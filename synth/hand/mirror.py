"""Left hands: everything inside is a right hand, and a left hand is its mirror image at the plane x = 0.

Each mirroring function is its own inverse.
"""

import dataclasses
from typing import TypeVar

import numpy as np
from jaxtyping import Float
from torch import Tensor

from synth.hand.arrays import ManoArrays

A = TypeVar("A", np.ndarray, Tensor)


def mirror_points(points: A) -> A:
    """Points [..., 3] (camera or model frame) with x negated."""
    return _scaled_last(points, (-1.0, 1.0, 1.0))


def mirror_pose(pose_aa: A) -> A:
    """Axis-angle rotations [..., 3] seen in the mirror: an axis is a pseudovector, so y and z change sign."""
    return _scaled_last(pose_aa, (1.0, -1.0, -1.0))


def mirror_image(image: np.ndarray) -> np.ndarray:
    """An image or map [height, width, ...] flipped left to right, as a copy of its own."""
    return np.ascontiguousarray(image[:, ::-1])


def mirror_K(K: Float[np.ndarray, "3 3"], width: int) -> Float[np.ndarray, "3 3"]:
    """Intrinsics (pixels) of the flipped image, for points whose x is negated.

    Pixel u lands at width - 1 - u (the first pixel's centre is 0); a skew changes its sign.
    """
    mirrored = K.copy()
    mirrored[0, 2] = width - 1 - K[0, 2]
    mirrored[0, 1] = -K[0, 1]
    return mirrored


def mirror_arrays(arrays: ManoArrays) -> ManoArrays:
    """The other hand of ``arrays``: posed by ``mirror_pose(p)`` it is the mirror image of ``arrays`` posed by p."""
    rotation_signs = np.outer([-1.0, 1.0, 1.0], [-1.0, 1.0, 1.0]).ravel()  # of the elements of M R M
    x_negated = np.array([-1.0, 1.0, 1.0], np.float32)[:, None]
    pose_signs = np.tile([1.0, -1.0, -1.0], 15).astype(np.float32)
    return dataclasses.replace(
        arrays,
        v_template=mirror_points(arrays.v_template),
        shapedirs=arrays.shapedirs * x_negated,
        posedirs=arrays.posedirs * x_negated * np.tile(rotation_signs, 15).astype(np.float32),
        faces=np.ascontiguousarray(arrays.faces[:, ::-1]),
        uv_faces=None if arrays.uv_faces is None else np.ascontiguousarray(arrays.uv_faces[:, ::-1]),
        hands_mean=arrays.hands_mean * pose_signs,
        hands_components=arrays.hands_components * pose_signs,
    )


def is_left_hand(arrays: ManoArrays) -> bool:
    """Whether the fingers of ``arrays`` point to +x, as a left hand's do."""
    fingers = arrays.rest_tips()[1:].mean(0) - arrays.rest_joints()[0]
    return bool(fingers[0] > 0)


def has_wrong_x_shapes(arrays: ManoArrays) -> bool:
    """Whether the x of ``shapedirs`` has the sign of the other hand, as in the official MANO_LEFT (smplx issue 48).

    In every population long hands are broad and thick hands: over the shape space, stretch along x and stretch along
    y and z vary together. The fault turns the stretch along x around and makes that covariance negative.
    """
    offsets = arrays.v_template.astype(np.float64) - arrays.v_template.mean(0)
    stretch = np.einsum("vik,vi->ik", arrays.shapedirs, offsets) / (offsets**2).sum(0)[:, None]
    return bool(stretch[0] @ (stretch[1] + stretch[2]) < 0)


def _scaled_last(values: A, factors: tuple[float, float, float]) -> A:
    if isinstance(values, Tensor):
        return values * values.new_tensor(factors)
    return values * np.array(factors, dtype=values.dtype)
