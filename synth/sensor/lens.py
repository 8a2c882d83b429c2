"""What glass and shake do to the whole image: dark corners, colours that part towards the border, motion."""

import cv2
import numpy as np
from jaxtyping import Float, UInt8

Image = UInt8[np.ndarray, "height width 3"]
GAMMA = 2.2


def optical_centre(rng: np.random.Generator, side_px: int) -> Float[np.ndarray, "2"]:
    """Where the lens's axis meets the image: images of hands are crops, so it may lie well off the middle."""
    return (side_px - 1) / 2 + rng.normal(size=2) * 0.3 * side_px


def vignette(image: Image, centre_px: Float[np.ndarray, "2"], strength: float) -> Image:
    """Light falls off from the axis as the fourth power of the cosine of the angle to it.

    Args:
        image: sRGB.
        centre_px: Where the axis meets the image.
        strength: Squared tangent of that angle half an image side away from the axis.
    """
    height, width = image.shape[:2]
    x = (np.arange(width, dtype=np.float32) - np.float32(centre_px[0])) / (width / 2)
    y = (np.arange(height, dtype=np.float32) - np.float32(centre_px[1])) / (height / 2)
    squared_tangent = np.float32(strength) * (x[None] ** 2 + y[:, None] ** 2)
    gain = (1 + squared_tangent) ** np.float32(-2 / GAMMA)
    return cv2.multiply(image, cv2.merge([gain] * 3), dtype=cv2.CV_8U)


def chromatic_shift(image: Image, centre_px: Float[np.ndarray, "2"], stretch: float) -> Image:
    """Lateral chromatic aberration: red is larger than green by the share ``stretch``, and blue as much smaller."""
    height, width = image.shape[:2]
    red, green, blue = cv2.split(image)
    shifted = []
    for channel, factor in ((red, 1 + stretch), (blue, 1 - stretch)):
        A = np.array([[factor, 0, (1 - factor) * centre_px[0]], [0, factor, (1 - factor) * centre_px[1]]])
        shifted.append(
            cv2.warpAffine(channel, A, (width, height), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        )
    return cv2.merge([shifted[0], green, shifted[1]])


def motion_kernel(angle: float, length_px: float) -> np.ndarray:
    """A line through the centre that sums to 1."""
    half = int(np.ceil(length_px / 2))
    kernel = np.zeros((2 * half + 1, 2 * half + 1), np.float32)
    reach = length_px / 2 * np.array([np.cos(angle), np.sin(angle)])
    start, end = half - reach, half + reach
    cv2.line(kernel, (round(start[0]), round(start[1])), (round(end[0]), round(end[1])), 1.0, 1, cv2.LINE_AA)
    return kernel / kernel.sum()
