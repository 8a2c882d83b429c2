"""Skeletons on images, in the finger colours that every sheet and report of this project uses."""

import cv2
import numpy as np
from jaxtyping import Bool, Float, UInt8

from synth.common.conventions import BONES

WRIST_COLOUR = (255, 255, 255)
FINGER_COLOURS = ((255, 70, 70), (255, 190, 0), (70, 220, 70), (60, 160, 255), (230, 90, 255))
"""sRGB of thumb, index, middle, ring and little finger."""
SUB_PX_BITS = 4
MAX_PLACE_PX = 1e5
"""OpenCV's fixed-point coordinates overflow far outside the image."""


def draw_skeleton(
    image: UInt8[np.ndarray, "height width 3"],
    joints_px: Float[np.ndarray, "21 2"],
    *,
    visible: Bool[np.ndarray, "21"] | None = None,
    scale: float = 1.0,
    thickness: int = 1,
    as_points: bool = False,
) -> UInt8[np.ndarray, "height width 3"]:
    """A copy of the image with the skeleton on it.

    Args:
        image: sRGB.
        joints_px: Joints in pixels of ``image``; rows that are not finite are left out.
        visible: Joints that are hidden get a hollow dot.
        scale: Enlarges the image first.
        thickness: Width of the lines in pixels of the result.
        as_points: Dots only, to tell labels from predictions.
    """
    canvas = np.ascontiguousarray(image).copy()
    if scale != 1.0:
        canvas = cv2.resize(canvas, None, fx=scale, fy=scale, interpolation=cv2.INTER_LINEAR)
    placed = (np.asarray(joints_px, np.float64) + 0.5) * scale - 0.5
    known = np.asarray((np.abs(np.nan_to_num(placed, nan=np.inf)) < MAX_PLACE_PX).all(axis=1))
    for parent, child in BONES:
        if not as_points and known[parent] and known[child]:
            line = (_fixed_point(placed[parent]), _fixed_point(placed[child]))
            cv2.line(canvas, *line, finger_colour(child), thickness, cv2.LINE_AA, SUB_PX_BITS)
    for joint in np.flatnonzero(known):
        filled = visible is None or bool(visible[joint])
        radius = (thickness + (1 if filled else 2)) << SUB_PX_BITS
        cv2.circle(canvas, _fixed_point(placed[joint]), radius, finger_colour(int(joint)), -1 if filled else 1,
                   cv2.LINE_AA, SUB_PX_BITS)  # fmt: skip
    return canvas


def finger_colour(joint: int) -> tuple[int, int, int]:
    """sRGB of the finger that joint number ``joint`` belongs to; white for the wrist."""
    return WRIST_COLOUR if joint == 0 else FINGER_COLOURS[(joint - 1) // 4]


def contact_sheet(
    tiles: list[UInt8[np.ndarray, "height width 3"]], *, columns: int, tile_px: int
) -> UInt8[np.ndarray, "rows columns 3"]:
    """Images in rows of ``columns``, each fitted into a square of ``tile_px`` on grey.

    Raises:
        ValueError: when there is no image.
    """
    if not tiles:
        raise ValueError("a contact sheet needs at least one image")
    rows = -(-len(tiles) // columns)
    sheet = np.full((rows * tile_px, columns * tile_px, 3), 40, np.uint8)
    for place, tile in enumerate(tiles):
        shrink = tile_px / max(tile.shape[:2])
        fitted = cv2.resize(tile, None, fx=shrink, fy=shrink, interpolation=cv2.INTER_AREA)[:tile_px, :tile_px]
        top, left = place // columns * tile_px, place % columns * tile_px
        sheet[top : top + fitted.shape[0], left : left + fitted.shape[1]] = fitted
    return sheet


def _fixed_point(xy: np.ndarray) -> tuple[int, int]:
    return round(xy[0] * (1 << SUB_PX_BITS)), round(xy[1] * (1 << SUB_PX_BITS))
