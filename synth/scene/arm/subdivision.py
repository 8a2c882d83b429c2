"""Every triangle of a mesh in four, on a curved surface, so that a hand seen from near shows no facets.

The new vertices are the middles of curved PN triangles' edges (Vlachos et al. 2001, "Curved PN triangles"): a cubic
through both ends, at right angles to their normals. The old vertices stay where they are, fingertips among them.
"""

import numpy as np
from jaxtyping import Float, Int

from synth.render.kernels.geometry import vertex_normals
from synth.render.renderer import MeshTopology

CREASE_SINE = 0.5
"""An edge that leaves the surface's tangent plane by more than 30 degrees stays straight: the rim of a cuff."""


class Subdivision:
    """Subdivides any mesh of one topology once.

    Attributes:
        topology: The fine mesh: four faces for each, in the order of the coarse ones, with their parts; a seam of the
            texture stays a seam.
    """

    def __init__(self, topology: MeshTopology):
        num_verts = int(topology.faces.max()) + 1
        self._faces = np.ascontiguousarray(topology.faces, np.uint32)
        self._edges, faces = _quartered(np.asarray(topology.faces, np.int64), num_verts)
        uv_edges, uv_faces = _quartered(np.asarray(topology.uv_faces, np.int64), len(topology.uv))
        self.topology = MeshTopology(
            faces=faces.astype(np.int32),
            uv=np.concatenate([topology.uv, topology.uv[uv_edges].mean(1)]).astype(np.float32),
            uv_faces=uv_faces.astype(np.int32),
            face_parts=np.repeat(topology.face_parts, 4),
        )

    def verts(self, verts: Float[np.ndarray, "verts 3"]) -> Float[np.ndarray, "fine 3"]:
        """The fine mesh's vertices: those given, then one for each edge."""
        verts = np.ascontiguousarray(verts, np.float64)
        normals = np.empty_like(verts)
        vertex_normals(verts, self._faces, normals)
        (a, b), (normal_a, normal_b) = (values[self._edges.T] for values in (verts, normals))
        along = b - a
        rise_a, rise_b = (np.einsum("ij,ij->i", along, normal) for normal in (normal_a, normal_b))
        is_smooth = np.maximum(np.abs(rise_a), np.abs(rise_b)) < CREASE_SINE * np.linalg.norm(along, axis=1)
        bulge = (rise_b[:, None] * normal_b - rise_a[:, None] * normal_a) / 8
        return np.concatenate([verts, (a + b) / 2 + bulge * is_smooth[:, None]])

    def tint(self, tint: Float[np.ndarray, "verts 3"]) -> Float[np.ndarray, "fine 3"]:
        """What each vertex carries, at the fine mesh's vertices: the mean on an edge."""
        return np.concatenate([tint, tint[self._edges].mean(1)]).astype(tint.dtype)


def _quartered(
    faces: Int[np.ndarray, "faces 3"], num_verts: int
) -> tuple[Int[np.ndarray, "edges 2"], Int[np.ndarray, "fine 3"]]:
    """Each edge once, and four faces for each, whose new corners are ``num_verts`` plus an edge's number."""
    sides = np.sort(np.stack([faces, np.roll(faces, -1, 1)], -1), -1)
    edges, number = np.unique(sides.reshape(-1, 2), axis=0, return_inverse=True)
    (a, b, c), (ab, bc, ca) = faces.T, num_verts + number.reshape(-1, 3).T
    quarters = np.stack([(a, ab, ca), (ab, b, bc), (ca, bc, c), (ab, bc, ca)])
    return edges, quarters.transpose(2, 0, 1).reshape(-1, 3)
