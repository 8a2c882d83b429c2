"""What leaves the network as a graph: tensors in, tensors out, nothing of Python between.

Where the network is one of right hands (``sides`` in the file), a left hand is mirrored first, and whoever does
not know which it is runs the crop and its mirror image (``dualmod.inference.predictor.look``).
"""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from dualmod.network.model import DualModalityNet
from dualmod.network.prediction import Prediction

OUTPUTS = ("joints_uv", "joints_depth", "confidence", "handedness_logit", "mask", "depth_map")
Outputs = tuple[Tensor, Tensor, Tensor, Tensor, Tensor, Tensor]


class RgbGraph(nn.Module):
    """A prediction from colour alone, the one that every photograph allows."""

    INPUTS = ("rgb",)

    def __init__(self, net: DualModalityNet):
        super().__init__()
        self.net = net

    def forward(self, rgb: Float[Tensor, "batch 3 side side"]) -> Outputs:
        """Tensors in the order of ``OUTPUTS``.

        Args:
            rgb: sRGB in [0, 1].

        Returns:
            ``joints_uv`` [batch, 21, 2] in crop sides; ``joints_depth`` [batch, 21] behind the root in reference
            bones; ``confidence`` [batch, 21] in (0, 1]; ``handedness_logit`` [batch], positive for a right hand;
            ``mask`` [batch, 1, h, w], probability of hand; ``depth_map`` [batch, 1, h, w], closeness.
        """
        return _tensors(self.net(rgb))


class RgbdGraph(nn.Module):
    """A prediction from colour that depth attention re-weighs, for users who have a depth camera."""

    INPUTS = ("rgb", "depth")

    def __init__(self, net: DualModalityNet):
        super().__init__()
        self.net = net

    def forward(self, rgb: Float[Tensor, "batch 3 side side"], depth: Float[Tensor, "batch 1 side side"]) -> Outputs:
        """As ``RgbGraph.forward``.

        Args:
            rgb: sRGB in [0, 1].
            depth: Closeness of the hand (``dualmod.data.batch.closeness``), 0 off it.
        """
        _, attention = self.net.encode_depth(depth)
        return _tensors(self.net.fused(rgb, attention))


def graph_of(net: DualModalityNet, *, depth: bool) -> RgbGraph | RgbdGraph:
    """The graph with or without depth, in evaluation mode, without gradients."""
    graph = RgbdGraph(net) if depth else RgbGraph(net)
    return graph.eval().requires_grad_(False)


@torch.no_grad()
def run_graph(graph: RgbGraph | RgbdGraph, *inputs: Tensor) -> dict[str, Tensor]:
    """The outputs by name, computed by torch."""
    return dict(zip(OUTPUTS, graph(*inputs), strict=True))


def _tensors(prediction: Prediction) -> Outputs:
    return (
        prediction.joints_uv,
        prediction.joints_depth,
        prediction.confidence,
        prediction.handedness_logit,
        prediction.mask_logits.sigmoid(),
        prediction.depth,
    )
