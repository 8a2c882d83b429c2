"""The hand's surface laid out as a picture: for each texel where it is, how it is turned, and whose skin it is."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int

from synth.hand.anatomy import HandAxes
from synth.hand.arrays import ManoArrays
from synth.hand.build.meshes import normalised, vertex_normals


@dataclass(frozen=True, eq=False)
class Texels:
    """Which triangle each texel lies in.

    Attributes:
        inside: Texels that lie in a triangle.
        faces: The triangle of each of them, row by row.
        shares: Barycentric coordinates in it.
    """

    inside: Bool[np.ndarray, "size size"]
    faces: Int[np.ndarray, "texels"]
    shares: Float[np.ndarray, "texels 3"]

    def spread(
        self, values: Float[np.ndarray, "points *dims"], corners: Int[np.ndarray, "faces 3"]
    ) -> Float[np.ndarray, "texels *dims"]:
        """Values at a mesh's corners, mixed at each texel inside."""
        return np.einsum("tc,tc...->t...", self.shares, values[corners[self.faces]])

    def picture(self, values: Float[np.ndarray, "texels *dims"]) -> Float[np.ndarray, "size size *dims"]:
        """Values of the texels inside as a picture, 0 elsewhere."""
        laid_out = np.zeros((*self.inside.shape, *values.shape[1:]))
        laid_out[self.inside] = values
        return laid_out


@dataclass(frozen=True, eq=False)
class SurfaceMaps:
    """The hand at rest at each texel inside.

    Attributes:
        texels: The triangles behind them.
        points: Metres.
        weights: Skinning weights.
        backness: 1 on the back of the hand, -1 on the palm: the cosine between normal and the joint's up axis.
        axes: Frames of the joints.
        tips: Fingertips, thumb to little finger, metres.
    """

    texels: Texels
    points: Float[np.ndarray, "texels 3"]
    weights: Float[np.ndarray, "texels 16"]
    backness: Float[np.ndarray, "texels"]
    axes: HandAxes
    tips: Float[np.ndarray, "5 3"]

    def along(self, joint: int) -> tuple[Float[np.ndarray, "texels"], Float[np.ndarray, "texels"]]:
        """Distance of each texel along a joint's bone (metres from the joint, outwards) and across it."""
        outwards = -self.axes.frames[joint][:, 0]
        offsets = self.points - self.axes.rest_joints[joint]
        return offsets @ outwards, np.linalg.norm(np.cross(offsets, outwards), axis=1)


def surface_maps(arrays: ManoArrays, num_skin_faces: int, size: int) -> SurfaceMaps:
    """The maps of a hand with texture coordinates, ``size`` texels wide.

    Args:
        arrays: The hand.
        num_skin_faces: Triangles before those of the cap, which has no place in the picture.
        size: Side of the picture in texels.
    """
    assert arrays.uv is not None and arrays.uv_faces is not None
    texels = texels_of(arrays.uv, arrays.uv_faces[:num_skin_faces], size)
    verts, axes = arrays.v_template.astype(np.float64), HandAxes.of(arrays)
    weights = texels.spread(arrays.weights.astype(np.float64), arrays.faces)
    normals = normalised(texels.spread(vertex_normals(verts, arrays.faces), arrays.faces))
    up = normalised(weights @ axes.frames[:, :, 1])
    return SurfaceMaps(
        texels=texels,
        points=texels.spread(verts, arrays.faces),
        weights=weights,
        backness=(normals * up).sum(1),
        axes=axes,
        tips=arrays.rest_tips(),
    )


def texels_of(uv: Float[np.ndarray, "corners 2"], uv_faces: Int[np.ndarray, "faces 3"], size: int) -> Texels:
    """Which triangle holds the middle of each texel; the first of those that share it."""
    face_at = np.full((size, size), -1)
    shares_at = np.zeros((size, size, 3))
    corners = np.stack([uv[:, 0], 1 - uv[:, 1]], axis=1)[uv_faces] * size
    for face in range(len(corners) - 1, -1, -1):  # the first triangle is drawn last and stays
        _draw(corners[face], face, face_at, shares_at)
    inside = face_at >= 0
    return Texels(inside, face_at[inside], shares_at[inside])


def _draw(corners: Float[np.ndarray, "3 2"], face: int, face_at: np.ndarray, shares_at: np.ndarray) -> None:
    a, b, c = corners
    double_area = _cross(b - a, c - a)
    if abs(double_area) < 1e-12:
        return
    first = np.floor(corners.min(0)).astype(int).clip(0)
    last = np.ceil(corners.max(0)).astype(int).clip(0, len(face_at) - 1)
    rows, columns = np.mgrid[first[1] : last[1] + 1, first[0] : last[0] + 1]
    offsets = np.stack([columns + 0.5, rows + 0.5], axis=-1) - a
    of_b, of_c = _cross(offsets, c - a) / double_area, _cross(b - a, offsets) / double_area
    shares = np.stack([1 - of_b - of_c, of_b, of_c], axis=-1)
    hit = (shares >= -1e-9).all(-1)
    face_at[rows[hit], columns[hit]] = face
    shares_at[rows[hit], columns[hit]] = shares[hit]


def _cross(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return a[..., 0] * b[..., 1] - a[..., 1] * b[..., 0]
