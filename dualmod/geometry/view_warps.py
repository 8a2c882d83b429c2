"""Points and maps from one view of a photo to another, along the affine map between the views.

Units are those of ``Prediction.joints_uv``: (0, 0) and (1, 1) are outer corners of the crop.
"""

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional


def move_points(A: Float[Tensor, "batch 2 3"], points: Float[Tensor, "batch n 2"]) -> Float[Tensor, "batch n 2"]:
    """Points through each row's map."""
    linear, shift = A[:, :, :2], A[:, :, 2]
    return points @ linear.transpose(1, 2) + shift[:, None]


def inverse(A: Float[Tensor, "batch 2 3"]) -> Float[Tensor, "batch 2 3"]:
    """The maps of the way back."""
    linear = torch.linalg.inv(A[:, :, :2])
    return torch.cat([linear, -linear @ A[:, :, 2:]], 2)


def mirrored(A: Float[Tensor, "batch 2 3"]) -> Float[Tensor, "batch 2 3"]:
    """The maps between the mirrored views: u becomes 1 - u on both sides."""
    linear, shift = A[:, :, :2], A[:, :, 2]
    sign = linear.new_tensor([-1.0, 1.0])
    moved_linear = linear * sign[:, None] * sign
    moved_shift = (shift + linear[:, :, 0]) * sign + linear.new_tensor([1.0, 0.0])
    return torch.cat([moved_linear, moved_shift[:, :, None]], 2)


def move_maps(
    A_to_from: Float[Tensor, "batch 2 3"], maps: Float[Tensor, "batch channels height width"]
) -> tuple[Float[Tensor, "batch channels height width"], Float[Tensor, "batch 1 height width"]]:
    """Maps as the other view shows them (bilinear), and where that view lies inside the one they come from.

    Args:
        A_to_from: Takes points of the view that the maps belong to, to those of the other view.
        maps: Outputs at map resolution, such as masks.
    """
    back = inverse(A_to_from)
    # grid_sample counts from -1 to 1 between the outer corners: p = (g + 1) / 2
    linear, shift = back[:, :, :2], back[:, :, 2]
    theta = torch.cat([linear, (linear.sum(2) + 2 * shift - 1)[:, :, None]], 2)
    grid = functional.affine_grid(theta, list(maps.shape), align_corners=False)
    moved = functional.grid_sample(maps, grid, padding_mode="border", align_corners=False)
    inside = (grid.abs() <= 1).all(-1)[:, None].to(maps.dtype)
    return moved, inside
