"""When loops of this package may stand in for an operation of torch on a CPU, in which layers, and how they see its
tensors."""

from collections.abc import Callable, Mapping

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.utils import _python_dispatch


def loops_allowed(x: Tensor, weight: Tensor, most_threads: int) -> bool:
    """Whether a loop may compute on ``x``: float32 of a training on a CPU, and nothing looks on that has to see torch's
    operation (compilation, export, automatic casts, counters, transforms).

    Args:
        x: A layer's input.
        weight: The layer's weight.
        most_threads: Threads of torch up to which one thread of a loop is faster.
    """
    return (
        not torch.compiler.is_compiling()
        and type(x) is Tensor
        and x.device.type == weight.device.type == "cpu"
        and x.dtype == weight.dtype == torch.float32
        and x.is_contiguous(memory_format=torch.channels_last)
        and torch.get_num_threads() <= most_threads
        and not torch.is_autocast_enabled("cpu")
        and not torch.jit.is_tracing()  # type: ignore[attr-defined]
        and not torch._C._are_functorch_transforms_active()
        and not _python_dispatch.is_in_torch_dispatch_mode()
    )


def as_array(maps: Float[Tensor, "batch channels height width"]) -> Float[np.ndarray, "batch height width channels"]:
    """The maps with channels last, as a contiguous array; of the same memory where they lie so."""
    return maps.detach().contiguous(memory_format=torch.channels_last).permute(0, 2, 3, 1).numpy()


def change_classes(
    module: nn.Module, classes: Mapping[type[nn.Module], type[nn.Module]], fits: Callable[[nn.Module], bool]
) -> int:
    """Give the layers in ``module`` that fit the class that stands for theirs; parameters, buffers, hooks, names and
    the state dict stay.

    Returns:
        The number of layers that changed.
    """
    layers = [layer for layer in module.modules() if type(layer) in classes and fits(layer)]
    for layer in layers:
        layer.__class__ = classes[type(layer)]
    return len(layers)
