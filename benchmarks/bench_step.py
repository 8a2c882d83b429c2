"""Processor time of one step of ``source_only`` on one core, part by part: torch's own layers against ours.

Both kinds take turns within one process, as other work on the machine slows them alike. The last row compares a step
with the time of its matrix work: the operations of convolutions and linear layers, forward and backward, at the speed
of a product of two matrices of 512 x 512 on this core.

    python benchmarks/bench_step.py [OPTION=VALUE ...]

Options are those of ``pretrain``, such as ``network.image_size=128 batch_size=32``.
"""

import itertools
import math
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

import torch
from rich.console import Console
from rich.table import Table
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from dualmod.data.batch import HandBatch
from dualmod.inference.timings import PartTimings
from dualmod.network.cpu import frozen_stage
from dualmod.network.model import DualModalityNet
from dualmod.pretrain import PretrainConfig
from dualmod.pretraining.objective import objective
from dualmod.runtime.malloc import keep_freed_memory
from dualmod.training.averaged_weights import average_into
from synth.common.config import compose_config

ROUNDS, WARM_UP = 12, 3
PARTS = ("forward", "backward", "clipping", "optimizer", "averaging")
FAST = {slow: fast for module in (depthwise_conv, batch_norm, frozen_stage) for slow, fast in module.FAST.items()}
GEMM_SIDE = 512


class Stepper:
    """A network with its optimizer and averages, which takes steps on one batch."""

    def __init__(self, config: PretrainConfig, *, fast: bool):
        torch.manual_seed(config.seed)
        self.net, self.config = DualModalityNet(config.network).train(), config
        if not fast:
            plain_layers(self.net)
        self.trained = [p for p in self.net.parameters() if p.requires_grad]
        self.optimizer = torch.optim.AdamW(self.trained, lr=1e-4, weight_decay=0.01, fused=fast)
        self.tensors = [tensor.detach() for tensor in (*self.net.parameters(), *self.net.buffers())]
        self.averages = [tensor.clone() for tensor in self.tensors]
        views = 2 if config.method.contrast_terms else 1
        self.views = [random_hands(config.batch_size, self.net.config.image_size) for _ in range(views)]
        self.average = average_into if fast else average_one_by_one

    def loss(self) -> torch.Tensor:
        return torch.stack([*objective(self.net, self.views, self.config.method).values()]).sum()

    def step(self, timings: PartTimings) -> None:
        """One step, as ``dualmod.training.module`` takes it."""
        with timings.part("forward"):
            loss = self.loss()
        with timings.part("backward"):
            loss.backward()
        with timings.part("clipping"):
            norm = nn.utils.get_total_norm([p.grad for p in self.trained if p.grad is not None])
            nn.utils.clip_grads_with_norm_(self.trained, 5.0, norm)
        with timings.part("optimizer"):
            self.optimizer.step()
            self.optimizer.zero_grad()
        with timings.part("averaging"):
            self.average(self.averages, self.tensors, 0.999)


def random_hands(count: int, side: int) -> HandBatch:
    images = torch.rand(count, 3, side, side), torch.rand(count, 1, side, side), torch.ones(count, 1, side, side)
    return HandBatch(*images, torch.rand(count, 21, 2), torch.randn(count, 21), torch.ones(count, 21), images[1])


def plain_layers(net: nn.Module) -> None:
    """Give the layers back torch's own classes."""
    plain = {fast: slow for slow, fast in FAST.items()}
    for layer in net.modules():
        layer.__class__ = plain.get(type(layer), type(layer))


@torch.no_grad()
def average_one_by_one(averages: list[torch.Tensor], current: list[torch.Tensor], decay: float) -> None:
    """As Lightning's callback does, without its walk through the modules."""
    for average, value in zip(averages, current, strict=True):
        average.copy_(average.lerp(value, 1 - decay) if average.is_floating_point() else value)


def matrix_operations(stepper: Stepper) -> int:
    """Operations of convolutions and linear layers in a step; frozen stages have no backward pass."""
    own = {torch.ops.aten.convolution_backward: convolution_backward}
    with FlopCounterMode(display=False, custom_mapping=own) as counted:
        stepper.loss().backward()
    stepper.optimizer.zero_grad()
    return counted.get_total_flops()


def convolution_backward(grad_out: tuple, image: tuple, weight: tuple, *args: Any, **kwargs: Any) -> int:
    """Operations of a convolution's backward pass; torch's own count takes no notice of groups."""
    transposed, wanted = args[4], args[7]
    places = math.prod((image if transposed else grad_out)[2:])
    return 2 * image[0] * places * math.prod(weight) * (bool(wanted[0]) + bool(wanted[1]))


def gemm_speed() -> float:
    """Operations a second of a product of two matrices, the median of many."""
    a, b = torch.rand(2, GEMM_SIDE, GEMM_SIDE)
    out = torch.empty_like(a)
    return 2 * GEMM_SIDE**3 / statistics.median(itertools.islice(seconds_of(lambda: torch.mm(a, b, out=out)), 5, 100))


def seconds_of(work: Callable[[], object]) -> Iterator[float]:
    while True:
        started = time.process_time()
        work()
        yield time.process_time() - started


def main(*options: str) -> None:
    """Measure and print the table."""
    torch.set_num_threads(1)
    keep_freed_memory()
    config = compose_config("pretrain", PretrainConfig, ["data=d", "out=o", "method=source_only", *options])
    steppers = {"torch": Stepper(config, fast=False), "ours": Stepper(config, fast=True)}
    rounds: dict[str, list[dict[str, float]]] = {name: [] for name in steppers}
    for _ in range(ROUNDS + WARM_UP):
        for name, stepper in steppers.items():
            timings = PartTimings(*PARTS, clock=time.process_time)
            stepper.step(timings)
            rounds[name].append(timings.seconds)
    found = {
        name: {part: 1000 * statistics.median(row[part] for row in rows[WARM_UP:]) for part in PARTS}
        for name, rows in rounds.items()
    }
    matrix_ms = 1000 * matrix_operations(steppers["ours"]) / gemm_speed()
    table = Table("ms of processor time", *found, "ratio")
    for part in PARTS:
        before, after = (times[part] for times in found.values())
        table.add_row(part, f"{before:.1f}", f"{after:.1f}", f"{after / before:.2f}")
    before, after = (sum(times.values()) for times in found.values())
    table.add_row("step", f"{before:.1f}", f"{after:.1f}", f"{after / before:.2f}")
    views = [len(steppers["ours"].views) * config.batch_size / total * 1000 for total in (before, after)]
    table.add_row("views a second", *(f"{rate:.0f}" for rate in views), f"{views[1] / views[0]:.2f}")
    table.add_row("step / matrix work", *(f"{total / matrix_ms:.2f}" for total in (before, after)), "")
    Console().print(table)
    print(f"matrix work: {matrix_ms:.0f} ms")


if __name__ == "__main__":
    main(*sys.argv[1:])
