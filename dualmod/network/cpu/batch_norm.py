"""Batch normalisation that trains fast on a CPU, in one operation with the clamp after it.

torch reads and writes each map for the normalisation, again for the activation, and copies it once more because the
activation is in place; in a backbone of depthwise convolutions that takes as long as the convolutions. Here the
activation is part of the normalisation, and its gradient is found again from the input. Sums are more exact than
torch's, which adds a whole map in float32. Inference, CUDA, other numbers than float32, compilation and export stay
torch's.
"""

from typing import Any

import numpy as np
import torch
from timm.layers.norm_act import BatchNormAct2d
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from dualmod.network.cpu.loops import as_array, change_classes, loops_allowed

MOST_THREADS = 1
"""The loops run in one thread; with more torch's operation is as fast."""
LEAST_ROW = 256
"""Values that a loop's row holds at least: places of maps with few channels are taken together."""
UNBOUNDED = (-np.inf, np.inf)
BOUNDS = {nn.Identity: UNBOUNDED, nn.ReLU: (0.0, np.inf), nn.ReLU6: (0.0, 6.0)}
"""Activations that are a clamp, and its limits."""


class FastNorm(nn.BatchNorm2d):
    """Batch normalisation with the parameters and buffers of ``nn.BatchNorm2d``."""

    def forward(self, input: Tensor) -> Tensor:
        return _normalised(self, input, UNBOUNDED) if _is_fast(self, input) else super().forward(input)


class FastNormAct(BatchNormAct2d):
    """The same for timm's normalisation that brings its activation along."""

    act: nn.Module

    def forward(self, x: Tensor) -> Tensor:
        assert isinstance(self, nn.BatchNorm2d)  # timm's decorator hides it
        if not _is_fast(self, x):
            return super().forward(x)
        bounds = BOUNDS.get(type(self.act))
        return self.act(_normalised(self, x, UNBOUNDED)) if bounds is None else _normalised(self, x, bounds)


FAST = {nn.BatchNorm2d: FastNorm, BatchNormAct2d: FastNormAct}


def use_fast_norm(module: nn.Module) -> int:
    """Make the batch normalisations in ``module`` train fast on a CPU, and count those that changed."""
    return change_classes(module, FAST, _is_usual)


def _is_usual(layer: nn.Module) -> bool:
    assert isinstance(layer, nn.BatchNorm2d)
    return (
        layer.affine
        and layer.track_running_stats
        and layer.momentum is not None
        and isinstance(getattr(layer, "drop", None), nn.Identity | None)
    )


def _is_fast(layer: nn.BatchNorm2d, x: Tensor) -> bool:
    # frozen layers have no gradient, but those of a training run where gradients are enabled
    trains = layer.training or torch.is_grad_enabled()
    return trains and loops_allowed(x, layer.weight, MOST_THREADS) and len(x) > 0


def _normalised(layer: nn.BatchNorm2d, x: Tensor, bounds: tuple[float, float]) -> Tensor:
    mean, variance = layer.running_mean, layer.running_var
    assert mean is not None and variance is not None and layer.num_batches_tracked is not None
    if layer.training:
        moments = _batch_moments(layer, x)
        layer.num_batches_tracked.add_(1)
    else:
        moments = np.stack([mean.numpy(), variance.numpy()]).astype(np.float64)
    return _Norm.apply(x, layer.weight, layer.bias, moments, layer.eps, bounds, layer.training)


def _batch_moments(layer: nn.BatchNorm2d, x: Tensor) -> np.ndarray:
    """Mean and variance of the batch, which the running averages take in."""
    from dualmod.network.cpu.batch_norm_kernel import find_moments  # numba takes a while to import: only to train

    if x.numel() == x.shape[1]:
        raise ValueError(f"Expected more than 1 value per channel when training, got input size {x.shape}")
    rows, group = _rows(x)
    moments = np.empty((2, x.shape[1]))
    running = (layer.running_mean.numpy(), layer.running_var.numpy())  # type: ignore[union-attr]
    find_moments(rows, group, moments, layer.momentum, *running)
    return moments


def _rows(maps: Tensor) -> tuple[np.ndarray, int]:
    """Maps as rows of channels, several places in a row where the channels are few; and how many."""
    channels = maps.shape[1]
    places, group = maps.numel() // channels, 1
    while group * channels < LEAST_ROW and places % (2 * group) == 0:
        group *= 2
    return as_array(maps).reshape(places // group, group * channels), group


class _Norm(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, x: Tensor, weight: Tensor, bias: Tensor, moments: np.ndarray, eps: float,
        bounds: tuple[float, float], of_batch: bool,
    ) -> Tensor:  # fmt: skip
        from dualmod.network.cpu.batch_norm_kernel import normalise

        ctx.save_for_backward(x, weight, bias)
        ctx.moments, ctx.eps, ctx.of_batch = moments, eps, of_batch
        ctx.bounds = tuple(map(np.float32, bounds))
        out = torch.empty_like(x, memory_format=torch.channels_last)
        values = (weight.detach().numpy(), bias.detach().numpy(), *ctx.bounds)
        normalise(_rows(x)[0], moments, eps, *values, _rows(out)[0])
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        from dualmod.network.cpu.batch_norm_kernel import input_gradient, parameter_gradients

        x, weight, bias = ctx.saved_tensors
        of_weight, of_bias = torch.empty_like(weight), torch.empty_like(bias)
        sums = (of_weight.numpy(), of_bias.numpy())
        known = (
            _rows(x)[0], _rows(gradient)[0], ctx.moments, ctx.eps,
            weight.detach().numpy(), bias.detach().numpy(), *ctx.bounds,
        )  # fmt: skip
        parameter_gradients(*known, *sums)
        of_x = None
        if ctx.needs_input_grad[0]:
            of_x = torch.empty_like(x, memory_format=torch.channels_last)
            places = x.numel() // x.shape[1] if ctx.of_batch else 0
            input_gradient(*known, *sums, places, _rows(of_x)[0])
        return of_x, of_weight, of_bias, None, None, None, None
