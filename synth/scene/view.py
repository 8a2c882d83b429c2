"""From where the camera sees the hand: a mixture of the ways in which people hold a hand before a camera."""

from dataclasses import dataclass

import numpy as np
from scipy.spatial.transform import Rotation

from synth.config import check, option

R_CAM_PALM = np.array([[0.0, 0.0, 1.0], [1.0, 0.0, 0.0], [0.0, 1.0, 0.0]])
"""Hand frame to camera frame for fingers up and the palm towards the camera; the thumb is at the right."""


@dataclass
class ViewOptions:
    """How often each kind of view is drawn; the weights need not sum to 1."""

    selfie_palm: float = option(0.42, "weight of the palm towards the camera, fingers up")
    selfie_back: float = option(0.14, "weight of the back of the hand towards the camera, fingers up")
    egocentric: float = option(0.2, "weight of fingers pointing away from the camera, as one sees one's own hand")
    side: float = option(0.09, "weight of views along the palm's plane")
    uniform: float = option(0.15, "weight of views from everywhere")

    def __post_init__(self) -> None:
        for key, weight in self.weights().items():
            check(weight >= 0, f"scene.view.{key}", weight, "at least 0")
        check(sum(self.weights().values()) > 0, "scene.view", self.weights(), "weights of which one is above 0")

    def weights(self) -> dict[str, float]:
        """Weight of each kind by name."""
        return {name: float(getattr(self, name)) for name in self.__dataclass_fields__}


@dataclass(frozen=True)
class View:
    """Rotation from the hand frame to the camera frame, and the kind it was drawn from."""

    R_cam_hand: np.ndarray
    kind: str


def sample_view(rng: np.random.Generator, options: ViewOptions) -> View:
    """One view of the mixture."""
    weights = options.weights()
    shares = np.array(list(weights.values()))
    kind = list(weights)[rng.choice(len(shares), p=shares / shares.sum())]
    if kind == "uniform":
        return View(Rotation.from_quat(rng.normal(size=4)).as_matrix(), kind)
    yaw, pitch, roll = _angles(rng, kind)
    return View(_about(2, roll) @ _about(0, pitch) @ _about(1, yaw) @ R_CAM_PALM, kind)


def _about(axis: int, angle: float) -> np.ndarray:
    """Rotation about one axis of the camera frame."""
    a, b = (axis + 1) % 3, (axis + 2) % 3
    R = np.eye(3)
    R[a, a] = R[b, b] = np.cos(angle)
    R[b, a], R[a, b] = np.sin(angle), -np.sin(angle)
    return R


def _angles(rng: np.random.Generator, kind: str) -> tuple[float, float, float]:
    """Yaw about the image's vertical (0 palm, pi/2 thumb side, pi back towards the camera), pitch (negative tips the
    fingers away) and roll in the image, radians."""
    roll = rng.normal() * 0.4 if rng.random() > 0.12 else rng.uniform(-np.pi, np.pi)
    pitch = rng.normal() * 0.33
    if kind == "selfie_palm":
        return rng.normal() * 0.42, pitch, roll
    if kind == "selfie_back":
        return np.pi + rng.normal() * 0.42, pitch, roll
    if kind == "side":
        return rng.choice([-1.0, 1.0]) * np.pi / 2 + rng.normal() * 0.35, pitch, roll
    return rng.uniform(0.4, 1.08) * np.pi, -rng.uniform(0.0, 1.1), 0.2 + rng.normal() * 0.5
