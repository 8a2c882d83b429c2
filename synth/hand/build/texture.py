"""Texture coordinates: MakeHuman's chart of the hand enlarged to the whole picture, the forearm's stub beside it."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int, UInt8
from scipy.sparse.csgraph import connected_components

from synth.hand.build.cut import Hands
from synth.hand.build.meshes import adjacency

FILL, MARGIN = 0.965, 0.0175
STUB_LEFT, STUB_WIDTH, STUB_TOP, STUB_HEIGHT = 0.60, 0.30, 0.985, 0.085
"""Around the wrist the stub has 160 mm and along the arm 45 mm: about the scale of the hand's chart."""
NAIL_LEVEL = 60


@dataclass(frozen=True, eq=False)
class TextureLayout:
    """Where each triangle lies in the picture.

    Attributes:
        uv: Texture coordinates in [0, 1], v up.
        uv_faces: Ids into ``uv`` of each triangle's corners; the cap has one point for all of its corners.
        source_uv: The same points in MakeHuman's layout.
    """

    uv: Float[np.ndarray, "corners 2"]
    uv_faces: Int[np.ndarray, "faces 3"]
    source_uv: Float[np.ndarray, "corners 2"]


def texture_layout(
    hands: Hands, coordinates: Float[np.ndarray, "all 2"], quads: list[tuple[list[int], list[int]]]
) -> TextureLayout:
    """The layout of the cut mesh, from that of the base mesh (``sources.base_mesh``).

    Raises:
        ValueError: when a triangle of the hand is no part of a quad of the base mesh.
    """
    source_faces = _source_faces(hands.base_ids[hands.faces[: hands.num_skin_faces]], quads)
    used, uv_faces = np.unique(source_faces, return_inverse=True)
    uv_faces = uv_faces.reshape(source_faces.shape)
    source_uv = coordinates[used]
    chart = connected_components(adjacency(uv_faces, len(used)), directed=False)[1]
    uv = packed(source_uv, chart == np.bincount(chart).argmax())
    cap = np.full((len(hands.faces) - hands.num_skin_faces, 3), uv_faces[0, 0])
    return TextureLayout(uv, np.concatenate([uv_faces, cap]), source_uv)


def packed(points: Float[np.ndarray, "corners 2"], is_hand: Bool[np.ndarray, "corners"]) -> np.ndarray:
    """The hand's chart scaled to fill the square, and the others turned and put into its free corner."""
    uv = np.empty_like(points)
    low, high = points[is_hand].min(0), points[is_hand].max(0)
    uv[is_hand] = (points[is_hand] - low) * FILL / (high - low).max() + MARGIN
    stub = points[~is_hand]
    if len(stub):
        across, along = ((stub - stub.min(0)) / np.ptp(stub, axis=0)).T
        uv[~is_hand] = np.stack([STUB_LEFT + STUB_WIDTH * along, STUB_TOP - STUB_HEIGHT * across], axis=1)
    return uv


def nail_faces(layout: TextureLayout, mask: UInt8[np.ndarray, "height width"]) -> Int[np.ndarray, "nails"]:
    """The triangles whose middle MakeHuman's picture of the nails shows white."""
    middles = layout.source_uv[layout.uv_faces].mean(1)
    sides = np.array(mask.shape[::-1])
    column, row = np.clip((np.stack([middles[:, 0], 1 - middles[:, 1]], axis=1) * sides).astype(int), 0, sides - 1).T
    return np.flatnonzero(mask[row, column] > NAIL_LEVEL)


def _source_faces(base_faces: np.ndarray, quads: list[tuple[list[int], list[int]]]) -> Int[np.ndarray, "faces 3"]:
    """Texture ids of triangles, each of which is half of a quad."""
    quads_at: dict[int, list[dict[int, int]]] = {}
    for corners, texture_ids in quads:
        ids = dict(zip(corners, texture_ids, strict=True))
        for corner in corners:
            quads_at.setdefault(corner, []).append(ids)
    found = []
    for triangle in base_faces.tolist():
        quad = next((ids for ids in quads_at.get(triangle[0], []) if ids.keys() >= set(triangle)), None)
        if quad is None:
            raise ValueError(f"the triangle {triangle} of the base mesh lies in none of its quads")
        found.append([quad[corner] for corner in triangle])
    return np.array(found)
