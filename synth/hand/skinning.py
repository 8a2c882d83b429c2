"""Linear blend skinning: shape, pose and place in, vertices and joints out.

Written from the papers, SMPL (Loper et al. 2015) and MANO (Romero et al. 2017), with nothing of smplx, whose licence is
non-commercial; ``smplx_skinning.py`` is the way to that one. A turn is a rotation against the world.
"""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from synth.hand.arrays import NUM_PARTS, ManoArrays

SERIES_BELOW = 0.01
"""Squared angle below which sin(x)/x and (1 - cos(x))/x^2 are summed as series: five terms are exact in doubles."""
SINE_SERIES = (1 / 362880, -1 / 5040, 1 / 120, -1 / 6, 1.0)
COSINE_SERIES = (1 / 3628800, -1 / 40320, 1 / 720, -1 / 24, 0.5)
"""Coefficients of powers of the squared angle, the highest first."""


class LinearBlendSkinning(nn.Module):
    """Pose the hand of some arrays, differentiable, for any batch, device and dtype (``.double()``).

    Vertices are laid out as three rows of x, y and z inside: shape and pose displacements are then one matrix product,
    and the blended transforms another.
    """

    template: Tensor
    displacements: Tensor
    joint_template: Tensor
    joint_displacements: Tensor
    weights: Tensor

    def __init__(self, arrays: ManoArrays) -> None:
        super().__init__()
        self.parents = arrays.parents.tolist()
        template, shapes, correctives, regressor = (
            torch.as_tensor(a, dtype=torch.float64)
            for a in (arrays.v_template, arrays.shapedirs, arrays.posedirs, arrays.J_regressor)
        )
        # joints are linear in the shape, so that they need not go through the vertices (SMPL, Eq. 10)
        constants = {
            "template": template.T.flatten(),
            "displacements": torch.cat([shapes, correctives], 2).permute(2, 1, 0).flatten(1),
            "joint_template": (regressor @ template).flatten(),
            "joint_displacements": torch.einsum("jv,vcb->bjc", regressor, shapes).flatten(1),
            "weights": torch.as_tensor(arrays.weights).T,
        }
        for name, values in constants.items():
            self.register_buffer(name, values.float().contiguous(), persistent=False)

    def forward(
        self,
        pose_aa: Float[Tensor, "batch 16 3"],
        betas: Float[Tensor, "batch 10"],
        transl: Float[Tensor, "batch 3"],
    ) -> tuple[Float[Tensor, "batch verts 3"], Float[Tensor, "batch 16 3"]]:
        """Pose hands (SMPL, Eq. 2 and 6 to 9).

        Args:
            pose_aa: Axis-angle in MANO order relative to the flat hand, each against its parent.
            betas: Shape coefficients.
            transl: Metres, added at the end.

        Returns:
            Vertices, and joints in MANO order without fingertips, metres.
        """
        count, num_verts = len(pose_aa), self.weights.shape[1]
        R = rodrigues(pose_aa)
        bent = (R[:, 1:] - torch.eye(3, dtype=R.dtype, device=R.device)).reshape(count, 9 * (NUM_PARTS - 1))
        rest = torch.addmm(self.template, torch.cat([betas, bent], 1), self.displacements)
        rest = rest.view(count, 1, 3, num_verts)
        joints = torch.addmm(self.joint_template, betas, self.joint_displacements).view(count, NUM_PARTS, 3)
        turns, places = self._chain(R, joints)
        shifts = places - (turns @ joints[..., None])[..., 0]  # Eq. 3: back from the rest place first
        transforms = torch.cat([turns, shifts[..., None]], 3).reshape(count, NUM_PARTS, 12)
        blended = torch.matmul(transforms.transpose(1, 2), self.weights).view(count, 3, 4, num_verts)
        verts = (blended[:, :, :3] * rest).sum(2) + blended[:, :, 3] + transl[..., None]
        return verts.transpose(1, 2).contiguous(), places + transl[:, None]

    def _chain(
        self, R: Float[Tensor, "batch 16 3 3"], joints: Float[Tensor, "batch 16 3"]
    ) -> tuple[Float[Tensor, "batch 16 3 3"], Float[Tensor, "batch 16 3"]]:
        """Turn and place of each joint, down the kinematic tree from the wrist (SMPL, Eq. 4)."""
        bones = joints[:, 1:] - joints[:, self.parents[1:]]
        steps = torch.cat([R[:, 1:], bones[..., None]], 3).unbind(1)
        turns, places = [R[:, 0]], [joints[:, 0]]
        for parent, step in zip(self.parents[1:], steps, strict=True):
            moved = turns[parent] @ step
            turns.append(moved[..., :3])
            places.append(places[parent] + moved[..., 3])
        return torch.stack(turns, 1), torch.stack(places, 1)


def rodrigues(axis_angle: Float[Tensor, "*batch 3"]) -> Float[Tensor, "*batch 3 3"]:
    """Rotation matrices exp([w]x) = I + sin(a)/a [w]x + (1 - cos(a))/a^2 [w]x^2, a = |w| (SMPL, Eq. 1).

    Values and gradients are exact to rounding at every angle, zero included.

    Args:
        axis_angle: Axis times angle in radians.
    """
    x, y, z = axis_angle.unbind(-1)
    squared = x * x + y * y + z * z
    is_small = squared < SERIES_BELOW
    # the side of a ``where`` that is not taken must be finite, or its gradient of zero becomes NaN
    small, angle = squared.where(is_small, torch.zeros_like(squared)), squared.where(~is_small, 1.0).sqrt()
    half = torch.sin(angle / 2) / (angle / 2)
    sine = torch.where(is_small, _polynomial(SINE_SERIES, small), torch.sin(angle) / angle)
    cosine = torch.where(is_small, _polynomial(COSINE_SERIES, small), half * half / 2)
    sx, sy, sz = sine * x, sine * y, sine * z
    xy, xz, yz = cosine * x * y, cosine * x * z, cosine * y * z
    xx, yy, zz = cosine * x * x, cosine * y * y, cosine * z * z
    rows = (1 - yy - zz, xy - sz, xz + sy, xy + sz, 1 - xx - zz, yz - sx, xz - sy, yz + sx, 1 - xx - yy)
    return torch.stack(rows, -1).unflatten(-1, (3, 3))


def _polynomial(coefficients: tuple[float, ...], x: Tensor) -> Tensor:
    total = torch.full_like(x, coefficients[0])
    for coefficient in coefficients[1:]:
        total = total * x + coefficient
    return total
