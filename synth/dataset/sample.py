"""One sample of a synthetic dataset, and its four members on disk."""

import json
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import simplejpeg
from jaxtyping import Bool, Float, UInt8

from synth.common.conventions import DEPTH_STEP_M

JPEG_QUALITY = 92
DEPTH_PNG = [
    cv2.IMWRITE_PNG_COMPRESSION, 1,
    cv2.IMWRITE_PNG_FILTER, cv2.IMWRITE_PNG_FILTER_SUB,
    cv2.IMWRITE_PNG_STRATEGY, cv2.IMWRITE_PNG_STRATEGY_HUFFMAN_ONLY,
]  # fmt: skip
SEGMENTATION_PNG = [
    cv2.IMWRITE_PNG_COMPRESSION, 1,
    cv2.IMWRITE_PNG_FILTER, cv2.IMWRITE_PNG_FILTER_NONE,
    cv2.IMWRITE_PNG_STRATEGY, cv2.IMWRITE_PNG_STRATEGY_RLE,
]  # fmt: skip


@dataclass(frozen=True)
class HandSample:
    """A rendered hand with all that is known about it.

    Attributes:
        index: Position in the dataset; with ``seed`` it determines every byte of the sample.
        seed: The dataset's seed.
        handedness: ``right`` or ``left`` as the image shows it.
        rgb: sRGB image after the sensor.
        depth_m: Depth after the sensor, metres, 0 = no measurement.
        segmentation: Part id of each pixel (``PART_NAMES``).
        K: Intrinsics in pixels.
        joints_px: Joints projected with K, pixels.
        joints_cam: Joints in metres, camera frame.
        visible: Whether the joint lies in the image and is not hidden by a surface in front of it.
        pose_aa: Axis-angle of 16 joints in MANO order, relative to the flat hand.
        betas: Shape coefficients.
        transl: Translation of the hand model in metres, camera frame.
        hand_model: Name of the hand model that made it.
        scene: What was drawn from the seed (skin, lights, background, ...), for statistics.
    """

    index: int
    seed: int
    handedness: str
    rgb: UInt8[np.ndarray, "height width 3"]
    depth_m: Float[np.ndarray, "height width"]
    segmentation: UInt8[np.ndarray, "height width"]
    K: Float[np.ndarray, "3 3"]
    joints_px: Float[np.ndarray, "21 2"]
    joints_cam: Float[np.ndarray, "21 3"]
    visible: Bool[np.ndarray, "21"]
    pose_aa: Float[np.ndarray, "16 3"]
    betas: Float[np.ndarray, "10"]
    transl: Float[np.ndarray, "3"]
    hand_model: str
    scene: dict[str, Any]

    @property
    def key(self) -> str:
        """The sample's key in its shard."""
        return f"{self.index:08d}"


def encode_sample(sample: HandSample) -> dict[str, bytes]:
    """The sample's members by extension, in the order in which they are written."""
    depth_steps = np.clip(np.rint(sample.depth_m / DEPTH_STEP_M), 0, 65535).astype(np.uint16)
    labels = {
        "index": sample.index,
        "seed": sample.seed,
        "handedness": sample.handedness,
        "K": _rounded(sample.K, 6),
        "joints_px": _rounded(sample.joints_px, 4),
        "joints_cam": _rounded(sample.joints_cam, 7),
        "visible": [int(v) for v in sample.visible],
        "pose_aa": _rounded(sample.pose_aa, 6),
        "betas": _rounded(sample.betas, 6),
        "transl": _rounded(sample.transl, 7),
        "hand_model": sample.hand_model,
        "scene": sample.scene,
    }
    rgb = simplejpeg.encode_jpeg(
        np.ascontiguousarray(sample.rgb), quality=JPEG_QUALITY, colorspace="RGB", colorsubsampling="420"
    )
    return {
        "rgb.jpg": rgb,
        "depth.png": cv2.imencode(".png", depth_steps, DEPTH_PNG)[1].tobytes(),
        "seg.png": cv2.imencode(".png", sample.segmentation, SEGMENTATION_PNG)[1].tobytes(),
        "json": json.dumps(labels, separators=(",", ":")).encode(),
    }


def decode_sample(members: dict[str, bytes]) -> HandSample:
    """The sample from its members by extension.

    Raises:
        ValueError: when a member is missing or cannot be decoded; the message names it.
    """
    for name in ("rgb.jpg", "depth.png", "seg.png", "json"):
        if name not in members:
            raise ValueError(f"member {name} is missing")
    try:
        labels = json.loads(members["json"])
    except ValueError as error:
        raise ValueError(f"member json cannot be decoded: {error}") from error
    rgb = decode_rgb(members["rgb.jpg"])
    depth_steps = cv2.imdecode(np.frombuffer(members["depth.png"], np.uint8), cv2.IMREAD_UNCHANGED)
    segmentation = cv2.imdecode(np.frombuffer(members["seg.png"], np.uint8), cv2.IMREAD_UNCHANGED)
    if depth_steps is None or segmentation is None:
        raise ValueError("member depth.png or seg.png cannot be decoded")
    arrays = {
        name: np.asarray(labels[name], np.float64)
        for name in ("K", "joints_px", "joints_cam", "pose_aa", "betas", "transl")
    }
    return HandSample(
        index=labels["index"],
        seed=labels["seed"],
        handedness=labels["handedness"],
        rgb=rgb,
        depth_m=depth_steps.astype(np.float32) * np.float32(DEPTH_STEP_M),
        segmentation=segmentation,
        visible=np.asarray(labels["visible"], bool),
        hand_model=labels["hand_model"],
        scene=labels["scene"],
        **arrays,
    )


def decode_rgb(member: bytes) -> UInt8[np.ndarray, "height width 3"]:
    """The image of a sample from its member ``rgb.jpg``.

    Raises:
        ValueError: when it cannot be decoded.
    """
    try:
        return simplejpeg.decode_jpeg(member, colorspace="RGB")
    except ValueError as error:
        raise ValueError(f"member rgb.jpg cannot be decoded: {error}") from error


def _rounded(values: np.ndarray, digits: int) -> list:
    return np.round(np.asarray(values, np.float64), digits).tolist()
