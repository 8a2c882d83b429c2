"""What skin looks like where: palm and back, nails, knuckles, creases, lines of the palm, veins, pores.

Every field has a number for each texel of the hand's texture layout. Nothing here knows a colour.
"""

from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Float, UInt8
from scipy.interpolate import CubicSpline
from scipy.spatial import KDTree

from synth.common.conventions import MANO_JOINT_NAMES
from synth.hand.build.noise import value_noise
from synth.hand.build.surface_maps import SurfaceMaps

Field = Float[np.ndarray, "texels"]
FINGERS = ("index", "middle", "ring", "little", "thumb")
PALM_LINES: dict[str, tuple[float, tuple[tuple[str, float, float, float], ...]]] = {
    "life": (1.0, (("index", 0.20, 0, 0.016), ("index", 0.33, 0, -0.004), ("middle", 0.50, 0, 0.010),
                   ("middle", 0.72, 0, 0.016), ("wrist", 0, -0.012, 0.012))),
    "head": (0.9, (("index", 0.22, 0, 0.017), ("middle", 0.33, 0, 0.004), ("ring", 0.45, 0, 0.0),
                   ("little", 0.62, 0, -0.006))),
    "heart": (1.0, (("little", 0.10, 0, -0.014), ("ring", 0.16, 0, 0.0), ("middle", 0.10, 0, 0.0),
                    ("index", -0.06, 0, -0.006))),
    "wrist": (0.8, (("wrist", 0, -0.004, -0.024), ("wrist", 0, -0.001, 0.0), ("wrist", 0, -0.004, 0.022))),
}  # fmt: skip
"""Depth of each line, and its points: a knuckle, the share of the way from it to the wrist, and metres along x, z."""
LINE_WIDTH_M, LINE_STEPS = 0.0006, 160
LINE_CORE, LINE_SLOPE, SLOPE_WIDTH_M = 0.42, 0.2, 0.0026
"""Each line is a fine core in a broad, shallow groove: a core alone looks drawn with a pen."""
FINE_LINES, FINE_LINE_WIDTH = 0.14, 0.045
"""Depth of the palm's many fine lines, and their width as a level of the noise that they follow."""
CHUNKS = 64


@dataclass(frozen=True, eq=False)
class SkinFields:
    """Fields in [0, 1] unless said otherwise.

    Attributes:
        palm: The inside of the hand.
        nail: The nails.
        nail_edge: Their outline.
        knuckle: The back of the joints.
        crease: How deep a fold lies, negative.
        vein: Veins at the back of the hand.
        tip: The pads of the fingertips.
        nail_end, nail_moon: The white ends of the nails, and the pale parts at their roots.
        pores, blotches, patches: Noise in [-1, 1], from fine to coarse.
        relief: Height of the skin, in no unit.
    """

    palm: Field
    nail: Field
    nail_edge: Field
    knuckle: Field
    crease: Field
    vein: Field
    tip: Field
    nail_end: Field
    nail_moon: Field
    pores: Field
    blotches: Field
    patches: Field
    relief: Field


def smooth_step(start: float, end: float, values: np.ndarray) -> np.ndarray:
    """0 before ``start``, 1 behind ``end`` (which may lie before it), a cubic between."""
    share = np.clip((values - start) / (end - start), 0, 1)
    return share * share * (3 - 2 * share)


def bell(values: np.ndarray, width: float) -> np.ndarray:
    """A Gaussian bell of height 1."""
    return np.exp(-0.5 * (values / width) ** 2)


def skin_fields(
    maps: SurfaceMaps, nail_mask: UInt8[np.ndarray, "height width"], source_uv: Float[np.ndarray, "texels 2"]
) -> SkinFields:
    """All fields of a hand.

    Args:
        maps: The surface as pictures.
        nail_mask: White is nail, in a texture layout of its own.
        source_uv: Where each texel lies in that layout.
    """
    points, backness = maps.points, maps.backness
    wrist_x = maps.axes.rest_joints[0, 0]
    palm = 1 - smooth_step(-0.45, 0.25, backness)
    palm *= 1 - 0.9 * smooth_step(wrist_x - 0.010, wrist_x + 0.012, points[:, 0])
    nail = smooth_step(0.35, 0.65, _sampled(nail_mask, source_uv))
    soft_edge = cv2.GaussianBlur(maps.texels.picture(nail), (0, 0), 2)[maps.texels.inside]
    knuckle, crease = _joint_folds(maps)
    crease = crease - _palm_lines(maps)
    pores = value_noise(points, 0.0016, 3, 3)
    nail_end, nail_moon, tip = _finger_ends(maps)
    return SkinFields(
        palm=palm, nail=nail, nail_edge=np.clip(4 * soft_edge * (1 - soft_edge), 0, 1), knuckle=knuckle, crease=crease,
        vein=_veins(maps), tip=tip, nail_end=nail_end, nail_moon=nail_moon, pores=pores,
        blotches=value_noise(points, 0.007, 5, 2), patches=value_noise(points, 0.018, 4, 3),
        relief=_relief(points, crease, pores, palm, nail),
    )  # fmt: skip


def _sampled(picture: np.ndarray, uv: Float[np.ndarray, "texels 2"]) -> Field:
    height, width = picture.shape
    column, row = (uv[:, 0] * width - 0.5).astype(np.float32), ((1 - uv[:, 1]) * height - 0.5).astype(np.float32)
    shares = picture.astype(np.float32) / 255
    rows = [  # OpenCV takes no picture that is longer than 32,767
        cv2.remap(shares, x[:, None], y[:, None], cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
        for x, y in zip(np.array_split(column, CHUNKS), np.array_split(row, CHUNKS), strict=True)
    ]
    return np.concatenate(rows).ravel().astype(np.float64)


def _joint_folds(maps: SurfaceMaps) -> tuple[Field, Field]:
    """Knuckles, and creases inside and wrinkles outside of the joints of all fingers."""
    knuckle, crease = np.zeros_like(maps.backness), np.zeros_like(maps.backness)
    inside = smooth_step(0.1, -0.4, maps.backness)
    for finger in FINGERS:
        base = MANO_JOINT_NAMES.index(f"{finger}1")
        own = maps.weights[:, base : base + 3].sum(1)
        on_finger = smooth_step(0.5, 0.9, own)
        for joint, folds, wrinkling in ((base + 1, ((0.0, 1.0), (0.0024, 0.55)), 1.0), (base + 2, ((0.0, 0.9),), 0.6)):
            along, across = maps.along(joint)
            wavy = along + 0.0009 * value_noise(maps.points, 0.006, 50 + joint, 2)
            for offset_m, depth in folds:
                crease -= 0.6 * depth * on_finger * inside * bell(wavy + offset_m - 0.001, 0.0007)
            back = on_finger * smooth_step(0.35, 0.8, maps.backness) * bell(along, 0.0055) * (across < 0.02)
            ripples = (along + 0.0016 * value_noise(maps.points, 0.004, 80 + joint, 2)) / 0.0017
            crease -= 0.55 * wrinkling * back * np.clip(np.sin(2 * np.pi * ripples) - 0.15, 0, 1)
            knuckle = np.maximum(knuckle, back)
        along, across = maps.along(base)
        if finger != "thumb":  # the crease at the web, half-way along the first segment
            length = np.linalg.norm(maps.axes.rest_joints[base + 1] - maps.axes.rest_joints[base])
            wavy = along - 0.52 * length + 0.001 * value_noise(maps.points, 0.006, 20 + base, 2)
            crease -= 0.55 * smooth_step(0.55, 0.9, own) * inside * bell(wavy, 0.0008)
        back = smooth_step(0.3, 0.8, maps.backness) * np.exp(-0.5 * ((along / 0.008) ** 2 + (across / 0.012) ** 4))
        knuckle = np.maximum(knuckle, 0.7 * back)
    return knuckle, crease


def _palm_lines(maps: SurfaceMaps) -> Field:
    """How deep the lines of the palm lie at each texel: splines seen from the palm, tapered at their ends."""
    wobble = np.stack([value_noise(maps.points, 0.012, seed, 2) for seed in (7, 9)], axis=1)
    places = maps.points[:, [0, 2]] + 0.0012 * wobble
    bases = [MANO_JOINT_NAMES.index(f"{finger}1") for finger in FINGERS[:4]]
    of_palm = maps.weights[:, 0] + maps.weights[:, 13] + 0.35 * maps.weights[:, bases].sum(1) > 0.45
    depths = np.zeros(len(places))
    for depth, line in PALM_LINES.values():
        away_m, step = KDTree(_line_points(maps.axes.rest_joints, line)).query(places)
        taper = np.sin(np.clip(step / (LINE_STEPS - 1), 0.02, 0.98) * np.pi) ** 0.4
        depths += depth * taper * (LINE_CORE * bell(away_m, LINE_WIDTH_M) + LINE_SLOPE * bell(away_m, SLOPE_WIDTH_M))
    slanted = maps.points * np.array([0.6, 1, 1])
    depths += FINE_LINES * bell(value_noise(slanted, 0.010, 41, 2), FINE_LINE_WIDTH)
    return depths * smooth_step(-0.05, -0.5, maps.backness) * of_palm


def _line_points(joints: np.ndarray, line: tuple[tuple[str, float, float, float], ...]) -> np.ndarray:
    """Points of a line in the plane of the palm (x and z, metres)."""
    knots = []
    for name, share, x, z in line:
        start = joints[MANO_JOINT_NAMES.index(name if name == "wrist" else f"{name}1")]
        knots.append((start * (1 - share) + joints[0] * share)[[0, 2]] + (x, z))
    return CubicSpline(np.linspace(0, 1, len(knots)), knots)(np.linspace(0, 1, LINE_STEPS))


def _veins(maps: SurfaceMaps) -> Field:
    lengthwise = maps.points * np.array([0.45, 1, 1])
    middle_knuckle, wrist = maps.axes.rest_joints[4, 0], maps.axes.rest_joints[0, 0]
    x = maps.points[:, 0]
    on_back = smooth_step(0.45, 0.9, maps.backness) * smooth_step(-0.01, 0.02, x - middle_knuckle)
    before_arm = 1 - smooth_step(wrist, wrist + 0.04, x)
    return (
        np.exp(-((value_noise(lengthwise, 0.016, 31, 2) / 0.07) ** 2))
        * on_back
        * before_arm
        * (maps.weights[:, 13] < 0.3)
    )


def _finger_ends(maps: SurfaceMaps) -> tuple[Field, Field, Field]:
    ends, moons, tips = (np.zeros_like(maps.backness) for _ in range(3))
    for finger, tip in zip(("thumb", "index", "middle", "ring", "little"), maps.tips, strict=True):
        joint = MANO_JOINT_NAMES.index(f"{finger}3")
        beyond = (maps.points - tip) @ -maps.axes.frames[joint][:, 0]
        own = maps.weights[:, joint] > 0.9
        ends = np.maximum(ends, own * smooth_step(-0.0028, -0.0016, beyond))
        moons = np.maximum(moons, own * (1 - smooth_step(-0.0115, -0.0095, beyond)))
        tips = np.maximum(tips, bell(np.linalg.norm(maps.points - tip, axis=1), 0.012))
    return ends, moons, tips


def _relief(points: np.ndarray, crease: Field, pores: Field, palm: Field, nail: Field) -> Field:
    """Creases, pores, the net of furrows on the back and the ridges of the palm."""
    furrows = np.abs(value_noise(points, 0.0013, 13)) + np.abs(value_noise(points, 0.0011, 14))
    across = points @ np.array([0.9, 0.3, 0.5]) + 0.004 * value_noise(points, 0.01, 15, 2)
    ridges = np.sin(across / 0.0009 * 2 * np.pi)
    net = 0.10 * np.exp(-((furrows / 0.12) ** 2)) * (1 - palm)
    return 0.9 * crease + (0.10 * pores - net + 0.03 * ridges * palm) * (1 - nail)
