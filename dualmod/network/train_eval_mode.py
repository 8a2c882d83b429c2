"""Training and evaluation mode of a network, module by module, and which of its branches have ever been trained."""

import contextlib
import sys
from collections.abc import Iterator

from torch import nn

from dualmod.network.model import DualModalityNet


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
    """Put a network into training mode, whatever mode it comes in; modules that overrule ``train`` have their say.

    Args:
        net: The network. A loaded one comes in evaluation mode, and Lightning leaves it there.
        frozen_statistics: Whether batch normalisation keeps its running statistics.
    """
    net.train()
    if frozen_statistics:
        for module in net.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.eval()


def is_untrained(branch: nn.Module) -> bool:
    """Whether batch normalisation of a branch has never seen a batch: its outputs are then those of random weights."""
    counts = [m.num_batches_tracked for m in branch.modules() if isinstance(m, nn.BatchNorm2d)]
    return bool(counts) and not any(counts)


def note_untrained_depth(net: DualModalityNet, checkpoint: str) -> None:
    """Say so, in a line to stderr, when the depth branch that somebody is about to use was never trained."""
    if is_untrained(net.depth_neck):
        sys.stderr.write(
            f"checkpoint={checkpoint}: its depth branch was never trained, so passes with depth are noise; train it "
            f"first: handbridge pretrain init={checkpoint} method=dual\n"
        )
