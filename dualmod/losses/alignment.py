"""Drawing the features of two modalities together directly: the simplest way to teach RGB what depth knows."""

import torch
from jaxtyping import Float
from torch import Tensor


def feature_alignment(
    rgb: list[Float[Tensor, "batch width _h _w"]], depth: list[Float[Tensor, "batch width _h _w"]]
) -> Float[Tensor, ""]:
    """Mean absolute difference of RGB and depth features (the l1 alignment of Lin et al. 2023, Table 3).

    The paper does not say which features, nor whether depth gets a gradient; here it is the maps that enter the shared
    decoder, each scale counting alike, with gradients for both.

    Args:
        rgb: Maps of the RGB branch, finest first.
        depth: Those of the depth branch, of the same shapes.
    """
    return torch.stack([(a - b).abs().mean() for a, b in zip(rgb, depth, strict=True)]).mean()
