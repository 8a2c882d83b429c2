"""Posing by smplx, the reference implementation of SMPL and MANO, for ``skinning=smplx``.

Its licence is for non-commercial purposes only and excludes training networks for commercial use, so that nothing else
imports it.
"""

import contextlib
import io
from typing import Any

import numpy as np
from jaxtyping import Float
from torch import Tensor, nn

from synth.common.optional import import_optional
from synth.hand.arrays import NUM_PARTS, ManoArrays


class SmplxSkinning(nn.Module):
    """What ``LinearBlendSkinning`` does, by smplx.

    Raises:
        MissingPartError: when smplx is not there.
    """

    def __init__(self, arrays: ManoArrays) -> None:
        super().__init__()
        self.smplx = import_optional(
            "smplx", wanted_by="skinning=smplx", mend="pip install smplx; or take skinning=lbs"
        )
        self.mano = _mano_layer(self.smplx, arrays)

    def forward(
        self,
        pose_aa: Float[Tensor, "batch 16 3"],
        betas: Float[Tensor, "batch 10"],
        transl: Float[Tensor, "batch 3"],
    ) -> tuple[Float[Tensor, "batch verts 3"], Float[Tensor, "batch 16 3"]]:
        """Vertices, and joints in MANO order without fingertips, metres."""
        rotations = self.smplx.lbs.batch_rodrigues(pose_aa.reshape(-1, 3)).reshape(-1, NUM_PARTS, 3, 3)
        posed = self.mano(betas=betas, global_orient=rotations[:, :1], hand_pose=rotations[:, 1:], transl=transl)
        return posed.vertices, posed.joints


def _mano_layer(smplx: Any, arrays: ManoArrays) -> nn.Module:
    parents = np.where(arrays.parents < 0, 0, arrays.parents)
    struct = smplx.utils.Struct(
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
        return smplx.MANOLayer(model_path="", is_rhand=True, data_struct=struct, use_pca=False, flat_hand_mean=True)
