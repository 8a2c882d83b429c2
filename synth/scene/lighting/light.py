"""Random light: a coloured ambient with direction and three lamps, brought to a drawn exposure."""

from dataclasses import dataclass

import numpy as np

from synth.common.config import check, option
from synth.render.renderer import Lights, Material

KINDS = ("room", "window", "outdoor", "dim", "lamp")
SHARES = np.array([0.36, 0.24, 0.2, 0.1, 0.1])
AMBIENT_SHARE = {
    "room": (0.5, 0.85),
    "window": (0.3, 0.6),
    "outdoor": (0.3, 0.8),
    "dim": (0.3, 0.8),
    "lamp": (0.15, 0.4),
}
EXPOSURE = {"room": (0.9, 1.5), "window": (0.8, 1.6), "outdoor": (1.0, 2.0), "dim": (0.3, 0.8), "lamp": (0.7, 1.7)}
"""Irradiance on a surface that faces the camera; 1 shows a surface as bright as its albedo."""


@dataclass
class LightOptions:
    """Where the light comes from."""

    hdr_dir: str = option("", "folder of HDR panoramas (.npz with rgb, or .hdr; H x 2H) as light; empty: lamps only")
    hdr_share: float = option(0.6, "share of images lit by a panorama when hdr_dir is given")

    def __post_init__(self) -> None:
        check(0 <= self.hdr_share <= 1, "scene.light.hdr_share", self.hdr_share, "in [0, 1]")


@dataclass(frozen=True)
class DrawnLight:
    """Lights with what was drawn: the kind, the exposure and the mean colour (linear RGB) for the background."""

    lights: Lights
    kind: str
    exposure: float
    colour: np.ndarray


def sample_light(rng: np.random.Generator) -> DrawnLight:
    """Ambient and lamps of one of five kinds, scaled so that what faces the camera has the drawn exposure."""
    kind = KINDS[rng.choice(len(KINDS), p=SHARES)]
    exposure = float(rng.uniform(*EXPOSURE[kind]))
    colour = _lamp_colour(rng)
    ambient = _ambient(rng, colour)
    directions = _directions(rng, kind)
    strength = np.array([1.0, rng.uniform(0.05, 0.6), rng.uniform(0.0, 0.4)])
    colours = strength[:, None] * np.stack([_lamp_colour(rng) for _ in range(3)])
    ambient_share = rng.uniform(*AMBIENT_SHARE[kind])
    facing = np.clip(-directions[:, 2], 0.15, 1)[:, None]
    colours *= exposure * (1 - ambient_share) / np.mean((colours * facing).sum(0))
    ambient *= exposure * ambient_share / np.mean(ambient[0])
    lights = Lights(ambient.astype(np.float32), directions.astype(np.float32), colours.astype(np.float32))
    return DrawnLight(lights, kind, exposure, colour)


def sample_material(rng: np.random.Generator, skin_brightness: float) -> Material:
    """Skin relief and gloss; dark skin with a strong highlight looks like plastic, so it gets a weaker one."""
    specular = rng.uniform(0.02, 0.22 if skin_brightness > 0.2 else 0.13)
    return Material(float(rng.uniform(0.02, 0.12)), float(rng.uniform(0.38, 0.65)), float(specular))


def _lamp_colour(rng: np.random.Generator) -> np.ndarray:
    """From warm lamp to blue shade, with a little green or magenta, mean 1."""
    warmth, green = rng.normal() * 0.12, rng.normal() * 0.015
    colour = np.exp(np.array([warmth - green, 2 * green, -warmth - green]))
    return colour / colour.mean()


def _ambient(rng: np.random.Generator, colour: np.ndarray) -> np.ndarray:
    """Nine coefficients for each colour; more light comes from above than from below."""
    ambient = np.zeros((9, 3))
    ambient[0] = colour
    ambient[1:4] = (rng.normal(size=(3, 1)) * 0.25 + rng.normal(size=(3, 3)) * 0.06) * colour
    ambient[1] -= rng.uniform(0.0, 0.35) * colour
    ambient[4:] = (rng.normal(size=(5, 1)) * 0.06 + rng.normal(size=(5, 3)) * 0.02) * colour
    return ambient


def _directions(rng: np.random.Generator, kind: str) -> np.ndarray:
    """Towards the lamps: mostly above and on the camera's side; a window also from the side or behind."""
    directions = rng.normal(size=(3, 3))
    directions[:, 1] -= 0.6
    lean = 0.3 if kind == "window" else 1.2
    directions[:, 2] = np.where(rng.random(3) < lean, -np.abs(directions[:, 2]) - 0.25, directions[:, 2])
    return directions / np.linalg.norm(directions, axis=1, keepdims=True)
