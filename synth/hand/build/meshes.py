"""What the steps need to know of a triangle mesh: which vertices are neighbours, normals, the open edge."""

import numpy as np
import scipy.sparse
from jaxtyping import Float, Int


def edges_of(faces: Int[np.ndarray, "faces 3"]) -> Int[np.ndarray, "edges 2"]:
    """The three directed edges of every triangle, triangle by triangle."""
    return faces[:, [0, 1, 1, 2, 2, 0]].reshape(-1, 2)


def adjacency(faces: Int[np.ndarray, "faces 3"], num_verts: int) -> scipy.sparse.csr_matrix:
    """1 where two vertices share an edge."""
    a, b = np.unique(np.sort(edges_of(faces), axis=1), axis=0).T
    return scipy.sparse.csr_matrix((np.ones(2 * len(a)), (np.r_[a, b], np.r_[b, a])), shape=(num_verts, num_verts))


def face_normals(
    verts: Float[np.ndarray, "*batch verts 3"], faces: Int[np.ndarray, "faces 3"]
) -> Float[np.ndarray, "*batch faces 3"]:
    """Normals out of counter-clockwise triangles, as long as twice their area."""
    a, b, c = (verts[..., faces[:, corner], :] for corner in range(3))
    return np.cross(b - a, c - a)


def vertex_normals(
    verts: Float[np.ndarray, "*batch verts 3"], faces: Int[np.ndarray, "faces 3"]
) -> Float[np.ndarray, "*batch verts 3"]:
    """Unit normals at the vertices, the triangles about each weighted by area."""
    corners = np.repeat(np.arange(len(faces)), 3)
    around = scipy.sparse.csr_matrix(
        (np.ones(faces.size), (faces.ravel(), corners)), shape=(verts.shape[-2], len(faces))
    )
    return normalised(mixed(around, face_normals(verts, faces)))


def mixed(
    matrix: scipy.sparse.csr_matrix, points: Float[np.ndarray, "*batch points 3"]
) -> Float[np.ndarray, "*batch mixtures 3"]:
    """A sparse matrix times the points of each mesh of a batch."""
    flat = np.moveaxis(points, -2, 0)
    result = matrix @ flat.reshape(len(flat), -1)
    return np.moveaxis(result.reshape(len(result), *flat.shape[1:]), 0, -2)


def normalised(vectors: Float[np.ndarray, "*batch 3"]) -> Float[np.ndarray, "*batch 3"]:
    """Vectors of length 1; a zero vector stays."""
    return vectors / np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), 1e-12)


def open_edge(faces: Int[np.ndarray, "faces 3"]) -> Int[np.ndarray, "ring"]:
    """The vertices about the one hole of a mesh, in the order in which a cap has to go round them.

    Raises:
        ValueError: when the mesh has no hole or more than one.
    """
    directed = [(int(a), int(b)) for a, b in edges_of(faces)]
    inner = set(directed)
    previous = {b: a for a, b in directed if (b, a) not in inner}
    if not previous:
        raise ValueError("the mesh has no open edge")
    ring = [next(iter(previous))]
    while previous[ring[-1]] != ring[0] and len(ring) <= len(previous):
        ring.append(previous[ring[-1]])
    if len(ring) != len(previous):
        raise ValueError(f"the mesh has more than one open edge: {len(ring)} of {len(previous)} edges form a ring")
    return np.array(ring)
