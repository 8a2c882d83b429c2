"""Random arms and sleeves for one hand."""

from dataclasses import dataclass

import numpy as np

from synth.common.config import option
from synth.scene.arm.forearm_mesh import RING_AT_M, Arm, Sleeve

WRIST_SIGMA = np.array([0.12, 0.16, 0.32])
"""Twist, sideways and bending angle of the wrist in radians; the wrist bends further than it moves sideways."""
MAX_WRIST = np.array([0.4, 0.4, 1.0])
SURFACE_ONSET_M = 0.05
PIGMENT_RGB, BLOOD_RGB = np.array([0.65, 1.0, 1.25]), np.array([-0.5, 1.0, 0.7])
"""What melanin and blood take from linear RGB, in logarithms, relative to melanin's green."""


@dataclass
class ArmOptions:
    """The arm behind the hand."""

    on: bool = option(True, "whether hands have an arm; without one the mesh ends at the wrist")


def sample_arm(rng: np.random.Generator, ring_size: int, sleeve_share: float) -> Arm:
    """An arm with a random wrist, elbow and girth; ``sleeve_share`` of them have a sleeve."""
    wrist = np.clip(rng.normal(size=3) * WRIST_SIGMA, -MAX_WRIST, MAX_WRIST)
    girth = float(rng.uniform(0.55, 1.15))
    sleeve = sample_sleeve(rng, ring_size) if rng.random() < sleeve_share else None
    return Arm(wrist, sample_elbow(rng), girth, *sample_surface(rng, ring_size), sleeve)


def sample_surface(rng: np.random.Generator, ring_size: int) -> tuple[np.ndarray, np.ndarray]:
    """Muscles, rings x ring, and mottle, rings x ring x 3; both grow from nothing behind the wrist, so no seam shows.

    The cross-section gets two and three bulges that wander around the arm towards the elbow. Sun, hair and blood vary
    the colour in patches; the outer side is darker than the inner one.
    """
    rings = len(RING_AT_M)
    onset = np.clip(RING_AT_M / SURFACE_ONSET_M, 0, 1)[:, None]
    around = 2 * np.pi * np.arange(ring_size) / ring_size
    wander = np.cumsum(rng.normal(size=(2, rings, 1)) * 0.25, 1) + rng.uniform(0, 2 * np.pi, size=(2, 1, 1))
    bulges = 0.05 * np.cos(2 * around + wander[0]) + 0.03 * np.cos(3 * around + wander[1])
    muscles = 1 + onset * (rng.uniform(0.3, 1.3) * bulges + rng.normal(size=(rings, 1)) * 0.015)
    outer = 0.5 - 0.5 * np.cos(around + rng.uniform(0, 2 * np.pi))
    pigment = rng.uniform(0, 0.3) * outer + rng.normal(size=(rings, ring_size)) * rng.uniform(0.02, 0.09)
    blood = rng.normal(size=(rings, 1)) * 0.03
    mottle = np.exp(-onset[..., None] * (pigment[..., None] * PIGMENT_RGB + blood[..., None] * BLOOD_RGB))
    return muscles, mottle


def sample_elbow(rng: np.random.Generator) -> np.ndarray:
    """A bend of up to two radians about an axis across the arm."""
    turn = rng.uniform(0, 2 * np.pi)
    return rng.uniform(0.3, 2.0) * np.array([0.0, np.cos(turn), np.sin(turn)])


def sample_sleeve(rng: np.random.Generator, ring_size: int) -> Sleeve:
    """Plain or striped cloth that starts between the wrist and the middle of the forearm."""
    start = float(rng.uniform(-0.02, 0.03) if rng.random() < 0.6 else rng.uniform(0.03, 0.14))
    folds = 1 + rng.normal(size=(len(RING_AT_M), 1)) * 0.05 + rng.normal(size=(len(RING_AT_M), ring_size)) * 0.025
    colour = cloth_colour(rng)
    rings = np.tile(colour, (len(RING_AT_M), 1)) * rng.uniform(0.85, 1.1, size=(len(RING_AT_M), 1))
    if rng.random() < 0.2:
        rings[rng.integers(2) :: 2] = cloth_colour(rng)
    if rng.random() < 0.3:
        rings[:2] = cloth_colour(rng)
    # Over the wrist the hand widens towards the thumb: a narrow cuff would cut into it.
    width = float(rng.uniform(1.35 if start < 0.005 else 1.12, 1.55))
    return Sleeve(start, width, folds, rings)


def cloth_colour(rng: np.random.Generator) -> np.ndarray:
    """Linear RGB: black, grey, white and blue more often than bright colours, as clothes are."""
    kind = rng.random()
    value = rng.uniform(0.01, 0.9) ** 1.6
    if kind < 0.5:
        return np.clip(value * (1 + rng.normal(size=3) * 0.06), 0.01, 0.9)
    if kind < 0.7:
        return np.clip(value * np.array([0.35, 0.5, 1.0]) * (1 + rng.normal(size=3) * 0.1), 0.01, 0.9)
    return np.clip(0.3 * value + rng.uniform(0.01, 0.6, size=3) ** 1.5, 0.01, 0.9)
