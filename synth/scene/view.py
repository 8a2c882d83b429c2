"""From where the camera sees the hand: a mixture of the ways in which people hold a hand before a camera.

Which of them go with which gesture stands in ``gesture_views.yaml``; ``gesture_views`` reads it.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from scipy.spatial.transform import Rotation

from synth.common.config import check, option

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
SHOWN_DOWN_RAD = (-0.3, 0.3)
"""The same where a gesture is shown to the camera."""
KINDS = ("selfie_palm", "selfie_back", "egocentric", "side", "uniform", "table")
UNIFORM = "uniform"
TILT_RAD = 0.08
"""Standard deviation of the camera's turn about its axis; people hold cameras level."""
BACK_UP_SHARE = 0.7
"""Hands on a table mostly show their backs."""


@dataclass
class ViewOptions:
    """How often each kind of view is drawn, as weights of any sum. Views of named gestures may follow a table."""

    selfie_palm: float = option(0.42, "weight of the palm towards the camera, fingers up")
    selfie_back: float = option(0.14, "weight of the back of the hand towards the camera, fingers up")
    egocentric: float = option(0.2, "weight of fingers pointing away from the camera, as one sees one's own hand")
    side: float = option(0.09, "weight of views along the palm's plane")
    uniform: float = option(0.15, "weight of views from everywhere")
    table: float = option(0.05, "weight of a hand that lies on a table, seen from above")
    by_gesture: float = option(
        0.0, "share of the views of named gestures, those from everywhere apart, that are as people show them; 0: none"
    )
    gesture_table: str = option("", "YAML file that says how people show each gesture; empty: the shipped one")
    of: dict[str, str] = option({}, "views of a gesture in place of the table's: scene.view.of.one=back:2,palm:1")

    def __post_init__(self) -> None:
        check(0 <= self.by_gesture <= 1, "scene.view.by_gesture", self.by_gesture, "in [0, 1]")
        for key in ("of", "gesture_table"):
            given, legal = getattr(self, key), "left out without scene.view.by_gesture above 0, or scene.view=shown"
            check(self.by_gesture > 0 or not given, f"scene.view.{key}", given, legal)
        for key, weight in self.weights().items():
            check(weight >= 0, f"scene.view.{key}", weight, "at least 0")
        check(sum(self.weights().values()) > 0, "scene.view", self.weights(), "weights of which one is above 0")

    def weights(self) -> dict[str, float]:
        """Weight of each kind by name."""
        return {kind: float(getattr(self, kind)) for kind in KINDS}


@dataclass(frozen=True)
class View:
    """How the camera sees hand and world.

    Attributes:
        R_cam_hand: Rotation from the hand frame to the camera frame.
        R_cam_world: Rotation from the world frame (+y down, heading at random) to the camera frame.
        kind: What the view was drawn as; ``gesture:NAME`` if it is a view of the table of gestures.
    """

    R_cam_hand: Float[np.ndarray, "3 3"]
    R_cam_world: Float[np.ndarray, "3 3"]
    kind: str


@dataclass(frozen=True)
class ShownView:
    """How a right hand is held before the camera.

    Attributes:
        R_cam_hand: Rotation from the hand frame to the camera frame without spread.
        spread_rad: Standard deviations of a turn about the image's vertical, its horizontal, and in the image.
    """

    R_cam_hand: Float[np.ndarray, "3 3"]
    spread_rad: Float[np.ndarray, "3"]

    def sample(self, rng: np.random.Generator) -> Float[np.ndarray, "3 3"]:
        """A rotation from the hand frame to the camera frame."""
        yaw, pitch, roll = rng.normal(size=3) * self.spread_rad
        return about(2, roll) @ about(0, pitch) @ about(1, yaw) @ self.R_cam_hand


@dataclass(frozen=True)
class ViewMixture:
    """The views of one gesture.

    Attributes:
        names: Names of views of the table, or kinds of ``ViewOptions``.
        cumulated: Their shares, summed up.
        shown: The table's views by name.
    """

    names: tuple[str, ...]
    cumulated: Float[np.ndarray, "names"]
    shown: Mapping[str, ShownView]

    def sample(self, rng: np.random.Generator) -> str:
        """The name of one of them."""
        return self.names[int(np.searchsorted(self.cumulated, rng.random(), side="right"))]


def sample_view(rng: np.random.Generator, options: ViewOptions, mixture: ViewMixture | None = None) -> View:
    """One view of the mixture of ``options``; if the hand shows a gesture, as people show it to a camera.

    Args:
        rng: Source of all randomness.
        options: Weights of the kinds of views.
        mixture: Views of the gesture; None for a hand that shows none.
    """
    weights = options.weights()
    shares = np.array(list(weights.values()))
    kind = list(weights)[rng.choice(len(shares), p=shares / shares.sum())]
    shown = None
    # without the table no number is drawn: the views of a seed stay what they were
    if mixture is not None and options.by_gesture > 0 and kind != UNIFORM and rng.random() < options.by_gesture:
        kind = mixture.sample(rng)
        shown = mixture.shown.get(kind)
    low, high = DOWN_RAD[kind] if shown is None else SHOWN_DOWN_RAD
    down_rad = float(rng.uniform(low, high))
    heading, tilt = rng.uniform(-np.pi, np.pi), rng.normal() * TILT_RAD
    R_cam_level = about(2, tilt) @ about(0, down_rad)
    R_cam_hand = _turned_hand(rng, kind, R_cam_level) if shown is None else shown.sample(rng)
    return View(R_cam_hand, R_cam_level @ about(1, heading), kind if shown is None else f"gesture:{kind}")


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
