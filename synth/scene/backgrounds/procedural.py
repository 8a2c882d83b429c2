"""Painted backgrounds: walls, rooms, noise, patterns, shelves and clutter; no pictures are needed."""

from collections.abc import Callable

import cv2
import numpy as np
from jaxtyping import UInt8

Image = UInt8[np.ndarray, "side side 3"]
COARSE_PX = 32
"""Smooth shading is computed on this grid and enlarged."""


def smooth_noise(rng: np.random.Generator, size_px: int, cells: int, channels: int = 1) -> np.ndarray:
    """Noise in [-1, 1] with about ``cells`` bumps across the image, size x size x channels."""
    coarse = rng.uniform(-1, 1, size=(cells, cells, channels)).astype(np.float32)
    return cv2.resize(coarse, (size_px, size_px), interpolation=cv2.INTER_CUBIC).reshape(size_px, size_px, channels)


def random_colour(rng: np.random.Generator) -> np.ndarray:
    """sRGB of a thing in a room: of any brightness, mostly pale; wood and sand most often, then blue, then any hue."""
    kind = rng.random()
    hue = rng.normal(0.09, 0.035) if kind < 0.5 else rng.normal(0.58, 0.05) if kind < 0.72 else rng.random()
    saturation = rng.beta(1.1, 3.5)
    value = rng.uniform(12, 250)
    ramp = np.clip(np.abs((hue * 6 + np.array([0.0, 4.0, 2.0])) % 6 - 3) - 1, 0, 1)
    return value * (1 - saturation + saturation * ramp)


def as_bytes(image: np.ndarray) -> Image:
    """Rounded to 8 bits; contiguous, so that OpenCV can draw on it."""
    return np.ascontiguousarray(np.clip(image, 0, 255).astype(np.uint8))


def paint_wall(rng: np.random.Generator, size_px: int) -> Image:
    """A plain wall or paper: a gradient, darker corners, a little unevenness."""
    grid = np.linspace(-1, 1, COARSE_PX, dtype=np.float32)
    slope = rng.normal(size=2) * 0.17
    radius = grid[:, None] ** 2 + grid[None] ** 2
    shade = slope[0] * grid[:, None] + slope[1] * grid[None] - rng.uniform(-0.05, 0.23) * radius
    shade += smooth_noise(rng, COARSE_PX, int(rng.integers(3, 9)))[..., 0] * rng.uniform(0, 0.08)
    wall = random_colour(rng) * (1 + shade)[..., None]
    return as_bytes(cv2.resize(wall.astype(np.float32), (size_px, size_px), interpolation=cv2.INTER_LINEAR))


def paint_noise(rng: np.random.Generator, size_px: int) -> Image:
    """Coloured noise over several scales: foliage, ground, things out of focus."""
    image = np.tile(random_colour(rng).astype(np.float32), (2, 2, 1))
    for cells in (3, 7, 16, 40):
        strength = rng.uniform(3, 38) * (1 + rng.normal(size=3) * 0.12)
        finer = rng.uniform(-1, 1, size=(cells, cells, 1)) * strength
        image = cv2.resize(image, (cells, cells), interpolation=cv2.INTER_CUBIC) + finer.astype(np.float32)
    return as_bytes(cv2.resize(image, (size_px, size_px), interpolation=cv2.INTER_CUBIC))


def paint_pattern(rng: np.random.Generator, size_px: int) -> Image:
    """Stripes, checks or bricks, turned and slightly uneven."""
    turn = rng.normal() * 0.5 + rng.integers(2) * np.pi / 2
    grid = np.arange(size_px, dtype=np.float32) - size_px / 2
    across = grid[None] * np.cos(turn) + grid[:, None] * np.sin(turn)
    along = grid[:, None] * np.cos(turn) - grid[None] * np.sin(turn)
    period = size_px * rng.uniform(0.03, 0.3)
    across, along = across / np.float32(period) + np.float32(rng.random()), along / np.float32(2 * period)
    column = np.floor(across)
    first = across - column < rng.uniform(0.1, 0.9)
    kind = rng.integers(3)
    if kind == 2:
        along = along + column / 2
    second = along - np.floor(along) < (0.5 if kind == 1 else 0.1)
    mask = first if kind == 0 else first ^ second
    image = np.stack([random_colour(rng), random_colour(rng)]).astype(np.float32)[mask.astype(np.intp)]
    return as_bytes(image + smooth_noise(rng, size_px, 5) * 12)


def paint_shelves(rng: np.random.Generator, size_px: int) -> Image:
    """Rows of upright boxes: books, bottles, a shop."""
    image = paint_wall(rng, size_px)
    height = int(size_px * rng.uniform(0.12, 0.35)) + 2
    palette = [random_colour(rng).tolist() for _ in range(rng.integers(3, 16))]
    for top in range(-int(rng.integers(height)), size_px, height):
        rights = np.cumsum(rng.integers(1, 2 + size_px // 11, size=size_px // 3)).tolist()
        tops = (top + height * rng.uniform(0.05, 0.4, size=len(rights))).astype(int).tolist()
        picks = rng.integers(len(palette), size=len(rights)).tolist()
        left = 0
        for right, upper, pick in zip(rights, tops, picks, strict=True):
            if left < size_px:
                cv2.rectangle(image, (left, upper), (right - 1, top + height), palette[pick], -1)
            left = right
        cv2.rectangle(image, (0, top + height - 2), (size_px, top + height + 1), random_colour(rng).tolist(), -1)
    return image


def paint_clutter(rng: np.random.Generator, size_px: int) -> Image:
    """Overlapping boxes, discs and lines of furniture and things on a wall or over noise."""
    image = paint_wall(rng, size_px) if rng.random() < 0.6 else paint_noise(rng, size_px)
    for _ in range(rng.integers(3, 16)):
        centre = rng.uniform(0, size_px, 2)
        extent = size_px * rng.uniform(0.03, 0.4, 2)
        colour, kind = random_colour(rng).tolist(), rng.integers(4)
        if kind == 0:
            cv2.ellipse(image, _point(centre), _point(extent), rng.uniform(0, 180), 0, 360, colour, -1, cv2.LINE_AA)
        elif kind == 1:
            end = centre + rng.normal(size=2) * size_px * 0.5
            cv2.line(image, _point(centre), _point(end), colour, int(rng.integers(1, 1 + size_px // 16)), cv2.LINE_AA)
        else:
            turn = rng.normal() * (8 if kind == 2 else 40)
            corners = cv2.boxPoints((tuple(centre.tolist()), tuple(extent.tolist()), float(turn)))
            cv2.fillConvexPoly(image, corners.astype(np.int32), colour, cv2.LINE_AA)
    return image


def paint_room(rng: np.random.Generator, size_px: int) -> Image:
    """Wall and floor or table meeting at an edge, with a picture, door or window."""
    image = paint_wall(rng, size_px)
    edge = int(size_px * rng.uniform(0.35, 0.95))
    tilt = int(rng.normal() * size_px * 0.06)
    floor = np.array([[0, edge + tilt], [size_px, edge - tilt], [size_px, size_px], [0, size_px]], np.int32)
    cv2.fillConvexPoly(image, floor, random_colour(rng).tolist(), cv2.LINE_AA)
    for _ in range(rng.integers(0, 4)):
        corner = rng.uniform(-0.2, 0.9, 2) * size_px
        far = corner + rng.uniform(0.1, 0.5, 2) * size_px
        cv2.rectangle(image, _point(corner), _point(far), random_colour(rng).tolist(), -1)
        cv2.rectangle(image, _point(corner), _point(far), random_colour(rng).tolist(), int(rng.integers(1, 4)))
    return image


PAINTERS: dict[str, Callable[[np.random.Generator, int], Image]] = {
    "wall": paint_wall,
    "room": paint_room,
    "noise": paint_noise,
    "pattern": paint_pattern,
    "shelves": paint_shelves,
    "clutter": paint_clutter,
}
SHARES = np.array([0.28, 0.2, 0.14, 0.08, 0.1, 0.2])


def _point(xy: np.ndarray) -> tuple[int, int]:
    return int(xy[0]), int(xy[1])
