"""Delta Mush: skinned meshes whose creases keep their form (Mancewicz et al. 2014, "Delta Mush")."""

import numpy as np
import scipy.sparse
from jaxtyping import Bool, Float, Int

from synth.hand.build.meshes import adjacency, mixed, normalised, vertex_normals

STEP = 0.5
"""Share of the way to the mean of its neighbours that a vertex goes in one step of smoothing."""


class DeltaMush:
    """Takes what smoothing loses at rest and gives it back, turned along, to a smoothed pose.

    Args:
        faces: Triangles.
        num_verts: Vertices.
        iterations: Steps of smoothing.
        pinned: Vertices that smoothing leaves where they are.
    """

    def __init__(
        self, faces: Int[np.ndarray, "faces 3"], num_verts: int, *, iterations: int, pinned: Bool[np.ndarray, "verts"]
    ) -> None:
        neighbours = adjacency(faces, num_verts)
        mean = scipy.sparse.diags(1 / np.asarray(neighbours.sum(1)).ravel()) @ neighbours
        eye = scipy.sparse.identity(num_verts)
        free = scipy.sparse.diags((~pinned).astype(float))
        self.smoothing = scipy.sparse.csr_matrix(eye - STEP * free @ (eye - mean))
        self._first_neighbour = neighbours.indices[neighbours.indptr[:-1]]
        self._faces, self._iterations = faces, iterations

    def details(self, verts: Float[np.ndarray, "*batch verts 3"]) -> Float[np.ndarray, "*batch verts 3"]:
        """What smoothing takes from each vertex, in the frame of the smoothed surface there."""
        smooth = self._smoothed(verts)
        return np.einsum("...ji,...j->...i", self._frames(smooth), verts - smooth)

    def restored(
        self, details: Float[np.ndarray, "*batch verts 3"], posed: Float[np.ndarray, "*batch verts 3"]
    ) -> Float[np.ndarray, "*batch verts 3"]:
        """A posed mesh smoothed, with the details of the mesh at rest."""
        smooth = self._smoothed(posed)
        return smooth + np.einsum("...ij,...j->...i", self._frames(smooth), details)

    def _smoothed(self, verts: np.ndarray) -> np.ndarray:
        for _ in range(self._iterations):
            verts = mixed(self.smoothing, verts)
        return verts

    def _frames(self, smooth: np.ndarray) -> Float[np.ndarray, "*batch verts 3 3"]:
        """Columns: the normal, the way to the first neighbour along the surface, and across both."""
        normal = vertex_normals(smooth, self._faces)
        along = smooth[..., self._first_neighbour, :] - smooth
        along = normalised(along - (along * normal).sum(-1, keepdims=True) * normal)
        return np.stack([normal, along, np.cross(normal, along)], axis=-1)
