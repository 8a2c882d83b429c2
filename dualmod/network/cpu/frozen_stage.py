"""A backbone's frozen stage that a training on a CPU passes fast: each convolution, the normalisation after it and the
clamp after that are one operation.

Weights and statistics of such a stage stay, so the normalisation is a factor of the convolution's weight, and a bias.
Both are found anew at each call, in a millisecond: nothing is kept that a loaded or averaged weight would leave behind.
Inference, CUDA, other numbers than float32, compilation and export stay torch's.
"""

from collections.abc import Iterator

import torch
from timm.layers.conv2d_same import Conv2dSame
from timm.layers.norm_act import BatchNormAct2d
from timm.models._efficientnet_blocks import DepthwiseSeparableConv, InvertedResidual
from torch import Tensor, nn

from dualmod.network.cpu.batch_norm import BOUNDS, UNBOUNDED, FastNorm, FastNormAct
from dualmod.network.cpu.depthwise_conv import FastDepthwise, FastDepthwiseSame
from dualmod.network.cpu.loops import loops_allowed
from dualmod.network.cpu.same_padding import same_padding, symmetric_kernel

HAS_ONEDNN = torch.backends.mkldnn.is_available()
MOST_THREADS = 1
CONVOLUTIONS = {nn.Conv2d, FastDepthwise, Conv2dSame, FastDepthwiseSame}
NORMALISATIONS = {nn.BatchNorm2d, FastNorm, BatchNormAct2d, FastNormAct}
CHAINS = {nn.Sequential, DepthwiseSeparableConv, InvertedResidual}
"""Modules that run their children in turn, and then add their input where they say ``has_skip``."""


class FrozenStage(nn.Sequential):
    """A stage with the same modules and state dict as ``nn.Sequential``, and the same values."""

    def forward(self, input: Tensor) -> Tensor:
        return _passed(self, input) if _is_fast(self, input) else super().forward(input)


FAST: dict[type[nn.Module], type[nn.Module]] = {nn.Sequential: FrozenStage}
CHAINS.add(FrozenStage)


def freeze_stage(stage: nn.Module) -> None:
    """Take a backbone's stage out of the training, and make it fast on a CPU; its class alone changes."""
    stage.requires_grad_(False)
    if type(stage) in FAST:
        stage.__class__ = FAST[type(stage)]


def _is_fast(stage: nn.Module, x: Tensor) -> bool:
    weight = next(stage.parameters(), None)
    return (
        torch.is_grad_enabled()
        and weight is not None
        and HAS_ONEDNN
        and not x.requires_grad
        and loops_allowed(x, weight, MOST_THREADS)
        and not any(parameter.requires_grad for parameter in stage.parameters())
        and not any(module._forward_hooks or module._forward_pre_hooks for module in stage.modules())
        and _is_finite(x, *stage.parameters(), *stage.buffers())
    )


def _is_finite(*tensors: Tensor) -> bool:
    """Whether no value is lost in a clamp, which in oneDNN makes a number of what is none."""
    return bool(torch.stack([tensor.sum(dtype=torch.float32) for tensor in tensors]).isfinite().all())


def _passed(module: nn.Module, x: Tensor) -> Tensor:
    """``module(x)``, with a convolution and the normalisation after it in one."""
    if type(module) not in CHAINS:
        return module(x)
    y = x
    for layer, norm in _layers(module):
        y = _passed(layer, y) if norm is None else _convolved(layer, norm, y)
    return y + x if getattr(module, "has_skip", False) else y


def _layers(module: nn.Module) -> Iterator[tuple[nn.Module, nn.Module | None]]:
    """The children in turn, a convolution together with its normalisation."""
    children = list(module.children())
    pairs = list(zip(children, [*children[1:], nn.Identity()], strict=True))
    folds = [_can_convolve(layer) and _can_normalise(after) for layer, after in pairs]
    for place, (layer, after) in enumerate(pairs):
        if place == 0 or not folds[place - 1]:
            yield layer, after if folds[place] else None


def _can_convolve(layer: nn.Module) -> bool:
    return (
        type(layer) in CONVOLUTIONS
        and layer.padding_mode == "zeros"
        and layer.dilation == (1, 1)
        and not isinstance(layer.padding, str)
    )


def _can_normalise(layer: nn.Module) -> bool:
    return (
        type(layer) in NORMALISATIONS
        and not layer.training
        and layer.affine is True
        and layer.running_mean is not None
        and isinstance(getattr(layer, "drop", None), nn.Identity | None)
    )


def _convolved(layer: nn.Module, norm: nn.Module, x: Tensor) -> Tensor:
    """Convolution, normalisation and clamp as one operation of oneDNN; another activation follows as it is."""
    assert isinstance(layer, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d)
    weight, bias = _folded(layer, norm)
    padding = layer.padding
    if isinstance(layer, Conv2dSame):
        before, padding = same_padding(x.shape[2:], weight.shape[2:], layer.stride)
        weight = symmetric_kernel(weight, before, padding)
    act = getattr(norm, "act", None)
    bounds = BOUNDS.get(type(act), UNBOUNDED)
    y = torch.ops.mkldnn._convolution_pointwise(
        x, weight, bias, padding, layer.stride, layer.dilation, layer.groups,
        *(("none", []) if bounds == UNBOUNDED else ("hardtanh", bounds)), "",
    )  # fmt: skip
    return y if act is None or type(act) in BOUNDS else act(y)


def _folded(layer: nn.Conv2d, norm: nn.BatchNorm2d) -> tuple[Tensor, Tensor]:
    """Weight and bias of the convolution with the normalisation in them, computed in float64."""
    mean, variance = norm.running_mean, norm.running_var
    assert mean is not None and variance is not None
    scale = norm.weight.double() * (variance.double() + norm.eps).rsqrt()
    shift = -mean.double() if layer.bias is None else layer.bias.double() - mean
    return (layer.weight * scale.view(-1, 1, 1, 1)).float(), (norm.bias + shift * scale).float()
