"""Textured planes behind the hand: the table under it, a wall, or cloth that faces the camera."""

from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Bool, Float, UInt8

from synth.geometry.camera import Camera

MAX_TILE_PX = 256
MIN_LEVEL_PX = 4
FOOTPRINT_PX = 4
"""Footprints change slowly: they are measured on every fourth pixel."""
TABLE_END_M = 1.6
"""Tables end here; what lies behind is wall."""
TABLE_DOWN = 0.12
"""A camera sees a table when the vertical rises towards it by more than this sine."""
STEEP = 0.6
"""From here on a camera that looks down sees nothing else."""
GRAZING = 1e-3
Image = UInt8[np.ndarray, "height width 3"]


@dataclass(frozen=True)
class Plane:
    """A plane with a pattern on it, camera frame.

    Attributes:
        normal: Unit vector towards the camera's side.
        along: Unit vector in the plane, the pattern's direction.
        distance_m: Distance of the plane from the camera.
        tile_m: Side of one tile of the pattern.
        end_m: The plane ends where it lies farther along the ray's z than this.
    """

    normal: Float[np.ndarray, "3"]
    along: Float[np.ndarray, "3"]
    distance_m: float
    tile_m: float
    end_m: float = np.inf


def sample_plane(
    rng: np.random.Generator, R_cam_world: Float[np.ndarray, "3 3"], points_cam: Float[np.ndarray, "points 3"]
) -> tuple[Plane, str]:
    """A plane behind all ``points_cam``, and its kind.

    Under a camera that looks down it is mostly a table just below the hand; else a wall some way behind it, or
    something that faces the camera.
    """
    up = R_cam_world @ np.array([0.0, -1.0, 0.0])
    if up[2] < -STEEP or (up[2] < -TABLE_DOWN and rng.random() < 0.8):
        gap = rng.uniform(0.0, 0.05) if rng.random() < 0.7 else rng.uniform(0.05, 0.5)
        kind, normal, tile_m, end_m = "table", up, float(np.exp(rng.uniform(np.log(0.25), np.log(1.5)))), TABLE_END_M
        turn = rng.uniform(-np.pi, np.pi)
    elif rng.random() < 0.7:
        facing = np.array([0.0, 0.0, -1.0])
        level = facing - (facing @ up) * up
        angle, gap = rng.uniform(-1.0, 1.0), float(np.exp(rng.uniform(np.log(0.1), np.log(2.5))))
        normal = cv2.Rodrigues(angle * up)[0] @ (level / max(np.linalg.norm(level), 1e-6))
        kind, tile_m, end_m, turn = "wall", float(np.exp(rng.uniform(np.log(0.4), np.log(2.5)))), np.inf, 0.0
    else:
        kind, normal, gap, end_m = "pattern", np.array([0.0, 0.0, -1.0]), rng.uniform(0.05, 0.5), np.inf
        tile_m, turn = float(np.exp(rng.uniform(np.log(0.1), np.log(0.8)))), rng.uniform(-np.pi, np.pi)
    distance_m = float((-points_cam @ normal).max()) + gap
    return Plane(normal, _in_plane(normal, turn), max(distance_m, 0.05), tile_m, end_m), kind


def draw_plane(image: Image, tile: Image, plane: Plane, camera: Camera) -> Bool[np.ndarray, "height width"]:
    """Draw the plane over ``image``, the tile repeated in mirror images, which leaves no seams.

    Args:
        image: Of the camera's size; changed where the plane is seen.
        tile: A square of the texture.
        plane: Where it lies.
        camera: What sees it.

    Returns:
        Where the plane is seen.
    """
    u, v = np.meshgrid(np.arange(camera.width, dtype=np.float32), np.arange(camera.height, dtype=np.float32))
    rays = np.stack([u, v, np.ones_like(u)], -1) @ np.linalg.inv(camera.K).T.astype(np.float32)
    towards = -(rays @ plane.normal.astype(np.float32))
    depth_m = plane.distance_m / np.maximum(towards, GRAZING)
    seen = (towards > GRAZING) & (depth_m < plane.end_m)
    across = np.cross(plane.normal, plane.along)
    axes = np.stack([plane.along, across], -1).astype(np.float32) * np.float32(len(tile) / plane.tile_m)
    texels = (rays * depth_m[..., None]) @ axes
    painted = _lookup(tile, texels)
    image[seen] = painted[seen]
    return seen


def _lookup(tile: Image, texels: Float[np.ndarray, "height width 2"]) -> Image:
    """The tile at texel coordinates without bound, from the level of detail that fits each pixel's footprint."""
    levels = _levels_of_detail(texels, coarsest=int(np.log2(len(tile) / MIN_LEVEL_PX)))
    texels = texels - np.floor(texels / np.float32(2 * len(tile))) * np.float32(2 * len(tile))
    result = np.empty((*levels.shape, 3), np.uint8)
    for level in np.unique(levels):
        side = len(tile) >> int(level)
        reduced = cv2.resize(tile, (side, side), interpolation=cv2.INTER_AREA) if level else tile
        place = cv2.split(texels * np.float32(0.5 ** int(level)))
        found = cv2.remap(reduced, place[0], place[1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT)
        cv2.copyTo(found, (levels == level).astype(np.uint8), result)
    return result


def _levels_of_detail(texels: Float[np.ndarray, "height width 2"], coarsest: int) -> UInt8[np.ndarray, "height width"]:
    """How often the tile has to be halved for each pixel's footprint, looked up on a coarse grid of pixels."""
    coarse = texels[::FOOTPRINT_PX, ::FOOTPRINT_PX]
    step = np.maximum(np.abs(np.gradient(coarse, axis=0)).max(-1), np.abs(np.gradient(coarse, axis=1)).max(-1))
    halvings = np.clip(np.rint(np.log2(np.maximum(step / FOOTPRINT_PX, 1.0))), 0, coarsest).astype(np.uint8)
    height, width = texels.shape[:2]
    return cv2.resize(halvings, (width, height), interpolation=cv2.INTER_NEAREST)


def as_tile(picture: Image) -> Image:
    """A square of the picture whose side is a power of two."""
    side = min(picture.shape[:2])
    power = min(MAX_TILE_PX, 1 << max(3, side.bit_length() - 1))
    return cv2.resize(picture[:side, :side], (power, power), interpolation=cv2.INTER_AREA)


def _in_plane(normal: np.ndarray, turn: float) -> np.ndarray:
    """A unit vector across the normal: level in the image where that is possible, turned by ``turn`` in the plane."""
    start = np.cross(normal, [0.0, 1.0, 0.0] if abs(normal[1]) < 0.9 else [0.0, 0.0, 1.0])
    start = start / np.linalg.norm(start)
    return cv2.Rodrigues(turn * normal)[0] @ start
