"""Photographs with the boxes that were found and the labelled ones, to look at beside the numbers."""

import cv2
import numpy as np
from jaxtyping import UInt8

from dualmod.data.image_sets import LabelledImages
from dualmod.detection.detector import HandBox
from synth.common.drawing import contact_sheet
from synth.common.subsample import evenly_spaced

TILE_PX = 192
COLUMNS = 8
LABEL_COLOUR, RIGHT_COLOUR, LEFT_COLOUR = (255, 255, 255), (70, 220, 70), (255, 70, 70)
FAR_PX = 1e6


def finds_sheet(
    sets: list[tuple[LabelledImages, list[list[HandBox]]]], tiles_each: int = 32
) -> UInt8[np.ndarray, "height width 3"]:
    """Evenly spaced whole photos of each set: green is a right hand, red a left one, white the labelled box.

    Args:
        sets: Each set with the finds in each of its photos.
        tiles_each: Photos of each set at most.
    """
    tiles: list[np.ndarray] = []
    for labelled, found in sets:
        rows = evenly_spaced(len(labelled), tiles_each)
        tiles += [_tile(labelled.image(row), found[row], labelled.boxes_px[row]) for row in rows]
    return contact_sheet(tiles, columns=COLUMNS, tile_px=TILE_PX)


def _tile(photo: np.ndarray, hands: list[HandBox], labelled_px: np.ndarray) -> np.ndarray:
    """The photo at the tile's size with its boxes; enlarged first, so that lines are equally thin on all."""
    scale = TILE_PX / max(photo.shape[:2])
    kind = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    tile = np.ascontiguousarray(cv2.resize(photo, None, fx=scale, fy=scale, interpolation=kind))
    _rectangle(tile, labelled_px * scale, LABEL_COLOUR)
    for hand in hands:
        colour = RIGHT_COLOUR if hand.right_probability > 0.5 else LEFT_COLOUR
        corner = _rectangle(tile, hand.box_px * scale, colour)
        cv2.putText(tile, f"{hand.score:.2f}", (corner[0] + 2, corner[1] + 11), cv2.FONT_HERSHEY_SIMPLEX, 0.35, colour)
    return tile


def _rectangle(tile: np.ndarray, box_px: np.ndarray, colour: tuple[int, int, int]) -> tuple[int, int]:
    x0, y0, x1, y1 = np.rint(np.clip(box_px, -FAR_PX, FAR_PX)).astype(int).tolist()
    cv2.rectangle(tile, (x0, y0), (x1, y1), colour, 1)
    return x0, y0
