"""The pinhole camera: projection, and crops that return the new intrinsics."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float


@dataclass(frozen=True)
class Camera:
    """A pinhole camera without distortion, OpenCV axes (x right, y down, z forward).

    Attributes:
        K: Intrinsics in pixels, 3 x 3; the centre of pixel (0, 0) is at u = v = 0.
        width: Image width in pixels.
        height: Image height in pixels.
    """

    K: Float[np.ndarray, "3 3"]
    width: int
    height: int

    def project(self, points_cam: Float[np.ndarray, "*n 3"]) -> Float[np.ndarray, "*n 2"]:
        """Camera-frame points in metres to pixels."""
        homogeneous = points_cam @ self.K.T
        return homogeneous[..., :2] / homogeneous[..., 2:]

    def unproject(
        self, points_px: Float[np.ndarray, "*n 2"], depth_m: Float[np.ndarray, "*n"]
    ) -> Float[np.ndarray, "*n 3"]:
        """Pixels with their depth in metres to camera-frame points in metres."""
        homogeneous = np.concatenate([points_px, np.ones_like(points_px[..., :1])], -1)
        return (homogeneous @ np.linalg.inv(self.K).T) * depth_m[..., None]

    def crop(self, A_crop_image: Float[np.ndarray, "2 3"], width: int, height: int) -> "Camera":
        """The camera of the image warped by ``A_crop_image`` (takes image pixels to crop pixels).

        Raises:
            ValueError: when the warp rotates or shears: what comes out would be no pinhole K with zero skew.
        """
        if abs(A_crop_image[0, 1]) > 1e-9 or abs(A_crop_image[1, 0]) > 1e-9:
            raise ValueError("a crop that rotates has no K without skew; rotate the points instead")
        return Camera(np.vstack([A_crop_image, [0.0, 0.0, 1.0]]) @ self.K, width, height)
