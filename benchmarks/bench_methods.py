"""Compute of one training step of each pre-training method, relative to source_only: what docs/pretraining.md lists.

Operations are counted by torch, forward and backward, on random images; reading and augmenting are not counted.

    python benchmarks/bench_methods.py [NETWORK]
"""

import math
import sys
from typing import Any

import torch
from torch.utils.flop_counter import FlopCounterMode

from dualmod.data.batch import HandBatch
from dualmod.data.contrast_views import ContrastView
from dualmod.network.model import DualModalityNet
from dualmod.pretrain import PretrainConfig
from dualmod.pretraining.config import PretrainMethod
from dualmod.pretraining.contrastive_phase import contrast_objective
from dualmod.pretraining.objective import objective
from dualmod.pretraining.pose_clusters import PoseClasses
from synth.common.config import CONFIG_ROOT, compose_config

BATCH = 4
STEP_SAMPLES = 32
"""Samples of a supervised step, which those of a step of the first phase are weighed against."""
METHODS = sorted(p.stem for p in (CONFIG_ROOT / "pretrain" / "method").glob("*.yaml"))


def hands(count: int, side: int) -> HandBatch:
    images = torch.rand(count, 3, side, side), torch.rand(count, 1, side, side), torch.ones(count, 1, side, side)
    return HandBatch(*images, torch.rand(count, 21, 2), torch.randn(count, 21), torch.ones(count, 21), images[1])


def views(count: int, side: int) -> ContrastView:
    return ContrastView(
        torch.rand(count, 3, side, side), torch.zeros(count), torch.zeros(count, 2), torch.rand(count, 21, 2)
    )


def convolution_backward(grad_out: tuple, image: tuple, weight: tuple, *args: Any, **kwargs: Any) -> int:
    """Operations of a convolution's backward pass; torch's own count takes no notice of groups."""
    transposed, wanted = args[4], args[7]
    places = math.prod((image if transposed else grad_out)[2:])
    return 2 * image[0] * places * math.prod(weight) * (bool(wanted[0]) + bool(wanted[1]))


def counter() -> FlopCounterMode:
    return FlopCounterMode(display=False, custom_mapping={torch.ops.aten.convolution_backward: convolution_backward})


def counted(net: DualModalityNet, method: PretrainMethod) -> float:
    """Operations of an average step."""
    side, share = net.config.image_size, method.phase.share
    heads = []
    if method.classes.weight > 0:
        centres = torch.randn(method.classes.count, 63).numpy()
        heads.append(PoseClasses(method.classes, centres, 1.0, net.config.decoder_width))
    batch = [hands(BATCH, side)] * (2 if method.contrast_terms else 1)
    with counter() as supervised:
        torch.stack([*objective(net, batch, method, *heads).values()]).sum().backward()
    total = (1 - share) * supervised.get_total_flops()
    if share > 0:
        with counter() as contrast:
            contrast_objective(net, views(BATCH, side), views(BATCH, side), method.phase)["contrast_views"].backward()
        total += share * contrast.get_total_flops() * method.phase.batch_size / STEP_SAMPLES
    return total


def main(network: str = "laptop") -> None:
    options = [f"network={network}", "data=d", "out=o"]
    needs = ["method.phase.photos=p", "method.phase.pose_checkpoint=c"]
    config = compose_config("pretrain", PretrainConfig, options)
    config.network.rgb.weights = config.network.depth.weights = ""
    net = DualModalityNet(config.network).train()
    found = {
        name: counted(net, compose_config("pretrain", PretrainConfig, [*options, *needs, f"method={name}"]).method)
        for name in METHODS
    }
    for name, operations in sorted(found.items(), key=lambda item: item[1]):
        print(f"{name:16} {operations / BATCH / 1e9:8.2f} G for a sample   {operations / found['source_only']:5.2f}")


if __name__ == "__main__":
    main(*sys.argv[1:])
