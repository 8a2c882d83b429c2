"""Where the hand stands before the camera, and the camera's intrinsics."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from synth.common.config import check, option
from synth.geometry.camera import Camera


@dataclass
class PlacementOptions:
    """How large and where the hand appears; size and distance together set the focal length."""

    min_fill: float = option(0.4, "smallest share of the image's side that the joints' box spans")
    max_fill: float = option(0.66, "largest share of the image's side that the joints' box spans")
    min_distance_m: float = option(0.3, "smallest distance of the hand from the camera, metres")
    max_distance_m: float = option(0.9, "largest distance of the hand from the camera, metres")
    centre_jitter: float = option(0.05, "sigma of the hand's place in the image, in image sides")
    cut_off_share: float = option(0.06, "share of hands that the image's border may cut off")

    def __post_init__(self) -> None:
        check(0.05 <= self.min_fill <= 1, "scene.placement.min_fill", self.min_fill, "in [0.05, 1]")
        check(self.min_fill <= self.max_fill <= 1, "scene.placement.max_fill", self.max_fill, "in [min_fill, 1]")
        check(self.min_distance_m >= 0.2, "scene.placement.min_distance_m", self.min_distance_m, "at least 0.2")
        check(self.max_distance_m >= self.min_distance_m, "scene.placement.max_distance_m", self.max_distance_m,
              "at least min_distance_m")  # fmt: skip
        check(self.max_distance_m <= 6, "scene.placement.max_distance_m", self.max_distance_m,
              "at most 6 (16-bit depth in 0.1 mm steps ends at 6.5 m)")  # fmt: skip
        check(0 <= self.centre_jitter <= 0.5, "scene.placement.centre_jitter", self.centre_jitter, "in [0, 0.5]")
        check(0 <= self.cut_off_share <= 1, "scene.placement.cut_off_share", self.cut_off_share, "in [0, 1]")


@dataclass(frozen=True)
class Placement:
    """The camera, and the shift in metres that brings the turned hand before it."""

    camera: Camera
    shift_m: Float[np.ndarray, "3"]
    distance_m: float
    may_be_cut: bool


def sample_placement(
    rng: np.random.Generator, joints: Float[np.ndarray, "21 3"], size_px: int, options: PlacementOptions
) -> Placement:
    """Distance, focal length and shift so that the joints' box has the drawn size and place in the image.

    Args:
        rng: Source of all randomness.
        joints: Joints turned to the camera's axes, at any place, metres.
        size_px: Side of the image.
        options: Ranges to draw from.
    """
    may_be_cut = bool(rng.random() < options.cut_off_share)
    distance_m = float(np.exp(rng.uniform(np.log(options.min_distance_m), np.log(options.max_distance_m))))
    fill = rng.uniform(options.min_fill, options.max_fill) * (rng.uniform(1.1, 1.7) if may_be_cut else 1.0)
    jitter = options.centre_jitter * (3 if may_be_cut else 1)
    slack = 0.97 if may_be_cut else max(0.0, 0.94 - fill) / 2
    centre = 0.5 + np.clip(rng.normal(size=2) * jitter, -slack, slack)
    aspect = 1 + np.clip(rng.normal() * 0.02, -0.05, 0.05)
    principal = (size_px - 1) / 2 + np.clip(rng.normal(size=2) * 0.06, -0.2, 0.2) * size_px
    target = centre * size_px - 0.5
    # The focal length depends on the perspective, which depends on the place: a few rounds settle both.
    shift = np.array([0.0, 0.0, distance_m]) - (joints.max(0) + joints.min(0)) / 2
    focal = np.array([aspect, 1.0]) * size_px
    for _ in range(5):
        slope = (joints + shift)[:, :2] / (joints + shift)[:, 2:]
        low, high = slope.min(0), slope.max(0)
        focal *= fill * size_px / np.max(focal * (high - low))
        shift[:2] += ((target - principal) / focal - (low + high) / 2) * distance_m
    K = np.array([[focal[0], 0, principal[0]], [0, focal[1], principal[1]], [0, 0, 1.0]])
    return Placement(Camera(K, size_px, size_px), shift, distance_m, may_be_cut)
