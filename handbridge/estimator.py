"""Estimate hands in images from Python, with the networks and the steps of ``handbridge predict``."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

import numpy as np
from jaxtyping import Float, UInt8
from PIL import Image

from dualmod.checkpoints.released import RELEASED, pose_file
from dualmod.inference.detectors import GIVEN, GivenBox
from dualmod.inference.image_io import read_photo
from dualmod.inference.pose_overlays import hands_overlay
from dualmod.inference.predictor import check_crop_margin
from dualmod.inference.test_time_augmentation import PHOTO_VIEWS, VIEWS
from dualmod.inference.top_down import PREDICTED, Camera, EstimatedHand, TopDownEstimator, open_estimator

MOST_HANDS = 20
ImageLike = str | Path | np.ndarray | Image.Image


@dataclass(frozen=True)
class Hand:
    """One hand in one image.

    Attributes:
        joints_px: Pixels of the upright image, in the order of ``synth.common.conventions.JOINT_NAMES``; (0, 0) is the
            centre of the first pixel.
        joints_cam: Metres, x right, y down, z forward: in the camera frame where ``K`` was given, else relative to the
            knuckle of the middle finger.
        scale: What the metres rest on, as ``scale`` in the JSON of ``predict`` (docs/predict.md).
        joint_confidence: Confidence of each joint, in (0, 1].
        handedness: ``left`` or ``right``.
        right_probability: Probability of a right hand.
        box_px: Box x0, y0, x1, y1 that the joints were estimated in.
    """

    joints_px: Float[np.ndarray, "21 2"]
    joints_cam: Float[np.ndarray, "21 3"]
    scale: str
    joint_confidence: Float[np.ndarray, "21"]
    handedness: str
    right_probability: float
    box_px: Float[np.ndarray, "4"]
    _image: UInt8[np.ndarray, "height width 3"] = field(repr=False)
    _estimated: EstimatedHand = field(repr=False)

    @property
    def confidence(self) -> float:
        """Mean confidence of the joints, in (0, 1]."""
        return float(self.joint_confidence.mean())

    def draw(self) -> UInt8[np.ndarray, "height2 width2 3"]:
        """Draw the skeleton into a copy of the image.

        The longer side of the picture is between 640 and 1,600 px, so that lines and text can be read.
        """
        return hands_overlay(self._image, [self._estimated])


class HandEstimator:
    """Find hands in an image and estimate their joints; ``handbridge.load`` makes one."""

    def __init__(self, estimator: TopDownEstimator) -> None:
        """Wrap an opened estimator.

        Args:
            estimator: Detector and pose network.
        """
        self._estimator = estimator

    def __repr__(self) -> str:
        return f"HandEstimator(device={self._estimator.predictor.device})"

    def __call__(
        self,
        image: ImageLike,
        *,
        box_px: Sequence[float] | None = None,
        K: Float[np.ndarray, "3 3"] | None = None,
        bone_m: float | None = None,
        handedness: Literal["predicted", "left", "right"] = "predicted",
        min_confidence: float = 0.0,
    ) -> list[Hand]:
        """Estimate the hands of one image, highest detection score first.

        Args:
            image: A file, a PIL image, or an array of sRGB bytes [height, width, 3], upright.
            box_px: Box x0, y0, x1, y1 of one hand in pixels of the upright image; nothing is detected then.
            K: Intrinsics in pixels of the upright image; without them a camera is assumed.
            bone_m: Length from the wrist to the knuckle of the middle finger in metres, if measured; 0.04 to 0.15.
            handedness: ``predicted``, or what every hand is.
            min_confidence: Hands with a lower mean confidence of their joints are left out.

        Raises:
            TypeError: when ``image`` is of another type, or an array of another dtype.
            ValueError: when an argument is out of its range, or does not fit the image.
            FileNotFoundError: when the file does not exist.

        Example:
            >>> import handbridge, numpy as np
            >>> estimator = handbridge.load()
            >>> image = np.full((120, 160, 3), 90, np.uint8)
            >>> hand, = estimator(image, box_px=(40, 20, 120, 100), handedness="left")
            >>> hand.joints_px.shape, hand.joints_cam.shape, hand.handedness, hand.draw().shape
            ((21, 2), (21, 3), 'left', (480, 640, 3))
        """
        pixels = pixels_of(image)
        if handedness not in (PREDICTED, "left", "right"):
            raise ValueError(f"handedness must be predicted, left or right, got {handedness!r}")
        if not 0 <= min_confidence < 1:
            raise ValueError(f"min_confidence must be from 0 to below 1, got {min_confidence}")
        if bone_m is not None and not 0.04 <= bone_m <= 0.15:
            raise ValueError(f"bone_m must be 0.04 to 0.15 metres, got {bone_m}")
        estimator = replace(
            self._estimator,
            camera=Camera(_intrinsics(K), bone_m),
            handedness=handedness,
            min_confidence=min_confidence,
        )
        if box_px is not None:
            estimator = replace(estimator, detector=GivenBox(_box(box_px)), detector_name=GIVEN)
        estimator.require_fitting(pixels)
        found = estimator.look(pixels, estimator.boxes(pixels), box_source=estimator.detector_name)
        return [_hand(pixels, one) for one in found]


def load(
    checkpoint: str | Path = RELEASED,
    *,
    detector: str | Path = RELEASED,
    device: Literal["auto", "cpu", "cuda"] = "auto",
    hands: int = 1,
    views: int = PHOTO_VIEWS,
    crop_margin: float | None = None,
) -> HandEstimator:
    """Load an estimator of hands in images.

    Args:
        checkpoint: A pose network: ``released``, ``released_start``, or the file of one's own.
        detector: A detector: ``released``, the file of one's own, or ``windows`` to search with the pose network.
        device: ``auto`` takes CUDA where there is a device.
        hands: Hands of an image at most, 1 to 20.
        views: Crops of each hand that vote on its joints (test-time augmentation), 1 to 9.
        crop_margin: Side of the crop over the longer side of the box; None for the checkpoint's own.

    Raises:
        FileNotFoundError: when a file does not exist.
        ValueError: when a file holds another kind of network, an argument is out of its range, or the device is not
            there.

    Example:
        >>> import handbridge
        >>> handbridge.load("released_start", device="cpu")
        HandEstimator(device=cpu)
    """
    if not 1 <= hands <= MOST_HANDS:
        raise ValueError(f"hands must be 1 to {MOST_HANDS}, got {hands}")
    if not 1 <= views <= len(VIEWS):
        raise ValueError(f"views must be 1 to {len(VIEWS)}, got {views}")
    check_crop_margin(crop_margin or 0)
    opened = open_estimator(
        pose_file(checkpoint),
        detector=str(detector),
        device=device,
        most_hands=hands,
        views=views,
        crop_margin=crop_margin,
    )
    return HandEstimator(opened)


def pixels_of(image: ImageLike) -> UInt8[np.ndarray, "height width 3"]:
    """Read or check an image.

    Args:
        image: A file, a PIL image, or an array of sRGB bytes [height, width, 3].

    Raises:
        TypeError: when it is of another type, or an array of another dtype.
        ValueError: when an array is of another shape, or a file cannot be read.
        FileNotFoundError: when the file does not exist.
    """
    if isinstance(image, str | Path):
        path = Path(image).expanduser()
        if not path.is_file():
            raise FileNotFoundError(f"image must be a file, got {str(image)!r}, which does not exist")
        return read_photo(path).pixels
    if isinstance(image, Image.Image):
        image = np.asarray(image.convert("RGB"))
    if not isinstance(image, np.ndarray):
        raise TypeError(f"image must be a path, a PIL image or a numpy array, got {type(image).__name__}")
    if image.dtype != np.uint8:
        raise TypeError(f"image must hold bytes (uint8), got {image.dtype}; scale it to 0 to 255")
    if image.ndim != 3 or image.shape[2] != 3 or min(image.shape[:2]) < 16:
        raise ValueError(f"image must be [height, width, 3] with sides of 16 px at least, got {list(image.shape)}")
    return image


def _intrinsics(K: np.ndarray | None) -> np.ndarray | None:
    if K is None:
        return None
    K = np.asarray(K, np.float64)
    if K.shape != (3, 3) or not np.isfinite(K).all() or K[0, 0] <= 0 or K[1, 1] <= 0:
        raise ValueError(f"K must be a 3x3 matrix with positive focal lengths in pixels, got {K.tolist()}")
    return K


def _box(box_px: Sequence[float]) -> tuple[float, float, float, float]:
    values = np.asarray(box_px, np.float64)
    if values.shape != (4,) or not np.isfinite(values).all() or (values[2:] <= values[:2]).any():
        raise ValueError(f"box_px must be x0, y0, x1, y1 with x1 > x0 and y1 > y0, got {np.asarray(box_px).tolist()}")
    x0, y0, x1, y1 = values.tolist()
    return x0, y0, x1, y1


def _hand(image: np.ndarray, estimated: EstimatedHand) -> Hand:
    return Hand(
        joints_px=estimated.joints_px,
        joints_cam=estimated.placed.joints_cam,
        scale=estimated.placed.scale,
        joint_confidence=estimated.confidence,
        handedness=estimated.handedness,
        right_probability=estimated.right_probability,
        box_px=estimated.box.box_px,
        _image=image,
        _estimated=estimated,
    )
