"""Random hand poses: gestures people show, pinches, what lies between, synergies and independent fingers.

Every pose keeps the limits of ``anatomy`` and is free of self-collision beyond what soft pads give.
"""

from dataclasses import dataclass, fields
from typing import Protocol

import numpy as np
from jaxtyping import Float

from synth.common.config import check, option
from synth.hand.anatomy import LOWER_DEG, NUM_ANGLES, UPPER_DEG, HandAxes, pose_from_angles, turns_from_angles
from synth.hand.arrays import ManoArrays
from synth.hand.collision import Capsules
from synth.hand.gestures import GESTURES, OPEN_PINCHES, PINCHES

MAX_OVERLAP_M = 0.0025
"""Capsules are stiff and flesh is not: overlap up to here is let through."""

NOISE_DEG = np.array([5.0, 2.5, 6.0, 5.0] * 4 + [4.0, 4.0, 4.0, 5.0, 2.0, 6.0])
CONTACT_NOISE = 0.35
TRIES = 12
CLOSING_DEG = np.array([-7.0, 0.0, 4.0, 15.0])
"""MCP abduction that brings the open hand's fingers together; they converge when they bend."""


class PoseSource(Protocol):
    """Where poses come from besides the mixture."""

    @property
    def share(self) -> float:
        """Share of all poses that come from here."""
        ...

    def sample(self, rng: np.random.Generator) -> tuple[Float[np.ndarray, "16 3"], str]:
        """A pose (axis-angle in MANO order relative to the flat hand, wrist zero) and the name of its source."""
        ...


@dataclass
class PoseMixture:
    """Shares of the kinds of poses, which are divided by their sum, and how often fingers touch in them."""

    gesture: float = option(0.50, "share of poses that are a named gesture with noise")
    pinch: float = option(0.14, "share with thumb and index finger between touching and wide open")
    between: float = option(0.14, "share that blends two named gestures")
    synergy: float = option(0.12, "share whose fingers curl together, two main directions (Santello et al. 1998)")
    independent: float = option(0.10, "share whose fingers move each for itself")
    contact: float = option(1.0, "factor on poses in which fingertip and thumb touch (ok, pinches, tripod); 0 for none")
    weights: dict[str, str] = option({}, "weights of gestures in place of their own: poses.weights.one=3, 0 for never")

    def __post_init__(self) -> None:
        check(0 <= self.contact <= 10, "poses.contact", self.contact, "in [0, 10]")
        self.gesture_weights()
        shares = self.shares()
        if not all(0 <= share < np.inf for share in shares.values()) or sum(shares.values()) <= 0:
            given = ", ".join(f"poses.{kind}={getattr(self, kind):g}" for kind in shares)
            raise ValueError(f"{given} is not legal: shares must be at least 0 and one of them above 0")

    def shares(self) -> dict[str, float]:
        """Kind -> share; pinches start from a touch."""
        kinds = [item.name for item in fields(PoseMixture) if item.name not in ("contact", "weights")]
        return {kind: getattr(self, kind) * (self.contact if kind == "pinch" else 1.0) for kind in kinds}

    def gesture_weights(self) -> dict[str, float]:
        """Gesture -> weight among the gestures.

        Raises:
            ValueError: for an unknown gesture, or a weight that is none.
        """
        given = {name: _weight(name, value) for name, value in self.weights.items()}
        drawn = {
            name: given.get(name, gesture.weight) * (self.contact if gesture.contact else 1.0)
            for name, gesture in GESTURES.items()
        }
        check(sum(drawn.values()) > 0, "poses.weights", self.weights, "weights of which one is above 0")
        return drawn


def _weight(gesture: str, value: str) -> float:
    key = f"poses.weights.{gesture}"
    if gesture not in GESTURES:
        raise ValueError(f"{key}={value}: there is no gesture {gesture}; legal: {', '.join(GESTURES)}")
    try:
        weight = float(value)
    except ValueError:
        weight = np.nan
    check(0 <= weight < np.inf, key, value, "a number, at least 0")
    return weight


class PoseSampler:
    """Draws poses for one hand. It holds no random state: all randomness comes from the generator handed in."""

    def __init__(
        self, arrays: ManoArrays, mixture: PoseMixture | None = None, source: PoseSource | None = None
    ) -> None:
        self.axes = HandAxes.of(arrays)
        self.capsules = Capsules.of(arrays)
        mixture = mixture or PoseMixture()
        shares = mixture.shares()
        self._kinds, self._shares = list(shares), _cumulated(list(shares.values()))
        self._source = source
        weights = mixture.gesture_weights()
        self._names, self._weights = list(weights), _cumulated(list(weights.values()))
        self._angles = {name: gesture.angles_deg() for name, gesture in GESTURES.items()}
        # a touching gesture of another hand than the open one may overlap by itself: noise must not add to it
        self._limits = {name: max(MAX_OVERLAP_M, self._overlap(a) + 0.0005) for name, a in self._angles.items()}

    def sample(self, rng: np.random.Generator) -> tuple[Float[np.ndarray, "16 3"], str]:
        """One pose and where it came from.

        Returns:
            Axis-angle in MANO order relative to the flat hand, wrist zero; and its source: ``gesture:NAME``,
            ``between:NAME-NAME``, ``pinch:NAME-NAME``, ``synergy``, ``independent``, or what a given source names.
        """
        # without a source no number is drawn: the poses of a seed stay what they were
        if self._source is not None and rng.random() < self._source.share:
            return self._source.sample(rng)
        kind = self._kinds[_drawn(self._shares, rng)]
        names = self._drawn_names(kind, rng)
        limit = max((self._limits[name] for name in names[:1]), default=MAX_OVERLAP_M)
        for attempt in range(TRIES):
            angles = np.clip(self._drawn_angles(kind, names, 0.8**attempt, rng), LOWER_DEG, UPPER_DEG)
            if self._overlap(angles) <= limit:
                pose = pose_from_angles(angles, self.axes)
                return pose, ":".join([kind, "-".join(names)] if names else [kind])
        name = names[0] if names else "relaxed"
        return self.gesture(name), f"gesture:{name}"

    def gesture(self, name: str) -> Float[np.ndarray, "16 3"]:
        """A named gesture as it stands in the table.

        Raises:
            ValueError: for a name that is not in ``gestures.GESTURES``.
        """
        if name not in self._angles:
            raise ValueError(f"gesture={name} is unknown; legal: {', '.join(self._names)}")
        return pose_from_angles(self._angles[name], self.axes)

    def _overlap(self, angles_deg: np.ndarray) -> float:
        return self.capsules.overlap(self.axes.turned_joints(turns_from_angles(angles_deg, self.axes)))

    def _drawn_names(self, kind: str, rng: np.random.Generator) -> list[str]:
        if kind == "gesture":
            return [self._any_gesture(rng)]
        if kind == "between":
            return [self._any_gesture(rng), self._any_gesture(rng)]
        if kind == "pinch":
            return [PINCHES[rng.integers(len(PINCHES))], OPEN_PINCHES[rng.integers(len(OPEN_PINCHES))]]
        return []

    def _any_gesture(self, rng: np.random.Generator) -> str:
        return self._names[_drawn(self._weights, rng)]

    def _drawn_angles(
        self, kind: str, names: list[str], scale: float, rng: np.random.Generator
    ) -> Float[np.ndarray, "22"]:
        if kind == "synergy":
            return synergy_angles(rng)
        if kind == "independent":
            return independent_angles(rng)
        first = self._angles[names[0]]
        if kind == "gesture":
            noise = scale * rng.uniform(0.2, 1.0) * (CONTACT_NOISE if GESTURES[names[0]].contact else 1.0)
            return _loosened(first, scale, rng) + noise * NOISE_DEG * rng.normal(size=NUM_ANGLES)
        if kind == "between":
            blend = rng.beta(0.7, 0.7) * scale  # fails most often halfway through another finger: go back
            return (1 - blend) * first + blend * self._angles[names[1]] + _small_noise(scale, rng)
        opening = rng.beta(0.6, 1.2)
        angles = (1 - opening) * first + opening * self._angles[names[1]]
        others = self._angles[self._any_gesture(rng)]
        angles[4:16] += rng.uniform(0.0, scale) * (others[4:16] - angles[4:16])
        return angles + _small_noise(scale, rng)


def shown_gesture(source: str) -> str | None:
    """The named gesture that a pose from ``source`` (as ``PoseSampler.sample`` names it) is; None if it is none."""
    kind, _, name = source.partition(":")
    return name if kind == "gesture" else None


def shows_contact(source: str) -> bool:
    """Whether a pose from ``source`` (as ``PoseSampler.sample`` names it) has a fingertip on the thumb, or near it."""
    _, _, names = source.partition(":")
    return any(name in GESTURES and GESTURES[name].contact for name in names.split("-"))


def synergy_angles(rng: np.random.Generator) -> Float[np.ndarray, "22"]:
    """Angles in degrees of a hand whose fingers curl together: one curl, the balance of MCP and PIP, a gradient."""
    curl, balance, gradient = rng.beta(1.2, 1.3), rng.normal(0, 0.28), rng.normal(0.05, 0.12)
    finger_curl = curl + gradient * np.array([-1.0, -0.33, 0.33, 1.0]) + rng.normal(0, 0.08, 4)
    mcp = 85 * (finger_curl * (1 + balance)).clip(-0.15, 1.05)
    pip = 100 * (finger_curl * (1 - balance)).clip(0, 1.05)
    spread = rng.normal(0, 5, 4) * (1 - 0.7 * mcp.clip(0) / 90)
    closed = CLOSING_DEG * (rng.beta(1.5, 1.5) + 0.5 * mcp / 90).clip(0, 1)
    opposed = rng.beta(1.6, 1.6)
    thumb = [
        -8 + 45 * rng.beta(1.5, 1.8),
        42 * opposed,
        32 * opposed * rng.beta(2.0, 1.5),
        rng.normal(5, 6) + 38 * curl * rng.random(),
        rng.normal(0, 4),
        -8 + 60 * rng.beta(1.2, 1.8),
    ]
    return np.concatenate([_fingers(mcp, spread + closed, pip, rng).ravel(), thumb])


def independent_angles(rng: np.random.Generator) -> Float[np.ndarray, "22"]:
    """Angles in degrees of a hand whose fingers move each for itself, as far as shared tendons let them."""
    mcp = -15 + 105 * rng.beta(0.9, 1.1, 4)
    for finger in (1, 2, 3):  # one muscle bends and straightens middle, ring and little finger
        mcp[finger] = np.clip(mcp[finger], mcp[finger - 1] - 60, mcp[finger - 1] + 60)
    pip = 105 * rng.beta(0.9, 1.2, 4)
    spread = rng.normal(0, 5, 4) * (1 - 0.7 * mcp.clip(0) / 90) + CLOSING_DEG * rng.random(4)
    thumb = LOWER_DEG[16:] + (UPPER_DEG - LOWER_DEG)[16:] * rng.beta(1.4, 1.6, 6)
    return np.concatenate([_fingers(mcp, spread, pip, rng).ravel(), thumb])


def _fingers(
    mcp: np.ndarray, abduction: np.ndarray, pip: np.ndarray, rng: np.random.Generator
) -> Float[np.ndarray, "4 4"]:
    """Angles of the four fingers; the DIP joint follows the PIP joint, since one tendon bends both."""
    dip = pip * (0.62 + rng.normal(0, 0.1, 4))
    return np.stack([mcp, abduction, pip, np.minimum(dip, pip + 15)], axis=1)


def _loosened(angles_deg: np.ndarray, scale: float, rng: np.random.Generator) -> np.ndarray:
    """Folded fingers opened a little, all by the same share: few people close a fist fully."""
    angles = angles_deg.copy()
    share = 1 - 0.16 * scale * rng.random() ** 2
    fingers = angles[:16].reshape(4, 4)
    folded = (fingers[:, 0] > 60) & (fingers[:, 2] > 85)
    fingers[folded] *= np.array([share, 1.0, share, share])
    return angles


def _small_noise(scale: float, rng: np.random.Generator) -> np.ndarray:
    return 0.4 * scale * NOISE_DEG * rng.normal(size=NUM_ANGLES)


def _cumulated(weights: list[float]) -> np.ndarray:
    sums = np.cumsum(weights)
    return sums / sums[-1]  # the last is exactly 1, above every draw


def _drawn(cumulated: np.ndarray, rng: np.random.Generator) -> int:
    return int(np.searchsorted(cumulated, rng.random(), side="right"))
