"""The posed hand: one model over MANO-format arrays, whoever skins them."""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from synth.common.config import check
from synth.hand.arrays import NUM_BETAS, NUM_PARTS, ManoArrays
from synth.hand.joints import ORDERS
from synth.hand.skinning import LinearBlendSkinning
from synth.hand.smplx_skinning import SmplxSkinning

SKINNINGS = {"lbs": LinearBlendSkinning, "smplx": SmplxSkinning}
"""Who turns pose and shape into vertices and joints; smplx itself is imported only when it is asked for."""

BLOCK = 8
"""Hands in each call of ``pose_blocks``: a matrix product of another size may round its sums differently."""


@dataclass(frozen=True)
class HandMesh:
    """Posed hands in metres: vertices, and the 21 joints in our order."""

    verts: Float[Tensor, "batch verts 3"]
    joints: Float[Tensor, "batch 21 3"]


class HandModel(nn.Module):
    """Vertices and joints of posed right hands, differentiable, any batch size and device.

    Attributes:
        name: The arrays' name.
        faces: Triangles, counter-clockwise seen from outside.
    """

    tip_vertex_ids: Tensor
    to_ours: Tensor

    def __init__(self, arrays: ManoArrays, skinning: str = "lbs") -> None:
        """Take the arrays over.

        Args:
            arrays: The hand.
            skinning: ``lbs`` for our own, or ``smplx``, whose licence is non-commercial; they differ by rounding.

        Raises:
            ValueError: for another ``skinning``, or when smplx is asked for and not there.
        """
        check(skinning in SKINNINGS, "skinning", skinning, f"one of {', '.join(SKINNINGS)}")
        super().__init__()
        self.name = arrays.name
        self.faces: Int[np.ndarray, "faces 3"] = arrays.faces
        self.skin = SKINNINGS[skinning](arrays)
        order = torch.as_tensor(np.argsort(ORDERS["mano_tips"]))
        self.register_buffer("to_ours", order, persistent=False)
        self.register_buffer("tip_vertex_ids", torch.as_tensor(arrays.tip_vertex_ids), persistent=False)

    def forward(
        self,
        pose_aa: Float[Tensor, "batch 16 3"],
        betas: Float[Tensor, "batch 10"],
        transl: Float[Tensor, "batch 3"],
    ) -> HandMesh:
        """Pose hands.

        Args:
            pose_aa: Axis-angle in MANO order relative to the flat hand; the first turns the hand about its wrist.
            betas: Shape coefficients.
            transl: Metres, added after the rotation.

        Raises:
            ValueError: for other shapes.
        """
        _check_shapes(pose_aa, betas, transl)
        verts, joints = self.skin(pose_aa, betas, transl)
        mano_joints = torch.cat([joints, verts[:, self.tip_vertex_ids]], 1)
        return HandMesh(verts=verts, joints=mano_joints[:, self.to_ours])

    @torch.no_grad()
    def pose_blocks(
        self,
        pose_aa: Float[Tensor, "batch 16 3"],
        betas: Float[Tensor, "batch 10"],
        transl: Float[Tensor, "batch 3"],
    ) -> HandMesh:
        """Like ``forward`` without gradients, and a hand's bits do not depend on the hands beside it.

        The batch goes through in blocks of ``BLOCK`` hands, the last one filled up with flat hands.
        """
        _check_shapes(pose_aa, betas, transl)
        fill = -len(pose_aa) % BLOCK
        full = [torch.cat([x, x.new_zeros(fill, *x.shape[1:])]) for x in (pose_aa, betas, transl)]
        blocks = [self(*rows) for rows in zip(*(x.split(BLOCK) for x in full), strict=True)]
        count = len(pose_aa)
        return HandMesh(
            verts=torch.cat([b.verts for b in blocks])[:count],
            joints=torch.cat([b.joints for b in blocks])[:count],
        )


def _check_shapes(pose_aa: Tensor, betas: Tensor, transl: Tensor) -> None:
    wanted = {"pose_aa": (NUM_PARTS, 3), "betas": (NUM_BETAS,), "transl": (3,)}
    for (name, sides), given in zip(wanted.items(), (pose_aa, betas, transl), strict=True):
        if tuple(given.shape) != (len(pose_aa), *sides):
            legal = (len(pose_aa), *sides)
            raise ValueError(f"{name} has shape {tuple(given.shape)}, and it must be {legal}")
