"""Pictures of one look: the skeleton on the photograph, the predicted depth and the predicted mask."""

import cv2
import numpy as np
from jaxtyping import Float, UInt8

from dualmod.inference.predictor import HandEstimates
from handbridge.demo.inference import Looked
from synth.common.conventions import LEFT, RIGHT
from synth.common.drawing import MAX_PLACE_PX, draw_skeleton

SHOWN_SIDE_PX = 1024
MAP_SIDE_PX = 320
BOX_COLOUR = (255, 255, 255)
RIM_COLOUR = (0, 0, 0)
LINE_SHARE = 240
"""One pixel of line for so many pixels of the photo's longer side."""
MASK_EDGE = 0.5
TAG_SCALE = 0.32
"""Size of the tag's letters for each pixel of the lines."""


def overlay(looked: Looked, estimates: HandEstimates) -> UInt8[np.ndarray, "height width 3"]:
    """The photo with each hand's box and skeleton and which hand it was taken for."""
    image = looked.photo.image
    scale = SHOWN_SIDE_PX / max(image.shape[:2])
    canvas = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC)
    thickness = max(2, max(canvas.shape[:2]) // LINE_SHARE)
    for row, hand in enumerate(looked.hands):
        box = (hand.box_px + 0.5) * scale - 0.5
        name = LEFT if estimates.mirrored[row] else RIGHT
        _draw_box(canvas, box, name, thickness)
        joints = (estimates.joints_px[row] + 0.5) * scale - 0.5
        canvas = draw_skeleton(canvas, joints, thickness=thickness)
    return canvas


def depth_picture(estimates: HandEstimates, row: int = 0) -> UInt8[np.ndarray, "side side 3"]:
    """Predicted closeness of what the network saw: near is red."""
    closeness = np.clip(_fitted(estimates.depths[row]), 0, 1)
    return cv2.applyColorMap((255 * closeness).astype(np.uint8), cv2.COLORMAP_TURBO)[..., ::-1].copy()


def mask_picture(estimates: HandEstimates, row: int = 0) -> UInt8[np.ndarray, "side side 3"]:
    """What the network saw, dark where it sees no hand, with the mask's edge."""
    crop, mask = _fitted(estimates.crops[row]), np.clip(_fitted(estimates.masks[row]), 0, 1)
    picture = np.clip(crop * (0.25 + 0.75 * mask[..., None]), 0, 255).astype(np.uint8)
    edges, _ = cv2.findContours((mask > MASK_EDGE).astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    cv2.drawContours(picture, edges, -1, BOX_COLOUR, 2, cv2.LINE_AA)
    return picture


def _draw_box(canvas: np.ndarray, box: np.ndarray, name: str, thickness: int) -> None:
    x0, y0, x1, y1 = (round(float(edge)) for edge in np.clip(box, -MAX_PLACE_PX, MAX_PLACE_PX))
    cv2.rectangle(canvas, (x0, y0), (x1, y1), RIM_COLOUR, thickness + 2, cv2.LINE_AA)
    cv2.rectangle(canvas, (x0, y0), (x1, y1), BOX_COLOUR, max(1, thickness // 2), cv2.LINE_AA)
    size, stroke = thickness * TAG_SCALE, max(1, thickness // 2)
    (width, height), _ = cv2.getTextSize(name, cv2.FONT_HERSHEY_SIMPLEX, size, stroke)
    pad = 2 * thickness
    left = min(max(0, x0), max(0, canvas.shape[1] - width - 2 * pad))
    top = min(max(0, y0 - height - 2 * pad), max(0, canvas.shape[0] - height - 2 * pad))
    cv2.rectangle(canvas, (left, top), (left + width + 2 * pad, top + height + 2 * pad), RIM_COLOUR, -1)
    place = (left + pad, top + height + pad)
    cv2.putText(canvas, name, place, cv2.FONT_HERSHEY_SIMPLEX, size, BOX_COLOUR, stroke, cv2.LINE_AA)


def _fitted(values: Float[np.ndarray, "height width"]) -> np.ndarray:
    return cv2.resize(values.astype(np.float32), (MAP_SIDE_PX, MAP_SIDE_PX), interpolation=cv2.INTER_CUBIC)
