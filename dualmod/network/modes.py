"""Training and evaluation mode of a network, module by module."""

import contextlib
from collections.abc import Iterator

from torch import nn


@contextlib.contextmanager
def evaluating(net: nn.Module) -> Iterator[None]:
    """Evaluation mode; each module goes back to the mode that it was in, frozen ones among trained ones included."""
    modes = [(module, module.training) for module in net.modules()]
    net.eval()
    try:
        yield
    finally:
        for module, mode in modes:
            module.training = mode


def start_training(net: nn.Module, *, frozen_statistics: bool) -> None:
    """Training mode; batch normalisation keeps its running statistics where ``frozen_statistics``."""
    net.train()
    if frozen_statistics:
        for module in net.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.eval()
