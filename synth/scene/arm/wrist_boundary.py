"""Where a hand mesh ends: the ring of edges at the wrist that the forearm is joined to.

A closed mesh (the open hand) has a flat cap there, which is cut off; an open one (MANO) ends in a loop of edges.
"""

from collections import Counter

import numpy as np
from jaxtyping import Bool, Float, Int, UInt8
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from synth.hand import ManoArrays

CAP_COSINE = 0.7
"""A face of the cap looks along the arm (+x of the hand frame) within 45 degrees."""


def find_wrist_ring(
    faces: Int[np.ndarray, "faces 3"], vertices: Float[np.ndarray, "verts 3"]
) -> tuple[Bool[np.ndarray, "faces"], Int[np.ndarray, "ring 2"]]:
    """Which faces to keep, and the directed edges of the kept mesh's open end, in order around the wrist.

    Args:
        faces: Triangles of the hand.
        vertices: Vertices at rest in metres, hand frame.

    Raises:
        ValueError: when the mesh has neither an open end nor a cap to cut off.
    """
    edges = boundary_loop(faces)
    if len(edges):
        return np.ones(len(faces), bool), edges
    keep = ~_cap(faces, vertices)
    edges = boundary_loop(faces[keep])
    if len(edges) == 0:
        raise ValueError("the hand mesh has no flat cap at the wrist (+x); give a mesh with a cap or an open end")
    return keep, edges


def boundary_loop(faces: Int[np.ndarray, "faces 3"]) -> Int[np.ndarray, "ring 2"]:
    """The longest loop of directed edges that belong to one face only; empty for a closed mesh."""
    directed = np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]]).astype(np.int64)
    count = Counter(map(tuple, np.sort(directed, 1).tolist()))
    following = {a: b for a, b in directed.tolist() if count[min(a, b), max(a, b)] == 1}
    loops: list[list[tuple[int, int]]] = [[]]
    while following:
        vertex = min(following)
        loop = []
        while vertex in following:
            loop.append((vertex, following.pop(vertex)))
            vertex = loop[-1][1]
        loops.append(loop)
    return np.array(max(loops, key=len), np.int64).reshape(-1, 2)


def edge_corners(
    faces: Int[np.ndarray, "faces 3"], uv_faces: Int[np.ndarray, "faces 3"], edges: Int[np.ndarray, "ring 2"]
) -> list[tuple[int, int]]:
    """Texture corners of the two ends of each edge, as the face that has the edge has them."""
    corners = zip(faces, uv_faces, strict=True)  # i - 2 is the corner after i
    corner_uv = {(int(f[i]), int(f[i - 2])): (int(t[i]), int(t[i - 2])) for f, t in corners for i in range(3)}
    return [corner_uv[int(a), int(b)] for a, b in edges]


def skinning_parts(arrays: ManoArrays, faces: Int[np.ndarray, "faces 3"]) -> UInt8[np.ndarray, "faces"]:
    """Part of each hand face: its strongest skinning joint."""
    return (np.asarray(arrays.weights)[faces].mean(1).argmax(1) + 1).astype(np.uint8)


def _cap(faces: np.ndarray, vertices: np.ndarray) -> np.ndarray:
    """Mask of the largest connected patch of faces that look along the arm."""
    normals = np.cross(vertices[faces[:, 1]] - vertices[faces[:, 0]], vertices[faces[:, 2]] - vertices[faces[:, 0]])
    double_areas = np.linalg.norm(normals, axis=1)
    looking = np.flatnonzero(normals[:, 0] > CAP_COSINE * double_areas)
    a, b = faces[looking][:, [0, 1, 2]].ravel(), faces[looking][:, [1, 2, 0]].ravel()
    graph = coo_matrix((np.ones(len(a)), (a, b)), shape=(len(vertices), len(vertices)))
    patch = connected_components(graph, directed=False)[1][faces[looking][:, 0]]
    areas = np.bincount(patch, weights=double_areas[looking], minlength=1)
    mask = np.zeros(len(faces), bool)
    mask[looking[patch == areas.argmax()]] = True
    return mask
