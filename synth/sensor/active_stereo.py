"""An active stereo camera in the manner of the RealSense D400 series: two cameras, a projector for texture."""

from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Float

from synth.sensor import depth_faults as faults
from synth.sensor.noise import noise_window

FOCAL_PX = 424.0
"""Focal length of a D435 at 848 px (90 degrees)."""


@dataclass(frozen=True)
class ActiveStereo:
    """Disparity noise and steps of a stereo matcher whose window spans several pixels.

    Depth noise is z^2 sigma / (f b) with sigma about 0.08 px, and disparity comes in steps of 1/32 px: Intel's papers
    on tuning and on sub-pixel linearity of the D400 series (Grunnet-Jepsen et al.). That it grows with the square of
    the distance is also what Ahn et al. 2019 (Ubiquitous Robots) are cited for. A window over a depth edge takes the
    near side's disparity, so that near things look fat. Window, holes and lost edges are ours, of the order that such
    images show.

    Attributes:
        baseline_m: Between the cameras.
        noise_px: Sigma of the disparity.
        step_px: Step of the disparity.
        window_px: Side of the matching window.
        hole_share: Share of the image lost in blobs.
        edge_dropout: Share of edge pixels without a match.
    """

    baseline_m: float = 0.05
    noise_px: float = 0.08
    step_px: float = 1 / 32
    window_px: float = 7.0
    hole_share: float = 0.02
    edge_dropout: float = 0.3

    def measure(self, rng: np.random.Generator, view: faults.DepthView) -> Float[np.ndarray, "height width"]:
        """Depth as the camera gives it."""
        height, width = view.depth_m.shape
        radius_px = self.window_px / 2 * view.focal_px / FOCAL_PX
        lost = (view.depth_m <= 0) | faults.unseen_by_second_eye(view, self.baseline_m)
        lost |= faults.grazing(rng, faults.incidence_cosine(view), 72, 88)
        lost |= faults.holes(rng, height, width, self.hole_share)
        lost |= faults.depth_edges(view.depth_m) & (rng.random((height, width), np.float32) < self.edge_dropout)
        per_px = 1 / (FOCAL_PX * self.baseline_m)
        noise = _window_noise(rng, height, width, radius_px)
        inverse = 1 / np.maximum(_fattened(view.depth_m, radius_px), np.float32(0.05))
        noisy = inverse + np.float32(self.noise_px * per_px) * noise
        measured = faults.in_disparity_steps(1 / np.maximum(noisy, np.float32(0.05)), self.step_px * per_px)
        return np.where(lost, np.float32(0), measured)


def _fattened(depth_m: np.ndarray, radius_px: float) -> np.ndarray:
    """Near surfaces grown over far ones by the radius of the window; the outline before the background stays."""
    reach = max(1, round(radius_px))
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * reach + 1, 2 * reach + 1))
    filled = np.where(depth_m > 0, depth_m, np.float32(1e3)).astype(np.float32)
    nearest = cv2.erode(filled, kernel)
    return np.where(filled - nearest > faults.EDGE_STEP_M, nearest, filled)


def _window_noise(rng: np.random.Generator, height: int, width: int, radius_px: float) -> np.ndarray:
    """Unit noise that neighbours share, since their windows overlap."""
    noise = cv2.GaussianBlur(noise_window(rng, height, width)[..., 0], (0, 0), max(0.3, radius_px / 2))
    return noise / max(float(noise.std()), 1e-6)
