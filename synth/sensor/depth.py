"""What a depth camera does to depth: noise that grows with distance, steps, missing edges and holes."""

from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Float

from synth.config import check, option
from synth.sensor.noise import noise_window

EDGE_STEP_M = 0.02
"""Neighbouring pixels farther apart than this make an edge that a structured-light camera loses."""


@dataclass
class DepthOptions:
    """A depth camera; all 0 leaves the rendered depth as it is."""

    noise_m: float = option(0.0, "sigma of the noise at 1 m, metres; grows with the square of the distance")
    step_m: float = option(0.0, "size of the depth steps at 1 m, metres; grows with the square of the distance")
    edge_dropout: float = option(0.0, "share of edge pixels without a measurement")
    hole_share: float = option(0.0, "share of the surface lost in holes")

    def __post_init__(self) -> None:
        check(0 <= self.noise_m <= 0.1, "depth.noise_m", self.noise_m, "in [0, 0.1]")
        check(0 <= self.step_m <= 0.1, "depth.step_m", self.step_m, "in [0, 0.1]")
        check(0 <= self.edge_dropout <= 1, "depth.edge_dropout", self.edge_dropout, "in [0, 1]")
        check(0 <= self.hole_share <= 0.5, "depth.hole_share", self.hole_share, "in [0, 0.5]")


DEPTH_PRESETS = {
    "ideal": DepthOptions(),
    "structured_light": DepthOptions(noise_m=0.0028, step_m=0.0025, edge_dropout=0.6, hole_share=0.01),
}
"""``structured_light``: axial noise and steps of the order that Nguyen et al. 2012 (3DIM/PVT) measured for Kinect."""


def sense_depth(
    rng: np.random.Generator, depth_m: Float[np.ndarray, "height width"], options: DepthOptions
) -> Float[np.ndarray, "height width"]:
    """Depth as the camera would have measured it, metres, 0 = no measurement; never a value where there was none."""
    measured = depth_m.astype(np.float32)
    squared = measured**2
    height, width = measured.shape
    lost = measured <= 0
    if options.edge_dropout > 0:
        lost |= depth_edges(measured) & (rng.random((height, width), np.float32) < options.edge_dropout)
    if options.hole_share > 0:
        lost |= _holes(rng, height, width, options.hole_share)
    if options.noise_m > 0:
        measured = measured + np.float32(options.noise_m) * squared * noise_window(rng, height, width)[..., 0]
    if options.step_m > 0:
        # Equal steps of disparity 1/z are steps of depth that grow with its square.
        steps = np.maximum(np.rint(1 / (np.maximum(measured, np.float32(1e-3)) * options.step_m)), 1)
        measured = (1 / (steps * options.step_m)).astype(np.float32)
    return np.where(lost, np.float32(0), np.maximum(measured, np.float32(0)))


def depth_edges(depth_m: Float[np.ndarray, "height width"]) -> np.ndarray:
    """Pixels on a surface with a neighbour more than ``EDGE_STEP_M`` nearer or farther, or without a surface."""
    kernel = np.ones((3, 3), np.uint8)
    span = cv2.dilate(depth_m, kernel) - cv2.erode(depth_m, kernel)
    return (depth_m > 0) & (span > EDGE_STEP_M)


def _holes(rng: np.random.Generator, height: int, width: int, share: float) -> np.ndarray:
    """Blobs of lost pixels that cover about ``share`` of the image."""
    coarse = noise_window(rng, max(2, height // 6), max(2, width // 6))[..., 0]
    smooth = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)
    return smooth > np.quantile(smooth, 1 - share)
