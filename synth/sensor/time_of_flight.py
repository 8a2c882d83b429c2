"""A time-of-flight camera: noise by how much light comes back, mixed pixels at edges, rounded corners."""

from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Float

from synth.sensor import depth_faults as faults
from synth.sensor.noise import noise_window

REFERENCE_REFLECTANCE = 0.5
CORNER_M = 0.015
"""Light that bounces within this distance on the hand counts as multi-path."""
BACKGROUND_BEHIND_M = (0.3, 2.5)


@dataclass(frozen=True)
class TimeOfFlight:
    """Continuous-wave time of flight in the manner of the second Kinect.

    Shot noise of the camera's own light dominates indoors: sigma falls with the root of the signal (Lange and Seitz
    2001, IEEE J. Quantum Electronics), which goes with reflectance, cosine of incidence and 1/z^2. Its size, flying
    pixels at edges and the effect of multiple paths are those that Sarbolandi et al. 2015 (CVIU) and Corti et al. 2016
    (Robotics and Autonomous Systems) describe, the numbers of that order and not fitted.

    Attributes:
        noise_m: Sigma at 1 m on a surface of half reflectance that faces the camera.
        step_m: Step of the output.
        flying_share: Share of edge pixels that mix near and far.
        edge_dropout: Share of edge pixels that the camera's own filter takes out.
        multipath: How much farther a corner seems, as a share of how deep it lies below its surroundings.
        min_signal: Signal below which nothing is measured, relative to that at 1 m.
    """

    noise_m: float = 0.0015
    step_m: float = 0.001
    flying_share: float = 0.35
    edge_dropout: float = 0.25
    multipath: float = 0.15
    min_signal: float = 0.02

    def measure(self, rng: np.random.Generator, view: faults.DepthView) -> Float[np.ndarray, "height width"]:
        """Depth as the camera gives it."""
        z, shape = view.depth_m, view.depth_m.shape
        reflectance = faults.infrared_reflectance(rng, view)
        signal = reflectance * faults.incidence_cosine(view) / np.maximum(z, np.float32(0.05)) ** 2
        signal = (signal / REFERENCE_REFLECTANCE).astype(np.float32)
        edges, chance = faults.depth_edges(z), rng.random(shape, np.float32)
        measured = z + np.float32(self.multipath) * _below_surroundings(view)
        flying = edges & (chance < self.flying_share)
        measured = np.where(flying, _mixed(rng, z), measured)
        measured = measured + self.noise_m / np.sqrt(np.maximum(signal, 1e-4)) * noise_window(rng, *shape)[..., 0]
        lost = (z <= 0) | (signal < self.min_signal) | (edges & (chance > 1 - self.edge_dropout))
        steps = np.maximum(np.rint(measured / self.step_m), 1)
        return np.where(lost, 0, steps * self.step_m).astype(np.float32)


def _below_surroundings(view: faults.DepthView) -> np.ndarray:
    """How much deeper than the mean around it each pixel of the surface lies, metres; 0 on ridges."""
    mask = (view.depth_m > 0).astype(np.float32)
    if not mask.any():
        return np.zeros_like(mask)
    sigma = max(0.5, CORNER_M * view.focal_px / float(view.depth_m[mask > 0].mean()))
    around, weight = (cv2.GaussianBlur(layer, (0, 0), sigma) for layer in (view.depth_m.astype(np.float32), mask))
    return np.clip(view.depth_m - around / np.maximum(weight, 1e-3), 0, CORNER_M) * mask


def _mixed(rng: np.random.Generator, depth_m: np.ndarray) -> np.ndarray:
    """Between the nearest and the farthest in 3 x 3 pixels, weighted by the light that each sends back (1/z^2)."""
    behind = depth_m.max() + rng.uniform(*BACKGROUND_BEHIND_M)
    filled = np.where(depth_m > 0, depth_m, behind).astype(np.float32)
    kernel = np.ones((3, 3), np.uint8)
    near, far = cv2.erode(filled, kernel), cv2.dilate(filled, kernel)
    share = rng.random(depth_m.shape, np.float32)
    weight_near, weight_far = share / near**2, (1 - share) / far**2
    return (weight_near * near + weight_far * far) / (weight_near + weight_far)
