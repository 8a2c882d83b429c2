"""A sample at another image size, with the intrinsics that go with it."""

import dataclasses

import cv2
import numpy as np

from synth.dataset.sample import HandSample
from synth.geometry.camera import Camera


def resized(sample: HandSample, side_px: int) -> HandSample:
    """The sample with images of ``side_px`` x ``side_px``, and K and the joints in their pixels.

    Pixel centres stay pixel centres: u becomes (u + 0.5) * scale - 0.5. Colour is averaged or interpolated; depth and
    part ids take the nearest pixel, so that no value is invented between hand and background.

    Raises:
        ValueError: when the sample's image is not square.
    """
    height, width = sample.rgb.shape[:2]
    if width != height:
        raise ValueError(f"sample {sample.index} is {width} x {height} px; only square images can be resized")
    scale = side_px / width
    shift = (scale - 1) / 2
    A_resized_image = np.array([[scale, 0, shift], [0, scale, shift]])
    camera = Camera(sample.K, width, height).crop(A_resized_image, side_px, side_px)
    size = (side_px, side_px)
    smooth = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    return dataclasses.replace(
        sample,
        rgb=cv2.resize(sample.rgb, size, interpolation=smooth),
        # The plain INTER_NEAREST of OpenCV is half a pixel off.
        depth_m=cv2.resize(sample.depth_m, size, interpolation=cv2.INTER_NEAREST_EXACT),
        segmentation=cv2.resize(sample.segmentation, size, interpolation=cv2.INTER_NEAREST_EXACT),
        K=camera.K,
        joints_px=camera.project(sample.joints_cam),
    )
