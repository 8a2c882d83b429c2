"""Skins: the textures, and how their colour varies from person to person."""

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from jaxtyping import Float, UInt8

from synth.common.files import require_folder
from synth.hand import skin_files

TEXTURE_PX = 512
LUMINANCE = np.array([0.2126, 0.7152, 0.0722])
PALENESS, MOST_PALENESS = (0.15, 0.5), (0.75, 1.35)
"""Exponents that are drawn, and the factors that they are kept within: a dark hand's palm would turn grey."""
CHANNEL_SPREAD = 0.03
MELANIN = -0.12, 0.22
"""Mean and sigma, in logarithms of green, on top of the painted skins: those are darker and yellower than photographed
ones. The mean was chosen so that the median L of CIELAB comes near that of hands in photographs to adapt to."""
SUFFIXES = (".webp", ".png", ".jpg")


@dataclass(frozen=True)
class Skin:
    """One texture: ``name`` as the statistics show it, and its sRGB albedo."""

    name: str
    texture: UInt8[np.ndarray, "512 512 3"]


def load_skins(folder: str = "") -> list[Skin]:
    """All skins of a folder, reduced to 512 px; the shipped ones when no folder is given.

    Raises:
        FileNotFoundError: when the folder or its pictures are missing.
        ValueError: when a picture cannot be read.
    """
    return [Skin(f.stem, _read(f)) for f in (list_skins(folder) if folder else skin_files())]


def list_skins(folder: str) -> list[Path]:
    """The textures in a user's folder, sorted.

    Raises:
        FileNotFoundError: when the folder or its pictures are missing.
    """
    root = require_folder(folder, "skins")
    files = sorted(f for f in root.iterdir() if f.suffix.lower() in SUFFIXES)
    if not files:
        raise FileNotFoundError(f"skins={root} holds no picture; give a folder with {', '.join(SUFFIXES)} textures")
    return files


def flat_skins(skins: list[Skin]) -> list[Skin]:
    """The skins' mean colours, for a hand whose file has no texture coordinates that fit the pictures."""
    return [
        Skin(s.name, np.broadcast_to(np.median(s.texture, axis=(0, 1)).astype(np.uint8), s.texture.shape).copy())
        for s in skins
    ]


def albedo_at(skin: Skin, uv: Float[np.ndarray, "points 2"]) -> Float[np.ndarray, "3"]:
    """Mean linear RGB of the skin at texture coordinates (v up)."""
    column = np.clip((uv[:, 0] * TEXTURE_PX).astype(int), 0, TEXTURE_PX - 1)
    row = np.clip(((1 - uv[:, 1]) * TEXTURE_PX).astype(int), 0, TEXTURE_PX - 1)
    return ((skin.texture[row, column] / 255.0) ** 2.2).mean(0)


def sample_tint(rng: np.random.Generator, albedo: Float[np.ndarray, "3"]) -> Float[np.ndarray, "3"]:
    """Linear RGB factor on a skin: melanin (darkens blue most), blood (reddens), paleness, a little of each channel.

    The painted skins are redder than photographed ones, dark skins most of all; paleness moves each channel towards
    the grey of the same brightness by a drawn share, so that both occur. Its range was chosen so that the CIELAB
    a, b and chroma of rendered hands spread as those of hands in photographs do.

    Args:
        rng: Source of all randomness.
        albedo: The skin's mean linear RGB.
    """
    melanin = rng.normal(*MELANIN)
    blood = rng.normal() * 0.07
    factor = np.exp(-melanin * np.array([0.65, 1.0, 1.25]) + blood * np.array([0.5, -1.0, -0.7]))
    grey = max(float(albedo @ LUMINANCE), 1e-3)
    paleness = (grey / np.maximum(albedo, 1e-3)) ** rng.uniform(*PALENESS)
    paleness = np.clip(paleness, *MOST_PALENESS)
    return np.clip(factor * paleness * (1 + rng.normal(size=3) * CHANNEL_SPREAD), 0.3, 3.0)


def _read(file: Path) -> np.ndarray:
    picture = cv2.imread(str(file), cv2.IMREAD_COLOR)
    if picture is None:
        raise ValueError(f"skins: {file} cannot be read as a picture; delete or replace it")
    picture = cv2.resize(picture, (TEXTURE_PX, TEXTURE_PX), interpolation=cv2.INTER_AREA)
    return np.ascontiguousarray(picture[..., ::-1])
