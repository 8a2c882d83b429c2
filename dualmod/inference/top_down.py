"""From one image to its hands: boxes looked at by the pose network, each hand named left or right and put into 3D."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from jaxtyping import Float, UInt8

from dualmod.detection.detector import Detector, HandBox
from dualmod.geometry.metric_root import PlacedHand, place_hand, skin_depth
from dualmod.inference.detectors import GIVEN, open_detector
from dualmod.inference.predictor import HandEstimates, Predictor
from dualmod.inference.test_time_augmentation import PHOTO_VIEWS, with_views
from synth.common.conventions import LEFT, RIGHT, UNKNOWN

PREDICTED = "predicted"


@dataclass(frozen=True)
class Camera:
    """What is known of camera and hand.

    Attributes:
        K: Intrinsics of the upright image, if known.
        bone_m: Length of the reference bone in metres, if measured.
    """

    K: Float[np.ndarray, "3 3"] | None = None
    bone_m: float | None = None


@dataclass(frozen=True)
class EstimatedHand:
    """One hand in one image.

    Attributes:
        box: Where it was looked for.
        box_source: Who said so: ``given``, ``detector``, ``windows`` or ``tracked``.
        joints_px: Pixels of the upright image.
        joints_depth: Depth behind the root joint in lengths of the reference bone.
        confidence: Of each joint, in (0, 1].
        right_probability: Probability of a right hand by the pose network.
        handedness: ``left`` or ``right``, as the joints were predicted.
        placed: The joints in 3D.
    """

    box: HandBox
    box_source: str
    joints_px: Float[np.ndarray, "21 2"]
    joints_depth: Float[np.ndarray, "21"]
    confidence: Float[np.ndarray, "21"]
    right_probability: float
    handedness: str
    placed: PlacedHand


@dataclass(frozen=True)
class TopDownEstimator:
    """Detector and pose network with what the user said.

    Attributes:
        predictor: The pose network.
        detector: Finds the hands of a whole image.
        detector_name: What boxes of the detector are marked with.
        camera: What is known of camera and hand.
        handedness: ``predicted``, or what every hand is: ``left``, ``right``.
        most_hands: Hands in one image at most.
        min_confidence: Hands with a lower mean confidence of their joints are left out.
    """

    predictor: Predictor
    detector: Detector
    detector_name: str
    camera: Camera = field(default_factory=Camera)
    handedness: str = PREDICTED
    most_hands: int = 1
    min_confidence: float = 0.0

    def boxes(self, image: UInt8[np.ndarray, "height width 3"]) -> list[HandBox]:
        """Where the detector sees hands, surest first."""
        return sorted(self.detector.find([image])[0], key=lambda box: -box.score)[: self.most_hands]

    def require_fitting(self, image: UInt8[np.ndarray, "height width 3"]) -> None:
        """Refuse an image that the user's intrinsics or box cannot belong to.

        Raises:
            ValueError: when the principal point or the given box lies outside it.
        """
        require_fitting_K(self.camera.K, image)
        if self.detector_name == GIVEN:
            self.boxes(image)

    def look(
        self,
        image: UInt8[np.ndarray, "height width 3"],
        boxes: Sequence[HandBox],
        *,
        box_source: str,
        handedness: Sequence[str] | None = None,
        depth_m: Float[np.ndarray, "height width"] | None = None,
    ) -> list[EstimatedHand]:
        """The hands in the given boxes, as far as the network is sure enough of them.

        Args:
            image: sRGB, upright.
            boxes: Where to look.
            box_source: Who said so.
            handedness: ``left``, ``right`` or ``unknown`` for each box; None for what the user said.
            depth_m: Depth map of the image's size and camera; 0 where nothing was measured.
        """
        if not boxes:
            return []
        said = UNKNOWN if self.handedness == PREDICTED else self.handedness
        handedness = list(handedness or [said] * len(boxes))
        found = self.predictor.predict([image] * len(boxes), np.stack([box.box_px for box in boxes]), handedness)
        return [
            EstimatedHand(
                box=box,
                box_source=box_source,
                joints_px=found.joints_px[row],
                joints_depth=found.joints_depth[row],
                confidence=found.confidence[row],
                right_probability=float(found.right_probability[row]),
                handedness=LEFT if found.mirrored[row] else RIGHT,
                placed=self._placed(image, box, found, row, depth_m),
            )
            for row, box in enumerate(boxes)
            if found.confidence[row].mean() >= self.min_confidence
        ]

    def _placed(
        self, image: np.ndarray, box: HandBox, found: HandEstimates, row: int, depth_m: np.ndarray | None
    ) -> PlacedHand:
        joints_px, size_px = found.joints_px[row], image.shape[1::-1]
        skin_m = None
        if depth_m is not None:
            margin = self.predictor.crop_margin
            skin_m = skin_depth(depth_m, joints_px, mask=found.masks[row], box_px=box.box_px, crop_margin=margin)
        return self.placed(joints_px, found.joints_depth[row], size_px, skin_m)

    def placed(
        self,
        joints_px: Float[np.ndarray, "21 2"],
        joints_depth: Float[np.ndarray, "21"],
        size_px: tuple[int, int],
        skin_m: Float[np.ndarray, "21"] | None = None,
    ) -> PlacedHand:
        """A 2.5D pose with this camera (``place_hand``)."""
        known = {"K": self.camera.K, "bone_m": self.camera.bone_m, "surface_m": skin_m}
        return place_hand(joints_px, joints_depth, size_px=size_px, **known)


def open_estimator(
    checkpoint: str | Path,
    *,
    detector: str,
    device: str = "auto",
    box_px: tuple[float, float, float, float] | None = None,
    camera: Camera | None = None,
    handedness: str = PREDICTED,
    most_hands: int = 1,
    min_confidence: float = 0.0,
    views: int = PHOTO_VIEWS,
    crop_margin: float | None = None,
) -> TopDownEstimator:
    """Open the networks of files as one estimator.

    Args:
        checkpoint: File of a pose network.
        detector: File of a detector, ``released``, or ``windows`` to search with the pose network.
        device: ``auto``, ``cpu`` or ``cuda``.
        box_px: Box x0, y0, x1, y1 of the hand in pixels of the upright image; nothing is detected then.
        camera: Intrinsics and bone length, as far as they are known.
        handedness: ``predicted``, or what every hand is: ``left``, ``right``.
        most_hands: Hands of an image at most.
        min_confidence: Least mean confidence of the joints of a hand.
        views: Crops of each hand that vote on its joints (test-time augmentation).
        crop_margin: Side of the crop over the longer side of the box; None for the checkpoint's own.

    Raises:
        FileNotFoundError: when a file is missing.
        ValueError: when a file holds another kind of network, or the device is not there.
    """
    predictor = Predictor.load(checkpoint, device, crop_margin=crop_margin)
    found, name = open_detector(predictor, box_px=box_px, detector=detector, device=device, most_hands=most_hands)
    return TopDownEstimator(
        predictor=with_views(predictor, views),
        detector=found,
        detector_name=name,
        camera=camera or Camera(),
        handedness=handedness,
        most_hands=most_hands,
        min_confidence=min_confidence,
    )


def require_fitting_K(K: Float[np.ndarray, "3 3"] | None, image: UInt8[np.ndarray, "height width 3"]) -> None:
    """Refuse intrinsics of another image size, as far as they show it.

    Raises:
        ValueError: when the principal point lies outside the image.
    """
    height, width = image.shape[:2]
    if K is not None and not (0 <= K[0, 2] < width and 0 <= K[1, 2] < height):
        raise ValueError(
            f"K has its principal point ({K[0, 2]:g}, {K[1, 2]:g}) outside the upright image of {width} x {height} px; "
            f"scale K to this size"
        )
