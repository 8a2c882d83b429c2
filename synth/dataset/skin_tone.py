"""Skin tone as dermatology measures it: the individual typology angle, and its six groups."""

from collections.abc import Collection
from pathlib import Path

import cv2
import numpy as np
from jaxtyping import Float
from skimage.color import rgb2lab

from synth.hand import skin_files
from synth.scene.arm.skin import list_skins

TONE_GROUPS = (
    ("very light", 55.0),
    ("light", 41.0),
    ("intermediate", 28.0),
    ("tan", 10.0),
    ("brown", -30.0),
    ("dark", -np.inf),
)
"""Name and smallest angle in degrees of each group (Chardon et al. 1991, Del Bino and Bernerd 2013)."""


def typology_angle_deg(srgb: Float[np.ndarray, "3"]) -> float:
    """Individual typology angle arctan((L* - 50) / b*) in degrees of a colour; sRGB in [0, 1]."""
    lightness, _, yellow = rgb2lab(np.asarray(srgb, np.float64)[None, None])[0, 0]
    return float(np.degrees(np.arctan2(lightness - 50, yellow)))


def tone_group(angle_deg: float) -> str:
    """The group that an angle belongs to."""
    return next(name for name, smallest in TONE_GROUPS if angle_deg > smallest or smallest == -np.inf)


def skin_angles_deg(folder: str, names: Collection[str]) -> dict[str, float]:
    """Angle of each named skin texture of a folder, the shipped ones without a folder.

    Taken from the texture's median colour, which is that of the arm and the back of the hand; palms are lighter.

    Raises:
        FileNotFoundError: when the folder or its pictures are missing.
        ValueError: when a picture cannot be read.
    """
    files = list_skins(folder) if folder else skin_files()
    return {file.stem: typology_angle_deg(_median_srgb(file)) for file in files if file.stem in names}


def _median_srgb(file: Path) -> Float[np.ndarray, "3"]:
    picture = cv2.imread(str(file), cv2.IMREAD_REDUCED_COLOR_4)
    if picture is None:
        raise ValueError(f"skins: {file} cannot be read as a picture; delete or replace it")
    return np.median(picture.reshape(-1, 3), axis=0)[::-1] / 255
