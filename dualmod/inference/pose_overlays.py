"""Photographs with predicted skeletons and labelled joints, to look at beside the numbers."""

from collections.abc import Sequence

import cv2
import numpy as np
from jaxtyping import Float, UInt8

from dualmod.data.image_sets import LabelledImages
from dualmod.geometry.crop import apply_affine, box_crop_matrix, crop_image
from dualmod.inference.top_down import EstimatedHand
from synth.common.conventions import BONES, LEFT
from synth.common.drawing import contact_sheet, draw_skeleton
from synth.common.subsample import evenly_spaced

TILE_PX = 192
COLUMNS = 8
TILE_SHARE = 1.8
"""Side of a tile over the longer side of the hand's box, so that what is around the hand is seen too."""
LABEL_COLOUR = (255, 255, 255)
DARK, LIGHT = (20, 20, 20), (245, 245, 245)
"""sRGB of what surrounds a left and a right hand's skeleton: no finger's colour is near either."""
OVERLAY_SIDES_PX = (640, 1600)
"""Longer side of an overlay: smaller photos are enlarged, larger ones shrunk, so that lines and text can be read."""
UNSURE_SHARE = 0.5
"""A joint whose confidence is below this share of the hand's median is drawn hollow."""


def overlay_sheet(
    sets: list[tuple[LabelledImages, Float[np.ndarray, "images 21 2"]]], tiles_each: int = 16
) -> UInt8[np.ndarray, "height width 3"]:
    """Evenly spaced images of each set: lines are predictions, white rings are labels.

    Args:
        sets: Each set with its predicted joints in pixels.
        tiles_each: Images of each set at most.
    """
    tiles: list[np.ndarray] = []
    for labelled, joints_px in sets:
        tiles += [overlay(labelled, row, joints_px[row]) for row in evenly_spaced(len(labelled), tiles_each)]
    return contact_sheet(tiles, columns=COLUMNS, tile_px=TILE_PX)


def overlay(
    labelled: LabelledImages, row: int, joints_px: Float[np.ndarray, "21 2"]
) -> UInt8[np.ndarray, "tile tile 3"]:
    """One image around its hand with the predicted skeleton and the labelled joints."""
    A_tile_image = box_crop_matrix(labelled.boxes_px[row], TILE_SHARE, TILE_PX)
    tile = crop_image(labelled.image(row), A_tile_image, TILE_PX)
    tile = draw_skeleton(tile, apply_affine(A_tile_image, joints_px))
    for joint in apply_affine(A_tile_image, labelled.joints_px[row][labelled.visible[row]]):
        cv2.circle(tile, (round(joint[0]), round(joint[1])), 3, LABEL_COLOUR, 1, cv2.LINE_AA)
    return tile


def hands_overlay(
    image: UInt8[np.ndarray, "height width 3"], hands: Sequence[EstimatedHand]
) -> UInt8[np.ndarray, "height2 width2 3"]:
    """An image with its hands: skeletons in finger colours, name and mean confidence.

    Left hands stand on black, right hands on white, unsure joints are hollow. The longer side is between 640 and
    1600 px, whatever the image's.
    """
    height, width = image.shape[:2]
    scale = float(np.clip(max(height, width), *OVERLAY_SIDES_PX)) / max(height, width)
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    canvas = cv2.resize(image, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR)
    for hand in hands:
        canvas = _with_hand(canvas, hand, (np.asarray(hand.joints_px) + 0.5) * scale - 0.5)
    return canvas


def _with_hand(canvas: np.ndarray, hand: EstimatedHand, joints_px: Float[np.ndarray, "21 2"]) -> np.ndarray:
    tone = DARK if hand.handedness == LEFT else LIGHT
    thickness = int(np.clip(np.ptp(joints_px, axis=0).max() / 75, 1, 6))
    ends = np.rint(np.clip(joints_px, -1e4, 3e4)).astype(int)
    for parent, child in BONES:
        cv2.line(canvas, ends[parent].tolist(), ends[child].tolist(), tone, 3 * thickness + 2, cv2.LINE_AA)
    sure = hand.confidence >= UNSURE_SHARE * np.median(hand.confidence)
    canvas = draw_skeleton(canvas, joints_px, visible=sure, thickness=thickness)
    _write_label(canvas, f"{hand.handedness} {hand.confidence.mean():.2f}", ends.min(0), tone)
    return canvas


def _write_label(canvas: np.ndarray, text: str, corner: np.ndarray, tone: tuple[int, int, int]) -> None:
    """The text on a plate of the hand's tone above ``corner``, moved into the canvas."""
    height, width = canvas.shape[:2]
    size = float(np.clip(max(height, width) / 1000, 0.7, 1.2))
    (text_width, text_height), below = cv2.getTextSize(text, cv2.FONT_HERSHEY_SIMPLEX, size, 1)
    left = int(np.clip(corner[0], 0, max(0, width - text_width - 4)))
    base = int(np.clip(corner[1] - below - 12, text_height + 4, max(text_height + 4, height - below - 2)))
    plate = ((left, base - text_height - 4), (left + text_width + 4, base + below))
    cv2.rectangle(canvas, *plate, tone, -1)
    ink = DARK if tone == LIGHT else LIGHT
    cv2.putText(canvas, text, (left + 2, base), cv2.FONT_HERSHEY_SIMPLEX, size, ink, 1, cv2.LINE_AA)
