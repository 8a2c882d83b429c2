"""A thing that a hand can hold or that can stand before it: a small mesh along its own axes, with colour and hull."""

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float, Int, UInt8
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from synth.scene.objects.collision_proxies import Hull

CREASE_COSINE = 0.8
"""Faces that meet at a smaller cosine than this have an edge between them, across which shading does not blend."""


@dataclass(frozen=True, eq=False)
class Thing:
    """A mesh about the origin, longest along x, thinnest along z, metres.

    Attributes:
        name: What it is, for the statistics.
        verts: Vertices; those on a crease or a texture seam are there several times.
        faces: Triangles, counter-clockwise seen from outside.
        uv: Texture coordinates of each vertex in [0, 1], v up.
        colours: Linear RGB of each vertex; None for a thing that has no colours of its own.
        texture: sRGB picture; None for a thing that has none.
        hull: Its convex hull.
    """

    name: str
    verts: Float[np.ndarray, "verts 3"]
    faces: Int[np.ndarray, "faces 3"]
    uv: Float[np.ndarray, "verts 2"]
    colours: Float[np.ndarray, "verts 3"] | None
    texture: UInt8[np.ndarray, "side side 3"] | None
    hull: Hull

    @property
    def size_m(self) -> Float[np.ndarray, "3"]:
        """Extent along each axis."""
        return np.ptp(self.verts, axis=0)

    def scaled(self, factors: float | Float[np.ndarray, "3"]) -> "Thing":
        """Stretched along its axes."""
        along = np.broadcast_to(np.asarray(factors, float), 3)
        return replace(self, verts=self.verts * along, hull=self.hull.scaled(along))


@dataclass(frozen=True, eq=False)
class PlacedThing:
    """A thing at its place in some frame: rotation from its own axes, and translation in metres."""

    thing: Thing
    R: Float[np.ndarray, "3 3"]
    t: Float[np.ndarray, "3"]

    @property
    def verts(self) -> Float[np.ndarray, "verts 3"]:
        """Vertices in the frame."""
        return self.thing.verts @ self.R.T + self.t

    @property
    def hull(self) -> Hull:
        """Hull in the frame."""
        return self.thing.hull.moved(self.R, self.t)

    def moved(self, R: Float[np.ndarray, "3 3"], t: Float[np.ndarray, "3"]) -> "PlacedThing":
        """The same in another frame."""
        return PlacedThing(self.thing, R @ self.R, R @ self.t + t)


def make_thing(
    name: str,
    verts: Float[np.ndarray, "verts 3"],
    faces: Int[np.ndarray, "faces 3"],
    *,
    uv: Float[np.ndarray, "verts 2"] | None = None,
    colours: Float[np.ndarray, "verts 3"] | None = None,
    texture: UInt8[np.ndarray, "side side 3"] | None = None,
) -> Thing:
    """A thing of any mesh: turned to its own axes, with creases cut open so that flat sides stay flat.

    Without texture coordinates a picture is projected along the thin side.
    """
    along_axes = _along_axes(verts, faces)
    corner_ids = _open_creases(along_axes, faces)
    old_ids, new_faces = _renumbered(faces, corner_ids)
    placed = along_axes[old_ids]
    if uv is None:
        low, high = placed.min(0), placed.max(0)
        uv_of_verts = ((placed - low) / np.maximum(high - low, 1e-9))[:, :2]
    else:
        uv_of_verts = np.asarray(uv, float)[old_ids]
    own = None if colours is None else np.asarray(colours, float)[old_ids]
    return Thing(name, placed, new_faces, uv_of_verts, own, texture, Hull.of(placed))


def face_normals(verts: np.ndarray, faces: np.ndarray) -> np.ndarray:
    """Normals whose length is twice the area."""
    corners = verts[faces]
    return np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])


def _along_axes(verts: np.ndarray, faces: np.ndarray) -> np.ndarray:
    """Turned to the principal axes of the surface, longest first, its box about the origin."""
    areas = np.linalg.norm(face_normals(verts, faces), axis=1)
    corners = verts[faces] - np.average(verts[faces].mean(1), axis=0, weights=areas)
    # second moment of a triangle: area / 12 times that of its corners and of nine times its middle
    points = np.concatenate([corners, 3 * corners.mean(1, keepdims=True)], 1)
    axes = np.linalg.eigh(np.einsum("f,fpi,fpj->ij", areas, points, points))[1]
    axes = axes[:, np.argsort(-np.ptp(verts @ axes, axis=0))]
    axes[:, 2] *= np.sign(np.linalg.det(axes))
    turned = verts @ axes
    return turned - (turned.min(0) + turned.max(0)) / 2


def _open_creases(verts: np.ndarray, faces: np.ndarray) -> np.ndarray:
    """For each corner the smooth patch that its face belongs to: faces joined over edges without a crease."""
    normals = face_normals(verts, faces)
    normals = normals / np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-15)
    edges = np.sort(np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]]), 1)
    owner = np.tile(np.arange(len(faces)), 3)
    order = np.lexsort(edges.T)
    same = (edges[order][1:] == edges[order][:-1]).all(1)
    a, b = owner[order][1:][same], owner[order][:-1][same]
    smooth = (normals[a] * normals[b]).sum(1) > CREASE_COSINE
    graph = coo_matrix((np.ones(smooth.sum()), (a[smooth], b[smooth])), shape=(len(faces),) * 2)
    return np.repeat(connected_components(graph, directed=False)[1], 3).reshape(-1, 3)


def _renumbered(faces: np.ndarray, patches: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The vertex that each new vertex copies, one for each patch it lies in, and the faces with new ids."""
    pairs, ids = np.unique(np.stack([faces.ravel(), patches.ravel()], 1), axis=0, return_inverse=True)
    return pairs[:, 0], ids.reshape(-1, 3).astype(np.int32)
