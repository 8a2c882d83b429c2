"""Photographs with predicted skeletons and labelled joints, to look at beside the numbers."""

import cv2
import numpy as np
from jaxtyping import Float, UInt8

from dualmod.data.crop import apply_affine, box_crop_matrix, crop_image
from dualmod.data.real import LabelledImages
from synth.draw import contact_sheet, draw_skeleton

TILE_PX = 192
COLUMNS = 8
MARGIN = 1.8
LABEL_COLOUR = (255, 255, 255)


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
        rows = np.unique(np.linspace(0, len(labelled) - 1, tiles_each).round().astype(int)).tolist()
        tiles += [overlay(labelled, row, joints_px[row]) for row in rows]
    return contact_sheet(tiles, columns=COLUMNS, tile_px=TILE_PX)


def overlay(
    labelled: LabelledImages, row: int, joints_px: Float[np.ndarray, "21 2"]
) -> UInt8[np.ndarray, "tile tile 3"]:
    """One image around its hand with the predicted skeleton and the labelled joints."""
    A_tile_image = box_crop_matrix(labelled.boxes_px[row], MARGIN, TILE_PX)
    tile = crop_image(labelled.image(row), A_tile_image, TILE_PX)
    tile = draw_skeleton(tile, apply_affine(A_tile_image, joints_px))
    for joint in apply_affine(A_tile_image, labelled.joints_px[row][labelled.visible[row]]):
        cv2.circle(tile, (round(joint[0]), round(joint[1])), 3, LABEL_COLOUR, 1, cv2.LINE_AA)
    return tile
