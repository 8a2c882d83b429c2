"""The table of views that go with gestures: read, checked, and as what it asks for."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from jaxtyping import Float

from synth.common.files import require_file
from synth.hand import shown_gesture
from synth.hand.gestures import GESTURES
from synth.scene.view import KINDS, UNIFORM, ShownView, ViewMixture, ViewOptions, about

SHIPPED = Path(__file__).with_name("gesture_views.yaml")
KEY, OF = "scene.view.gesture_table", "scene.view.of"
SIDES = {
    "palm": (0, -1, 0),
    "back": (0, 1, 0),
    "thumb": (0, 0, 1),
    "little": (0, 0, -1),
    "fingers": (-1, 0, 0),
    "wrist": (1, 0, 0),
}
"""Direction of each side of a right hand in its own frame."""
R_CAM_SIDES = np.array([[0, 0, -1], [0, -1, 0], [-1, 0, 0]], dtype=np.float64)
"""Frame of (towards the camera, up in the image, their cross product) to the camera frame."""
SPREAD_DEG = (24.0, 19.0, 20.0)
PARTS = ("towards", "up", "lean", "spread")


@dataclass(frozen=True)
class GestureViews:
    """Mixture of views by name of the gesture."""

    mixtures: Mapping[str, ViewMixture]

    def of_pose(self, source: str) -> ViewMixture | None:
        """The views of a pose from ``source``; None unless it is a named gesture with views of its own."""
        gesture = shown_gesture(source)
        return None if gesture is None else self.mixtures.get(gesture)

    def shares(self, options: ViewOptions) -> dict[str, dict[str, float]]:
        """Gesture -> view as samples name it -> share of the gesture's views that ``options`` ask for."""
        weights = options.weights()
        plain = {kind: weight / sum(weights.values()) for kind, weight in weights.items()}
        return {gesture: _shares(mixture, plain, options.by_gesture) for gesture, mixture in self.mixtures.items()}


def load_gesture_views(options: ViewOptions) -> GestureViews:
    """The table of ``options``, with what they set in its place.

    Raises:
        FileNotFoundError: when the table is missing.
        ValueError: when it cannot be read, or it or an option names an unknown gesture, view or side.
    """
    path = require_file(options.gesture_table, KEY) if options.gesture_table else SHIPPED
    table = _read(path)
    shown = {str(name): _view(f"{KEY}={path}: views.{name}", spec) for name, spec in table["views"].items()}
    mixtures = {
        str(gesture): _mixture(f"{KEY}={path}: gestures.{gesture}", str(gesture), weights, shown)
        for gesture, weights in table["gestures"].items()
    }
    for gesture, text in options.of.items():
        key = f"{OF}.{gesture}={text}"
        mixtures[gesture] = _mixture(key, gesture, _weights(key, text), shown)
    return GestureViews(mixtures)


def _read(path: Path) -> dict[str, dict[Any, Any]]:
    try:
        table = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError, OSError) as error:
        raise ValueError(f"{KEY}={path} cannot be read as YAML: {error}") from error
    sections = ("views", "gestures")
    if not isinstance(table, dict) or set(table) != set(sections):
        raise ValueError(f"{KEY}={path} must hold the two sections views and gestures; copy {SHIPPED} and change it")
    for section in sections:
        if not isinstance(table[section], dict):
            raise ValueError(f"{KEY}={path}: {section} must map names; copy {SHIPPED} and change it")
    return table


def _view(key: str, spec: Any) -> ShownView:
    if not isinstance(spec, dict) or not {"towards", "up"} <= set(spec) <= set(PARTS):
        raise ValueError(f"{key}={spec} is not legal: it must have towards and up, and may have lean and spread")
    name = key.rpartition(".")[2]
    if name in KINDS:
        raise ValueError(f"{key}: {name} is a kind of scene.view already; choose another name")
    towards = _direction(f"{key}.towards", spec["towards"])
    up = _direction(f"{key}.up", spec["up"])
    up = up - (up @ towards) * towards
    if np.linalg.norm(up) < 0.1:
        raise ValueError(f"{key}: up={spec['up']} is no direction in the image when {spec['towards']} is towards it")
    up /= np.linalg.norm(up)
    R_cam_hand = R_CAM_SIDES @ np.stack([towards, up, np.cross(towards, up)])
    lean = _numbers(f"{key}.lean", [spec.get("lean", 0.0)], 1, -180)[0]
    spread = _numbers(f"{key}.spread", spec.get("spread", SPREAD_DEG), 3, 0)
    return ShownView(about(2, np.radians(lean)) @ R_cam_hand, np.radians(spread))


def _direction(key: str, text: Any) -> Float[np.ndarray, "3"]:
    """Unit vector in the hand frame midway between the sides that are named."""
    names = str(text).split("+")
    unknown = [name for name in names if name not in SIDES]
    if unknown:
        raise ValueError(
            f"{key}={text}: {unknown[0]} is no side of a hand; legal: {', '.join(SIDES)}, and sums of them"
        )
    direction = np.array([SIDES[name] for name in names], dtype=np.float64).sum(axis=0)
    if not direction.any():
        raise ValueError(f"{key}={text} is not legal: opposite sides have no middle")
    return direction / np.linalg.norm(direction)


def _numbers(key: str, values: Any, count: int, least: float) -> Float[np.ndarray, "numbers"]:
    """Degrees."""
    numbers = [values] if not isinstance(values, list | tuple) else values
    is_number = [isinstance(v, int | float) and not isinstance(v, bool) and least <= v <= 180 for v in numbers]
    if len(numbers) != count or not all(is_number):
        what = "a number" if count == 1 else f"{count} numbers"
        raise ValueError(f"{key}={values} is not legal: it must be {what} in [{least}, 180], degrees")
    return np.array(numbers, dtype=np.float64)


def _weights(key: str, text: str) -> dict[str, float]:
    """``VIEW:WEIGHT,VIEW:WEIGHT`` as a dict; a weight that is left out is 1."""
    weights: dict[str, float] = {}
    for part in text.split(","):
        view, _, weight = part.strip().partition(":")
        try:
            weights[view] = float(weight or 1)
        except ValueError:
            raise ValueError(f"{key} cannot be read: write VIEW:WEIGHT,VIEW:WEIGHT") from None
    return weights


def _mixture(key: str, gesture: str, weights: Any, shown: Mapping[str, ShownView]) -> ViewMixture:
    if gesture not in GESTURES:
        raise ValueError(f"{key}: there is no gesture {gesture}; legal: {', '.join(GESTURES)}")
    if not isinstance(weights, dict):
        raise ValueError(f"{key}={weights} is not legal: it must map views to weights")
    for view, weight in weights.items():
        if view not in shown and (view not in KINDS or view == UNIFORM):
            legal = ", ".join([*shown, *(kind for kind in KINDS if kind != UNIFORM)])
            raise ValueError(f"{key}: there is no view {view}; legal: {legal}")
        is_number = isinstance(weight, int | float) and not isinstance(weight, bool)
        if not (is_number and 0 <= weight < np.inf):
            raise ValueError(f"{key}: weight {weight} of {view} is not legal: it must be a number, at least 0")
    total = sum(weights.values())
    if total <= 0:
        raise ValueError(f"{key} is not legal: one of the weights must be above 0")
    cumulated = np.cumsum([float(weight) for weight in weights.values()])
    return ViewMixture(tuple(weights), cumulated / cumulated[-1], shown)


def _shares(mixture: ViewMixture, plain: Mapping[str, float], by_gesture: float) -> dict[str, float]:
    """Kinds are drawn first; all but the uniform ones then give way to the table, by the share ``by_gesture``."""
    shares = {kind: share * (1.0 if kind == UNIFORM else 1 - by_gesture) for kind, share in plain.items()}
    of_table = (1 - plain[UNIFORM]) * by_gesture
    for name, share in zip(mixture.names, np.diff(mixture.cumulated, prepend=0.0), strict=True):
        view = f"gesture:{name}" if name in mixture.shown else name
        shares[view] = shares.get(view, 0.0) + of_table * float(share)
    return {view: share for view, share in shares.items() if share > 0}
