"""The posed hand: one model over MANO-format arrays, through smplx."""

import contextlib
import io
from dataclasses import dataclass
from typing import cast

import numpy as np
import smplx
import torch
from jaxtyping import Float, Int
from smplx.lbs import batch_rodrigues
from smplx.utils import Struct
from smplx.utils import Tensor as SmplxTensor
from torch import Tensor, nn

from synth.hand.arrays import NUM_BETAS, NUM_PARTS, ManoArrays
from synth.hand.joints import ORDERS

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

    def __init__(self, arrays: ManoArrays) -> None:
        super().__init__()
        self.name = arrays.name
        self.faces: Int[np.ndarray, "faces 3"] = arrays.faces
        self.mano = _mano_layer(arrays)
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
        rotations = batch_rodrigues(SmplxTensor(pose_aa.reshape(-1, 3))).reshape(-1, NUM_PARTS, 3, 3)
        posed = self.mano(betas=betas, global_orient=rotations[:, :1], hand_pose=rotations[:, 1:], transl=transl)
        mano_joints = torch.cat([posed.joints, posed.vertices[:, self.tip_vertex_ids]], 1)
        return HandMesh(verts=posed.vertices, joints=mano_joints[:, self.to_ours])

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


def _mano_layer(arrays: ManoArrays) -> smplx.MANOLayer:
    parents = np.where(arrays.parents < 0, 0, arrays.parents)
    struct = Struct(
        v_template=arrays.v_template,
        shapedirs=arrays.shapedirs,
        posedirs=arrays.posedirs,
        J_regressor=arrays.J_regressor,
        weights=arrays.weights,
        kintree_table=np.stack([parents, np.arange(NUM_PARTS)]),
        f=arrays.faces,
        hands_mean=arrays.hands_mean,
        hands_components=arrays.hands_components,
    )
    # smplx prints a warning about 10 shape coefficients, which is what MANO has
    with contextlib.redirect_stdout(io.StringIO()):
        layer = smplx.MANOLayer(model_path="", is_rhand=True, data_struct=struct, use_pca=False, flat_hand_mean=True)
    return cast(smplx.MANOLayer, layer)


def _check_shapes(pose_aa: Tensor, betas: Tensor, transl: Tensor) -> None:
    wanted = {"pose_aa": (NUM_PARTS, 3), "betas": (NUM_BETAS,), "transl": (3,)}
    for (name, sides), given in zip(wanted.items(), (pose_aa, betas, transl), strict=True):
        if tuple(given.shape) != (len(pose_aa), *sides):
            legal = (len(pose_aa), *sides)
            raise ValueError(f"{name} has shape {tuple(given.shape)}, and it must be {legal}")
