"""What a pre-training step costs on this machine: seconds, share of them that it waits for data, memory, operations.

The table is the laptop preset with and without the depth branch, with micro-batches and with averaged weights. With
``paper`` as argument it is one whole step of the paper's network (two ResNet-101 at 256 px, its batch by accumulation),
which takes a CPU the better part of an hour.

    python benchmarks/bench_training.py [paper]
"""

import json
import resource
import sys
import tempfile
import time
from pathlib import Path

import torch
from rich.console import Console
from rich.table import Table
from torch.utils.flop_counter import FlopCounterMode

from dualmod.pretrain import PretrainConfig, pretrain
from synth.common.config import compose_config
from synth.generate import GenerateConfig, generate

STEPS = 40
LAPTOP = {
    "laptop, dual": ["method=dual"],
    "laptop, dual, 4 micro-batches": ["method=dual", "engine.accumulate=4"],
    "laptop, dual, averaged weights": ["method=dual", "engine.ema_decay=0.99"],
    "laptop, source only": ["method=source_only"],
}
PAPER = {"paper, one step": ["preset=paper", "max_steps=1", "loader_workers=1"]}
PAPER_SIZE_PX, LAPTOP_SIZE_PX = 256, 192
NUM_SAMPLES = 200
HOLDOUT = 0.005
"""One sample: the held-out evaluation after the training is part of what is counted, and should not count."""


def peak_gb() -> float:
    """Most memory that this process, or torch on the GPU, has held so far, in GB."""
    if torch.cuda.is_available():
        return torch.cuda.max_memory_allocated() / 1e9
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9


def measure(data: Path, out: Path, options: list[str]) -> list[str]:
    """Step time, wait share, operations of a step and peak memory of one run, as cells of a table."""
    config = compose_config("pretrain", PretrainConfig, [f"data={data}", f"out={out}", f"holdout={HOLDOUT}", *options])
    started = time.perf_counter()
    with FlopCounterMode(display=False) as counter:
        pretrain(config)
    print(f"{out.name}: {time.perf_counter() - started:.0f} s in all", file=sys.stderr)
    last = json.loads((out / "metrics.jsonl").read_text().splitlines()[-1])
    teraflops = counter.get_total_flops() / config.max_steps / 1e12
    return [
        f"{last['seconds'] / config.max_steps:.2f}",
        f"{last['data_share']:.1%}" if config.max_steps > 1 else "-",
        f"{teraflops:.3f}",
        f"{peak_gb():.1f}",
    ]


def main() -> None:
    """Measure all rows and print the table."""
    is_paper = sys.argv[1:] == ["paper"]
    size_px, rows = (PAPER_SIZE_PX, PAPER) if is_paper else (LAPTOP_SIZE_PX, LAPTOP)
    table = Table("run", "s/step", "waits for data", "TFLOP/step", "peak GB so far")
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder) / "data"
        generate(GenerateConfig(out=str(data), num_samples=NUM_SAMPLES, image_size=size_px, workers=1))
        for index, (name, options) in enumerate(rows.items()):
            steps = [] if is_paper else [f"max_steps={STEPS}"]
            table.add_row(name, *measure(data, Path(folder) / f"run-{index}", [*options, *steps]))
    Console().print(table)


if __name__ == "__main__":
    main()
