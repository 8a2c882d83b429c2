"""A structured-light camera in the manner of the first Kinect: one projector, one camera, triangulation."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from synth.sensor import depth_faults as faults
from synth.sensor.noise import noise_window

FOCAL_PX = 585.0
"""Focal length of the depth image of 640 px, in which the lateral noise was measured."""
MAX_SHIFT_PX = 3.0
MAX_NOISE_M = 0.02


@dataclass(frozen=True)
class StructuredLight:
    """Noise as Nguyen et al. 2012 (3DIM/PVT) measured it along and across the ray, then steps of disparity.

    Shifts across the ray first, then noise, then disparity in eighths of a pixel: so do Handa et al. 2014 (ICRA,
    ICL-NUIM) too. Holes, lost edges and the angle at which surfaces vanish are ours, of the order that such images
    show.

    Attributes:
        baseline_m: Projector to camera.
        step_px: Step of the disparity.
        edge_dropout: Share of edge pixels without a measurement.
        hole_share: Share of the image lost in blobs.
    """

    baseline_m: float = 0.075
    step_px: float = 1 / 8
    edge_dropout: float = 0.4
    hole_share: float = 0.01

    def measure(self, rng: np.random.Generator, view: faults.DepthView) -> Float[np.ndarray, "height width"]:
        """Depth as the camera gives it."""
        height, width = view.depth_m.shape
        cosine = faults.incidence_cosine(view)
        angle = np.arccos(np.clip(cosine, 0, 1))
        lost = faults.unseen_by_second_eye(view, self.baseline_m) | faults.grazing(rng, cosine, 70, 85)
        lost |= faults.depth_edges(view.depth_m) & (rng.random((height, width), np.float32) < self.edge_dropout)
        lost |= faults.holes(rng, height, width, self.hole_share)
        shifted = _shifted(rng, view.depth_m, lateral_sigma_px(angle) * view.focal_px / FOCAL_PX)
        noise = axial_sigma_m(shifted, angle) * noise_window(rng, height, width)[..., 0]
        measured = faults.in_disparity_steps(shifted + noise, self.step_px / (FOCAL_PX * self.baseline_m))
        return np.where(lost | (shifted <= 0) | (view.depth_m <= 0), np.float32(0), measured)


def axial_sigma_m(depth_m: Float[np.ndarray, "*n"], angle: Float[np.ndarray, "*n"]) -> Float[np.ndarray, "*n"]:
    """Sigma of the depth in metres at depth and angle of incidence (Nguyen et al. 2012); bounded near grazing."""
    z = np.maximum(depth_m, np.float32(0.1))
    facing = 0.0012 + 0.0019 * (z - 0.4) ** 2
    beyond = 0.0001 / np.sqrt(z) * angle**2 / np.maximum(np.pi / 2 - angle, 1e-3) ** 2
    return np.minimum(facing + np.where(angle > np.pi / 3, beyond, 0), MAX_NOISE_M).astype(np.float32)


def lateral_sigma_px(angle: Float[np.ndarray, "*n"]) -> Float[np.ndarray, "*n"]:
    """Sigma across the ray in pixels of the camera's own image (Nguyen et al. 2012)."""
    return 0.8 + 0.035 * angle / np.maximum(np.pi / 2 - angle, 1e-3)


def _shifted(rng: np.random.Generator, depth_m: np.ndarray, sigma_px: np.ndarray) -> np.ndarray:
    """Each pixel from where the lateral noise takes it; outlines get ragged, and some miss the surface."""
    height, width = depth_m.shape
    rows, columns = np.indices(depth_m.shape)
    moves = [
        np.clip(sigma_px * noise_window(rng, height, width)[..., 0], -MAX_SHIFT_PX, MAX_SHIFT_PX) for _ in range(2)
    ]
    rows = np.clip(np.rint(rows + moves[0]).astype(int), 0, height - 1)
    columns = np.clip(np.rint(columns + moves[1]).astype(int), 0, width - 1)
    return depth_m[rows, columns]
