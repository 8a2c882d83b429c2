"""From where the camera sees the hand: a mixture of the ways in which people hold a hand before a camera."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from scipy.spatial.transform import Rotation

from synth.config import check, option

R_CAM_PALM = np.array([[0.0, 0.0, 1.0], [1.0, 0.0, 0.0], [0.0, 1.0, 0.0]])
"""Hand frame to camera frame for fingers up and the palm towards the camera; the thumb is at the right."""

DOWN_RAD = {
    "selfie_palm": (-0.3, 0.3),
    "selfie_back": (-0.3, 0.3),
    "egocentric": (0.15, 1.1),
    "side": (-0.2, 0.6),
    "uniform": (-0.5, 1.0),
    "table": (0.8, 1.57),
}
"""How far the camera looks down in each kind of view, radians: 0 is level, pi/2 straight down."""
TILT_RAD = 0.08
"""Standard deviation of the camera's turn about its axis; people hold cameras level."""
BACK_UP_SHARE = 0.7
"""Hands on a table mostly show their backs."""


@dataclass
class ViewOptions:
    """How often each kind of view is drawn; the weights need not sum to 1."""

    selfie_palm: float = option(0.42, "weight of the palm towards the camera, fingers up")
    selfie_back: float = option(0.14, "weight of the back of the hand towards the camera, fingers up")
    egocentric: float = option(0.2, "weight of fingers pointing away from the camera, as one sees one's own hand")
    side: float = option(0.09, "weight of views along the palm's plane")
    uniform: float = option(0.15, "weight of views from everywhere")
    table: float = option(0.05, "weight of a hand that lies on a table, seen from above")

    def __post_init__(self) -> None:
        for key, weight in self.weights().items():
            check(weight >= 0, f"scene.view.{key}", weight, "at least 0")
        check(sum(self.weights().values()) > 0, "scene.view", self.weights(), "weights of which one is above 0")

    def weights(self) -> dict[str, float]:
        """Weight of each kind by name."""
        return {name: float(getattr(self, name)) for name in self.__dataclass_fields__}


@dataclass(frozen=True)
class View:
    """How the camera sees hand and world.

    Attributes:
        R_cam_hand: Rotation from the hand frame to the camera frame.
        R_cam_world: Rotation from the world frame (+y down, heading at random) to the camera frame.
        kind: What the view was drawn as.
    """

    R_cam_hand: Float[np.ndarray, "3 3"]
    R_cam_world: Float[np.ndarray, "3 3"]
    kind: str


def sample_view(rng: np.random.Generator, options: ViewOptions) -> View:
    """One view of the mixture."""
    weights = options.weights()
    shares = np.array(list(weights.values()))
    kind = list(weights)[rng.choice(len(shares), p=shares / shares.sum())]
    low, high = DOWN_RAD[kind]
    down_rad = float(rng.uniform(low, high))
    heading, tilt = rng.uniform(-np.pi, np.pi), rng.normal() * TILT_RAD
    R_cam_level = about(2, tilt) @ about(0, down_rad)
    return View(_turned_hand(rng, kind, R_cam_level), R_cam_level @ about(1, heading), kind)


def _turned_hand(rng: np.random.Generator, kind: str, R_cam_level: np.ndarray) -> np.ndarray:
    """Rotation from the hand frame to the camera frame; ``R_cam_level`` takes the frame of a level camera to it."""
    if kind == "uniform":
        return Rotation.from_quat(rng.normal(size=4)).as_matrix()
    if kind == "table":
        over = np.pi if rng.random() < BACK_UP_SHARE else 0.0
        lying = about(1, over + rng.normal() * 0.25) @ about(0, rng.normal() * 0.2) @ R_CAM_PALM
        return R_cam_level @ about(0, -np.pi / 2) @ about(2, rng.uniform(-np.pi, np.pi)) @ lying
    yaw, pitch, roll = _angles(rng, kind)
    return about(2, roll) @ about(0, pitch) @ about(1, yaw) @ R_CAM_PALM


def about(axis: int, angle: float) -> Float[np.ndarray, "3 3"]:
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
