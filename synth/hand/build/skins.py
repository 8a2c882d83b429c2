"""Paints skins: two pigments in a pale ground, by how much melanin and blood a person has, and age."""

from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Float, UInt8

from synth.hand.build.noise import value_noise
from synth.hand.build.skin_fields import SkinFields, smooth_step
from synth.hand.build.surface_maps import SurfaceMaps

GROUND = np.array([0.90, 0.66, 0.53])
MELANIN = 2.1 * np.array([0.95, 1.55, 2.15])
BLOOD = 0.75 * np.array([0.10, 0.62, 0.55])
"""Linear RGB of skin without pigments, and what a full dose of each takes from it (Beer-Lambert: as an exponent)."""
NAIL_PLATE, NAIL_END = np.array([0.74, 0.50, 0.43]), np.array([0.80, 0.70, 0.58])
PLATE_COVER, END_COVER = 0.25, 0.7
"""Colours of a nail over its bed and beyond it, and how much of what lies below each hides."""
VEIN_SHADE = np.array([0.16, 0.10, 0.03])
GAMMA = 1.9
"""Between linear and sRGB: the painted values were chosen by eye with it."""
PADDING = 16
"""Texels by which colours are spread over the charts' borders, for smaller copies of the picture."""


@dataclass(frozen=True)
class Complexion:
    """One person's skin, each from 0 to 1: melanin, blood, age; ``seed`` places the spots of age."""

    melanin: float
    blood: float
    age: float
    seed: int


def complexions(count: int, rng: np.random.Generator) -> list[Complexion]:
    """People from pale to dark, each with a random share of blood and a random age."""
    shades = np.linspace(0.02, 0.95, count)
    return [Complexion(float(m), 0.25 + 0.5 * rng.random(), rng.random(), seed) for seed, m in enumerate(shades)]


def painted_skin(fields: SkinFields, maps: SurfaceMaps, person: Complexion) -> UInt8[np.ndarray, "size size 3"]:
    """One skin as an sRGB picture."""
    melanin, blood = _melanin(fields, maps, person), _blood(fields, person)
    colour = GROUND * np.exp(-MELANIN * melanin[..., None] - BLOOD * blood[..., None])
    texture = (1 + 0.05 * fields.pores * (1 - fields.nail)) * (1 + 0.09 * fields.relief)
    colour = colour * texture[..., None]
    veined = fields.vein * (0.35 + 0.6 * person.age) * (1 - 0.6 * person.melanin)
    colour = colour * (1 - VEIN_SHADE * veined[..., None])
    nail = fields.nail[..., None]
    colour = (colour * (1 - nail) + _nails(fields, person, colour) * nail) * (1 - 0.16 * fields.nail_edge[..., None])
    srgb = np.clip(colour, 0, 1) ** (1 / GAMMA)
    return padded(maps.texels.picture(srgb * 255).astype(np.uint8), maps.texels.inside)


def padded(picture: UInt8[np.ndarray, "size size 3"], inside: np.ndarray) -> UInt8[np.ndarray, "size size 3"]:
    """The picture with colours spread over the borders of its charts, and the median colour beyond."""
    result, known = picture.copy(), inside.copy()
    for _ in range(PADDING):
        wider = cv2.dilate(known.astype(np.uint8), np.ones((3, 3), np.uint8)).astype(bool)
        total = cv2.blur(result.astype(np.float32) * known[..., None], (3, 3))
        count = cv2.blur(known.astype(np.float32), (3, 3))
        new = wider & ~known
        result[new] = (total[new] / np.maximum(count[new], 1e-6)[:, None]).astype(np.uint8)
        known = wider
    result[~known] = np.median(result[inside], axis=0).astype(np.uint8)
    return result


def _melanin(fields: SkinFields, maps: SurfaceMaps, person: Complexion) -> np.ndarray:
    """Less on the palm and under the nails, more on the knuckles, in blotches, and in spots with age."""
    amount = person.melanin * (1 + 0.10 * fields.patches + 0.06 * fields.blotches)
    amount += (0.22 * person.melanin + 0.05) * fields.knuckle
    amount *= (1 - fields.palm * (0.30 + 0.42 * person.melanin)) * (1 - 0.55 * fields.nail)
    if person.age > 0.5:
        spots = smooth_step(0.58, 0.85, value_noise(maps.points, 0.004, 900 + person.seed))
        amount += (person.age - 0.5) * 0.35 * spots * smooth_step(0.2, 0.7, maps.backness)
    return amount - 0.6 * fields.crease * (0.10 + 0.30 * person.melanin * fields.palm)


def _blood(fields: SkinFields, person: Complexion) -> np.ndarray:
    """More on the palm, fingertips, knuckles, in creases and under the nails."""
    amount = person.blood * (1 + 0.35 * fields.blotches + 0.25 * fields.patches)
    amount += (0.35 + 0.30 * fields.tip) * fields.palm + 0.225 * fields.knuckle + 0.35 * fields.nail
    return amount - 0.30 * fields.crease


def _nails(fields: SkinFields, person: Complexion, bed: Float[np.ndarray, "texels 3"]) -> Float[np.ndarray, "texels 3"]:
    """A clear plate over the bed, which has the colour of skin with little melanin and much blood."""
    shade = np.exp(-MELANIN / 2.1 * (0.55 * person.melanin) - BLOOD / 0.75 * (0.25 * person.blood))
    end = fields.nail_end[..., None]
    plate = bed * (1 - PLATE_COVER) + NAIL_PLATE * shade * PLATE_COVER
    tip = bed * (1 - END_COVER) + NAIL_END * shade * END_COVER
    return (plate * (1 - end) + tip * end) * (1 + 0.10 * fields.nail_moon[..., None])
