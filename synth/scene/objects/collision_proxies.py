"""How far things, hands and arms are from crossing: limbs as spheres, things as convex hulls.

Both are coarse on the safe side: a hull fills the hollows of its thing.
"""

import math
from dataclasses import dataclass

import numba
import numpy as np
from jaxtyping import Float
from scipy.spatial import ConvexHull

from synth.common.conventions import REFERENCE_BONE
from synth.hand import ManoArrays
from synth.hand.collision import Capsules
from synth.render.scene_arrays import sphere_directions

SPHERES_PER_BONE = 4
ARM_STEP_M = 0.015
CREEP_M = 0.0015
MAX_PLANES = 160
"""A rounder hull is replaced by that of as many tangent planes, which is a few percent larger."""
SHEET_M = 0.0005
"""Sheets and lines get this thickness on each side, so that they have a hull."""


@dataclass(frozen=True)
class Spheres:
    """Spheres in metres that stand for a body; vertices of its surface are spheres of radius 0."""

    centres: Float[np.ndarray, "spheres 3"]
    radii: Float[np.ndarray, "spheres"]

    def moved(self, R: Float[np.ndarray, "3 3"], t: Float[np.ndarray, "3"]) -> "Spheres":
        """The same, turned and then shifted."""
        return Spheres(self.centres @ R.T + t, self.radii)

    def joined(self, other: "Spheres") -> "Spheres":
        """Both bodies as one."""
        return Spheres(np.concatenate([self.centres, other.centres]), np.concatenate([self.radii, other.radii]))

    def gap_m(self, other: "Spheres") -> float:
        """Smallest distance of the two surfaces in metres; negative where they cross."""
        apart = np.linalg.norm(self.centres[:, None] - other.centres, axis=-1)
        return float((apart - self.radii[:, None] - other.radii).min())


@dataclass(frozen=True)
class Hull:
    """A convex body: the points with ``normals @ point <= offsets``, metres; normals point outwards."""

    normals: Float[np.ndarray, "planes 3"]
    offsets: Float[np.ndarray, "planes"]

    @staticmethod
    def of(points: Float[np.ndarray, "points 3"]) -> "Hull":
        """The convex hull of points, a flat cloud made a thin slab."""
        corners = SHEET_M * (np.array([[i & 1, i >> 1 & 1, i >> 2] for i in range(8)]) - 0.5) * 2
        if np.linalg.svd(points - points.mean(0), compute_uv=False)[-1] < SHEET_M:
            points = (points[:, None] + corners).reshape(-1, 3)
        planes = np.unique(ConvexHull(points).equations.round(5), axis=0)
        if len(planes) <= MAX_PLANES:
            return Hull(np.ascontiguousarray(planes[:, :3]), -planes[:, 3])
        normals = np.concatenate([np.eye(3), -np.eye(3), sphere_directions(MAX_PLANES - 6)])
        return Hull(normals, (points @ normals.T).max(0))

    def scaled(self, factors: Float[np.ndarray, "3"]) -> "Hull":
        """Stretched along the axes."""
        normals = self.normals / factors
        lengths = np.linalg.norm(normals, axis=1)
        return Hull(normals / lengths[:, None], self.offsets / lengths)

    def moved(self, R: Float[np.ndarray, "3 3"], t: Float[np.ndarray, "3"]) -> "Hull":
        """The same, turned and then shifted."""
        normals = self.normals @ R.T
        return Hull(np.ascontiguousarray(normals), self.offsets + normals @ t)

    def gap_m(self, body: Spheres) -> float:
        """Smallest distance of the body from the hull in metres; negative is how deep it reaches in.

        Beside an edge or corner the distance is underestimated: the nearest plane counts.
        """
        return float(_smallest_gap(body.centres, body.radii, self.normals, self.offsets))

    def way_out_m(
        self, body: Spheres, direction: Float[np.ndarray, "3"], *, depth_m: float, last_m: float
    ) -> float | None:
        """How far to shift the hull along a unit ``direction`` until ``body`` reaches at most ``depth_m`` into it.

        None when that is farther than ``last_m``. It goes in steps that pass no place that is free, but one that is
        free within ``CREEP_M`` only.
        """
        slopes = self.normals @ direction
        way_m = _way_out(body.centres, body.radii, self.normals, self.offsets, slopes, depth_m, last_m)
        return None if way_m > last_m else float(way_m)

    def gaps_m(self, body: Spheres) -> Float[np.ndarray, "spheres"]:
        """``gap_m`` of each sphere."""
        return (body.centres @ self.normals.T - self.offsets).max(1) - body.radii


class HandSpheres:
    """Spheres along the bones of one hand model, as thick as the capsules that keep its poses from crossing."""

    def __init__(self, arrays: ManoArrays):
        self._capsules = Capsules.of(arrays)
        joints = arrays.rest_joints()
        self._rest_m = float(np.linalg.norm(joints[4] - joints[0]))  # MANO's joint 4 is the middle finger's knuckle

    def of(self, joints: Float[np.ndarray, "21 3"]) -> Spheres:
        """Spheres of a posed hand in the frame of its ``joints`` (metres); ``SPHERES_PER_BONE`` on each bone."""
        size = np.linalg.norm(np.subtract(*joints[list(REFERENCE_BONE)])) / self._rest_m
        starts, ends, radii = self._capsules.placed(joints, float(size))
        along = np.linspace(0, 1, SPHERES_PER_BONE)[:, None]
        centres = starts[:, None] + along * (ends - starts)[:, None]
        return Spheres(centres.reshape(-1, 3), np.repeat(radii, SPHERES_PER_BONE))


def arm_spheres(rings: Float[np.ndarray, "rings ring 3"]) -> Spheres:
    """Spheres along an arm that is given as rings of vertices, metres, close enough to leave no gap between them."""
    if len(rings) == 0:
        return Spheres(np.zeros((0, 3)), np.zeros(0))
    centres = rings.mean(1)
    radii = np.linalg.norm(rings - centres[:, None], axis=-1).max(1)
    at_m = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(centres, axis=0), axis=1))])
    places = np.linspace(0, at_m[-1], math.ceil(at_m[-1] / ARM_STEP_M) + 1)
    dense = np.stack([np.interp(places, at_m, centres[:, k]) for k in range(3)], -1)
    return Spheres(dense, np.interp(places, at_m, radii))


@numba.njit(cache=True, nogil=True)
def _smallest_gap(centres: np.ndarray, radii: np.ndarray, normals: np.ndarray, offsets: np.ndarray) -> float:
    smallest = math.inf
    for i in range(len(centres)):
        farthest = -math.inf
        for k in range(len(normals)):
            gap = (
                normals[k, 0] * centres[i, 0] + normals[k, 1] * centres[i, 1] + normals[k, 2] * centres[i, 2]
            ) - offsets[k]
            farthest = max(farthest, gap)
            if farthest - radii[i] >= smallest:  # already farther than another one
                break
        smallest = min(smallest, farthest - radii[i])
    return smallest


@numba.njit(cache=True, nogil=True)
def _way_out(
    centres: np.ndarray, radii: np.ndarray, normals: np.ndarray, offsets: np.ndarray, slopes: np.ndarray,
    depth_m: float, last_m: float,
) -> float:  # fmt: skip
    way_m = 0.0
    while way_m <= last_m:
        too_deep = -_smallest_gap(centres, radii, normals, offsets + way_m * slopes) - depth_m
        if too_deep <= 0.0:
            break
        way_m += too_deep + CREEP_M
    return way_m
