"""Depthwise convolutions that train fast on a CPU.

oneDNN computes the gradient of a depthwise weight of 5 x 5 and more by a slow path: on a 3 x 3 map of 1152 channels it
takes 25 times as long as the forward pass. Here a plain loop does it. timm's convolutions that pad as TensorFlow does
copy each map to pad it where they have a stride; here their kernel is padded. Everything else stays torch's own
operation: the forward pass, the gradient of the input, inference, CUDA, other numbers than float32, compilation and
export.
"""

from typing import Any

import torch
from timm.layers.conv2d_same import Conv2dSame
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional

from dualmod.network.cpu.loops import as_array, change_classes, loops_allowed
from dualmod.network.cpu.same_padding import Sides, same_padding, symmetric_kernel

LEAST_SIZE = 5
"""Side of the smallest kernel whose gradient is slow in oneDNN."""
MOST_THREADS = 4
"""The loop runs in one thread: with more threads than this oneDNN catches up on large maps."""


class FastDepthwise(nn.Conv2d):
    """A depthwise convolution with the same parameters as ``nn.Conv2d``, and the same values and gradients."""

    def _conv_forward(self, input: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        if _is_fast(input, weight):
            return _Depthwise.apply(input, weight, self.stride, self.padding, self.padding)
        return super()._conv_forward(input, weight, bias)


class FastDepthwiseSame(Conv2dSame):
    """The same for timm's convolution that pads as TensorFlow does."""

    def forward(self, x: Tensor) -> Tensor:
        if _is_fast(x, self.weight):  # type: ignore[arg-type]
            before, after = same_padding(x.shape[2:], self.kernel_size, self.stride)  # type: ignore[arg-type]
            return _Depthwise.apply(x, self.weight, self.stride, before, after)
        return super().forward(x)


FAST = {nn.Conv2d: FastDepthwise, Conv2dSame: FastDepthwiseSame}


def use_fast_depthwise(module: nn.Module) -> int:
    """Make the depthwise convolutions in ``module`` train fast on a CPU where they don't.

    Returns:
        The number of layers that changed; 0 for a network without large or TensorFlow's depthwise kernels.
    """
    return change_classes(module, FAST, _is_slow)


def _is_slow(layer: nn.Module) -> bool:
    assert isinstance(layer, nn.Conv2d)
    return (
        layer.groups == layer.in_channels == layer.out_channels
        and layer.groups > 1
        and (max(layer.kernel_size) >= LEAST_SIZE or (type(layer) is Conv2dSame and max(layer.stride) > 1))
        and layer.bias is None
        and layer.dilation == (1, 1)
        and layer.padding_mode == "zeros"
        and not isinstance(layer.padding, str)
    )


def _is_fast(x: Tensor, weight: Tensor) -> bool:
    return torch.is_grad_enabled() and weight.requires_grad and loops_allowed(x, weight, MOST_THREADS)


class _Depthwise(torch.autograd.Function):
    """torch's convolution with zeros before and after the map, and the weight's gradient from ``depthwise_kernel``."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, stride: Sides, before: Sides, after: Sides) -> Tensor:
        ctx.save_for_backward(x, weight)
        ctx.stride, ctx.before, ctx.after = stride, before, after
        return functional.conv2d(x, symmetric_kernel(weight, before, after), None, stride, after, groups=len(weight))

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        x, weight = ctx.saved_tensors
        wants_x, wants_weight = ctx.needs_input_grad[:2]
        of_x, _, _ = torch.ops.aten.convolution_backward(
            gradient, x, symmetric_kernel(weight, ctx.before, ctx.after), None, ctx.stride, ctx.after, (1, 1), False,
            (0, 0), len(weight), (wants_x, False, False),
        )  # fmt: skip
        of_weight = _weight_gradient(x, gradient, weight, ctx.stride, ctx.before) if wants_weight else None
        return of_x, of_weight, None, None, None


def _weight_gradient(x: Tensor, gradient: Tensor, weight: Tensor, stride: Sides, before: Sides) -> Tensor:
    from dualmod.network.cpu.depthwise_kernel import weight_gradient  # numba takes a while to import: only to train

    size = (weight.shape[2], weight.shape[3])
    return torch.from_numpy(weight_gradient(as_array(x), as_array(gradient), size, stride=stride, padding=before))
