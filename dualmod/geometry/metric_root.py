"""Metres for a predicted hand: from a depth map and the intrinsics, from the length of a bone, or relative alone.

The network gives each joint's place in the image and its depth behind the root in lengths of the reference bone. A
depth map measures skin, joints lie below it: joint j's surface is at

    s_j = b (Z + d_j - o_j),    in bones: d_j the predicted depth, o_j the joint's depth below the skin, Z the root's

With Z from the reference bone (``lifting``) every joint gives a bone length b, and their median the hand's. With
b, given or found, every joint gives the root's depth in metres, s_j - b (d_j - o_j). The median counts again: up to
half of the joints may be wrong, hidden ones (the map shows what hides them) and those whose place is off the hand.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from dualmod.geometry.crop import apply_affine, box_crop_matrix
from dualmod.geometry.lifting import TYPICAL_BONE_M, assumed_K, lift, root_depth_bones
from synth.common.conventions import ROOT_JOINT

BELOW_SKIN_BONES = np.array(
    [0.24, 0.17, 0.12, 0.10, 0.0, 0.11, 0.10, 0.09, 0.0, 0.17, 0.10, 0.08, 0.0, 0.13, 0.08, 0.07, 0.01, 0.12, 0.08,
     0.06, 0.01]
)  # fmt: skip
"""Depth of each joint below the visible skin in reference bones: medians over 400 renders of the open hand."""
LEGAL_BONE_M = (0.05, 0.13)
"""Reference bones from a small child's to a very large man's; a longer or shorter one is a mistake of the pose."""
FEWEST_JOINTS = 5
NEAR_BONES = 0.35
"""A joint whose measured skin is farther from where the others put it is left out: it is hidden, or off the hand."""
HAND_PROBABILITY = 0.5
WINDOW_SHARE = 0.03
"""Half side of the window about a joint in which depth is read, in sides of the hand's box."""

METRIC, BONE_GIVEN, BONE_ASSUMED, RELATIVE = "metric", "bone_given", "bone_assumed", "relative"
MEANINGS = {
    METRIC: "camera frame, metres; position and scale measured by the depth map",
    BONE_GIVEN: "camera frame, metres; scale from the given bone_mm, distance from its predicted length in the image",
    BONE_ASSUMED: f"camera frame, metres up to scale: wrist to middle knuckle is assumed to be {TYPICAL_BONE_M} m",
    RELATIVE: "relative to the middle knuckle; the camera is assumed, so the position is not known; the scale is that "
    "of bone_mm where it was given, else assumed",
}


@dataclass(frozen=True)
class PlacedHand:
    """A hand in 3D.

    Attributes:
        joints_cam: Metres; in the camera frame, or relative to the root joint when ``scale`` is ``relative``.
        scale: A key of ``MEANINGS``.
        bone_m: Length of the reference bone, measured, given or assumed.
        root_cam: The root joint in the camera frame; None when ``scale`` is ``relative``.
        depth_joints: How many joints the depth map placed; None without one.
    """

    joints_cam: Float[np.ndarray, "21 3"]
    scale: str
    bone_m: float
    root_cam: Float[np.ndarray, "3"] | None
    depth_joints: int | None = None


def place_hand(
    joints_px: Float[np.ndarray, "21 2"],
    joints_depth: Float[np.ndarray, "21"],
    *,
    size_px: tuple[int, int],
    K: Float[np.ndarray, "3 3"] | None = None,
    bone_m: float | None = None,
    surface_m: Float[np.ndarray, "21"] | None = None,
) -> PlacedHand:
    """A 2.5D pose in metres, as far as what is known of the camera and the hand allows.

    Args:
        joints_px: Joints in pixels of the photo.
        joints_depth: Depth behind the root in lengths of the reference bone.
        size_px: Width and height of the photo.
        K: Intrinsics of the photo, if known.
        bone_m: Length of the reference bone, if measured.
        surface_m: Measured depth of the skin over each joint (``skin_depth``), NaN where there is none.
    """
    if K is None:
        known_m = bone_m or TYPICAL_BONE_M
        joints_cam = lift(joints_px, joints_depth, assumed_K(*size_px), known_m)
        return PlacedHand(joints_cam - joints_cam[ROOT_JOINT], RELATIVE, known_m, None)
    if surface_m is not None and np.isfinite(surface_m).sum() >= FEWEST_JOINTS:
        return _from_depth(joints_px, joints_depth, K, bone_m, surface_m)
    joints_cam = lift(joints_px, joints_depth, K, bone_m or TYPICAL_BONE_M)
    measured = None if surface_m is None else int(np.isfinite(surface_m).sum())
    scale = BONE_GIVEN if bone_m else BONE_ASSUMED
    return PlacedHand(joints_cam, scale, bone_m or TYPICAL_BONE_M, joints_cam[ROOT_JOINT], measured)


def _from_depth(
    joints_px: np.ndarray, joints_depth: np.ndarray, K: np.ndarray, bone_m: float | None, surface_m: np.ndarray
) -> PlacedHand:
    relative = joints_depth - joints_depth[ROOT_JOINT]
    rays = np.column_stack([joints_px, np.ones(len(joints_px))]) @ np.linalg.inv(K).T
    skin = relative - BELOW_SKIN_BONES
    near = np.isfinite(surface_m)
    for _ in range(2):  # once to see which joints disagree, once without them
        found_m = bone_m
        if found_m is None:
            lengths_m = surface_m[near] / (root_depth_bones(rays[:, :2], relative) + skin[near])
            found_m = float(np.clip(np.median(lengths_m), *LEGAL_BONE_M))
        root_m = float(np.median(surface_m[near] - found_m * skin[near]))
        agrees = np.abs(surface_m - found_m * skin - root_m) < NEAR_BONES * found_m
        near = agrees if agrees.sum() >= FEWEST_JOINTS else near
    joints_cam = rays * np.maximum(root_m + found_m * relative, 1e-3)[:, None]
    return PlacedHand(joints_cam, METRIC, found_m, joints_cam[ROOT_JOINT], int(near.sum()))


def skin_depth(
    depth_m: Float[np.ndarray, "height width"],
    joints_px: Float[np.ndarray, "21 2"],
    *,
    mask: Float[np.ndarray, "rows columns"],
    box_px: Float[np.ndarray, "4"],
    crop_margin: float,
) -> Float[np.ndarray, "21"]:
    """Measured depth of the skin over each joint: the median of the hand's pixels in a small window about it.

    Args:
        depth_m: Depth map of the photo's size and camera; 0 where nothing was measured.
        joints_px: Joints in pixels of the photo.
        mask: Predicted probability of hand in the crop that the network saw.
        box_px: Box that the crop was made from.
        crop_margin: Side of the crop over the longer side of the box.

    Returns:
        Metres; NaN where no pixel of the window is measured and taken for hand.
    """
    A_mask_image = box_crop_matrix(box_px, crop_margin, mask.shape[0])
    half_px = max(1, round(WINDOW_SHARE * float((box_px[2:] - box_px[:2]).max())))
    surface_m = np.full(len(joints_px), np.nan)
    for joint, place in enumerate(joints_px):
        pixels = _window(place, half_px, depth_m.shape)
        cells = np.rint(apply_affine(A_mask_image, pixels)).astype(int)
        is_inside = ((cells >= 0) & (cells < mask.shape[0])).all(1)
        (columns, rows), cells = pixels[is_inside].T, cells[is_inside]
        values = depth_m[rows, columns]
        values = values[(values > 0) & (mask[cells[:, 1], cells[:, 0]] > HAND_PROBABILITY)]
        surface_m[joint] = np.median(values) if len(values) else np.nan
    return surface_m


def _window(place: np.ndarray, half_px: int, shape: tuple[int, ...]) -> np.ndarray:
    """Pixels (column, row) of the square window about a place that lie in the image."""
    column, row = np.rint(np.clip(place, -1e6, 1e6)).astype(int)
    columns = np.arange(max(0, column - half_px), min(shape[1], column + half_px + 1))
    rows = np.arange(max(0, row - half_px), min(shape[0], row + half_px + 1))
    return np.stack(np.meshgrid(columns, rows), -1).reshape(-1, 2)
