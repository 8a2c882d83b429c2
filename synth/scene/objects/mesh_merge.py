"""One mesh of a hand and of all that is around it, so that every renderer sees one mesh with one picture.

Colours of things are vertex tints over one texel of the skin. The picture of a thing goes into the largest square of
the skin's picture that no face of the hand uses.
"""

from collections.abc import Sequence
from dataclasses import replace

import cv2
import numpy as np
from jaxtyping import Float, Int, UInt8

from synth.common.conventions import PART_NAMES
from synth.render.renderer import MeshTopology
from synth.scene.arm.hand_and_arm import Limb
from synth.scene.arm.skin import TEXTURE_PX
from synth.scene.objects.object_mesh import PlacedThing, Thing

OCCLUDER, OTHER_HAND = PART_NAMES.index("occluder"), PART_NAMES.index("other_hand")
SEAM_PX = 2
"""Around the faces of the hand and around a thing's picture, so that neither bleeds into the other."""
MIN_PICTURE_PX = 24
DARKEST = 0.004
Picture = UInt8[np.ndarray, "side side 3"]


class Joiner:
    """Joins meshes to those of one hand model.

    Attributes:
        free_px: Row and column of the first texel of the free square, and its side; 0 where there is none.
    """

    def __init__(
        self, uv: Float[np.ndarray, "corners 2"], uv_faces: Int[np.ndarray, "faces 3"], wrist_uv: Float[np.ndarray, "2"]
    ):
        self.free_px = _free_square(np.asarray(uv)[uv_faces])
        column, row = wrist_uv[0] * TEXTURE_PX, (1 - wrist_uv[1]) * TEXTURE_PX
        self._texel = tuple(int(np.clip(place, 0, TEXTURE_PX - 1)) for place in (row, column))

    def join(
        self, limb: Limb, texture: Picture, things: Sequence[PlacedThing], other: Limb | None
    ) -> tuple[Limb, Picture]:
        """The limb with what is around it (camera frame), and its picture; both as they are when nothing is.

        Only the first thing with a picture shows it, the others their colours.
        """
        if not things and other is None:
            return limb, texture
        pictured = next((p for p in things if p.thing.texture is not None and self.free_px[2] > 0), None)
        texel_rgb = np.maximum((texture[self._texel] / 255.0) ** 2.2, DARKEST)
        verts, tints, meshes = [limb.verts_cam], [limb.vertex_tint], [limb.topology]
        if other is not None:
            own = other.topology
            parts = np.full(len(own.faces), OTHER_HAND, np.uint8)
            verts.append(other.verts_cam)
            tints.append(other.vertex_tint)
            meshes.append(MeshTopology(own.faces, own.uv, own.uv_faces, parts))
        for placed in things:
            assert placed.thing.colours is not None
            verts.append(placed.verts)
            plain = placed.thing.colours / texel_rgb
            tints.append(np.ones_like(plain) if placed is pictured else plain)
            meshes.append(self._mesh(placed.thing, placed is pictured))
        if pictured is not None and pictured.thing.texture is not None:
            texture = self._with_picture(texture, pictured.thing.texture)
        joined = replace(
            limb,
            topology=_one_mesh(meshes, [len(v) for v in verts]),
            verts_cam=np.concatenate(verts),
            vertex_tint=np.concatenate(tints),
        )
        return joined, texture

    def _mesh(self, thing: Thing, is_pictured: bool) -> MeshTopology:
        parts = np.full(len(thing.faces), OCCLUDER, np.uint8)
        if not is_pictured:
            row, column = self._texel
            uv = np.array([[column + 0.5, TEXTURE_PX - row - 0.5]]) / TEXTURE_PX
            return MeshTopology(thing.faces, uv, np.zeros_like(thing.faces), parts)
        top, left, side = self.free_px
        low = np.array([left + SEAM_PX, TEXTURE_PX - (top + side - SEAM_PX)])
        uv = (low + 0.5 + thing.uv * (side - 2 * SEAM_PX - 1)) / TEXTURE_PX
        return MeshTopology(thing.faces, uv, thing.faces, parts)

    def _with_picture(self, texture: Picture, picture: Picture) -> Picture:
        top, left, side = self.free_px
        inner = side - 2 * SEAM_PX
        filled = texture.copy()
        small = cv2.resize(picture, (inner, inner), interpolation=cv2.INTER_AREA)
        framed = np.pad(small, ((SEAM_PX, SEAM_PX), (SEAM_PX, SEAM_PX), (0, 0)), mode="edge")
        filled[top : top + side, left : left + side] = framed
        return filled


def _one_mesh(meshes: Sequence[MeshTopology], num_verts: Sequence[int]) -> MeshTopology:
    first_vert = np.cumsum([0, *num_verts[:-1]])
    first_uv = np.cumsum([0, *(len(mesh.uv) for mesh in meshes[:-1])])
    return MeshTopology(
        faces=np.concatenate([m.faces + n for m, n in zip(meshes, first_vert, strict=True)]).astype(np.int32),
        uv=np.concatenate([m.uv for m in meshes]).astype(np.float32),
        uv_faces=np.concatenate([m.uv_faces + n for m, n in zip(meshes, first_uv, strict=True)]).astype(np.int32),
        face_parts=np.concatenate([m.face_parts for m in meshes]),
    )


def _free_square(corner_uv: Float[np.ndarray, "faces 3 2"]) -> tuple[int, int, int]:
    """Row, column and side of the largest square of texels that no face comes near; all 0 where it is too small."""
    px = np.stack([corner_uv[..., 0], 1 - corner_uv[..., 1]], -1) * TEXTURE_PX - 0.5
    used = np.zeros((TEXTURE_PX, TEXTURE_PX), np.uint8)
    for corners in np.rint(px).astype(np.int32):
        cv2.fillConvexPoly(used, corners, 1)
    used = cv2.dilate(used, np.ones((2 * SEAM_PX + 1,) * 2, np.uint8))
    # a square of side s fits around a texel that is s/2 away from all used ones and from the border, as chess kings go
    walled = cv2.copyMakeBorder(1 - used, 1, 1, 1, 1, cv2.BORDER_CONSTANT, value=0)
    reach = cv2.distanceTransform(walled, cv2.DIST_C, 3)[1:-1, 1:-1].astype(int)
    row, column = np.unravel_index(reach.argmax(), reach.shape)
    half = int(reach[row, column]) - 1
    side = 2 * half + 1
    return (int(row) - half, int(column) - half, side) if side >= MIN_PICTURE_PX else (0, 0, 0)
