"""Square crops of images: one affine matrix takes image pixels to crop pixels, and points go along with it.

Pixel (0, 0) has its centre at u = v = 0, so an image of side S reaches from -0.5 to S - 0.5. A crop of side ``out_px``
shows a square of ``side`` image pixels from outer edge to outer edge.
"""

import math

import cv2
import numpy as np
from jaxtyping import Float

cv2.setNumThreads(1)  # its thread pool does not survive the fork of loader processes, and crops are small

BORDERS = ("black", "replicate", "mean")
"""What a crop shows beyond the image's border."""


def joints_box(joints_px: Float[np.ndarray, "joints 2"], visible: np.ndarray | None = None) -> Float[np.ndarray, "4"]:
    """The tight box (x0, y0, x1, y1) in pixels around the joints that are finite and, if given, ``visible``.

    Raises:
        ValueError: when no joint is left.
    """
    chosen = np.isfinite(joints_px).all(-1)
    if visible is not None:
        chosen &= np.asarray(visible, bool)
    if not chosen.any():
        raise ValueError("no joint is visible, so there is no box around the hand; leave this image out")
    points = joints_px[chosen]
    return np.concatenate([points.min(0), points.max(0)])


def box_longer_side(box_xyxy: Float[np.ndarray, "*n 4"]) -> np.ndarray:
    """Longer side of each box in pixels."""
    box_xyxy = np.asarray(box_xyxy)
    return (box_xyxy[..., 2:] - box_xyxy[..., :2]).max(-1)


def crop_matrix(
    centre_px: Float[np.ndarray, "2"],
    side_px: float,
    *,
    out_px: int,
    rotation_rad: float = 0.0,
    stretch: float = 1.0,
) -> Float[np.ndarray, "2 3"]:
    """``A_crop_image``, which takes image pixels to crop pixels.

    Args:
        centre_px: Image point that comes to lie at the crop's centre.
        side_px: Side of the square that the crop shows, in image pixels.
        out_px: Side of the crop in crop pixels.
        rotation_rad: The image turns by this much, clockwise as seen (from x to y).
        stretch: Width over height of what a square in the image becomes; the area stays.

    Raises:
        ValueError: when ``side_px``, ``out_px`` or ``stretch`` is not positive.
    """
    if not (side_px > 0 and out_px > 0 and stretch > 0):
        raise ValueError(f"a crop needs positive sizes, got side_px={side_px} out_px={out_px} stretch={stretch}")
    scale = out_px / side_px
    cosine, sine = math.cos(rotation_rad), math.sin(rotation_rad)
    squeeze = np.array([[math.sqrt(stretch)], [1 / math.sqrt(stretch)]])
    linear = scale * squeeze * np.array([[cosine, -sine], [sine, cosine]])
    shift = (out_px - 1) / 2 - linear @ np.asarray(centre_px, np.float64)
    return np.concatenate([linear, shift[:, None]], 1)


def box_crop_matrix(box_xyxy: Float[np.ndarray, "4"], margin: float, out_px: int) -> Float[np.ndarray, "2 3"]:
    """The upright crop about the box's centre whose side is ``margin`` times the box's longer side.

    The side is at least 8 pixels, so that a box of one point gives a crop too.
    """
    box = np.asarray(box_xyxy, np.float64)
    return crop_matrix((box[:2] + box[2:]) / 2, crop_side_px(box, margin), out_px=out_px)


def crop_side_px(box_xyxy: Float[np.ndarray, "4"], margin: float) -> float:
    """Side in image pixels of the crop that ``box_crop_matrix`` makes."""
    return max(8.0, float(margin * box_longer_side(box_xyxy)))


def invert_affine(A: Float[np.ndarray, "2 3"]) -> Float[np.ndarray, "2 3"]:
    """The matrix of the way back: ``A_image_crop`` from ``A_crop_image``."""
    inverse = np.linalg.inv(A[:, :2])
    return np.concatenate([inverse, -inverse @ A[:, 2:]], 1)


def apply_affine(A: Float[np.ndarray, "2 3"], points: Float[np.ndarray, "*n 2"]) -> Float[np.ndarray, "*n 2"]:
    """Points through the matrix."""
    return points @ A[:, :2].T + A[:, 2]


def uv_from_px(points_px: Float[np.ndarray, "*n 2"], side_px: int) -> Float[np.ndarray, "*n 2"]:
    """Crop pixels to units of the crop's side (``Prediction.joints_uv``)."""
    return (points_px + 0.5) / side_px


def px_from_uv(points_uv: Float[np.ndarray, "*n 2"], side_px: int) -> Float[np.ndarray, "*n 2"]:
    """Units of the crop's side to crop pixels."""
    return points_uv * side_px - 0.5


def warp(image: np.ndarray, A_crop_image: Float[np.ndarray, "2 3"], out_px: int, border: str = "black") -> np.ndarray:
    """The crop, bilinear, without smoothing first: for warps that shrink by less than 2 (training).

    Args:
        image: Any number of channels; ``uint8``, ``uint16`` or ``float32``.
        A_crop_image: From ``crop_matrix``.
        out_px: Side of the crop.
        border: One of ``BORDERS``.
    """
    mode, value = cv2.BORDER_CONSTANT, 0.0
    if border == "replicate":
        mode = cv2.BORDER_REPLICATE
    elif border == "mean":
        value = cv2.mean(image)
    return cv2.warpAffine(
        image, A_crop_image, (out_px, out_px), flags=cv2.INTER_LINEAR, borderMode=mode, borderValue=value
    )


def crop_image(
    image: np.ndarray, A_crop_image: Float[np.ndarray, "2 3"], out_px: int, border: str = "black"
) -> np.ndarray:
    """The crop without aliasing: shrinking averages over the pixels that fall into one (evaluation, real photos)."""
    shrink = 1 / math.sqrt(abs(np.linalg.det(A_crop_image[:, :2])))
    factor = min(16, max(1, math.ceil(shrink - 1e-6)))
    if factor == 1:
        return warp(image, A_crop_image, out_px, border)
    finer = factor * A_crop_image
    finer[:, 2] += (factor - 1) / 2  # the outer corner stays at -0.5 when pixels become smaller
    large = warp(image, finer, factor * out_px, border)
    return cv2.resize(large, (out_px, out_px), interpolation=cv2.INTER_AREA)
