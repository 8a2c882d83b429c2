"""Images per second of ``generate`` on this machine, by wall clock: one worker, two workers, and a Ray cluster of two
nodes with one CPU each.

The rate is that of the images by which a long run exceeds a short one, so that start-up does not count. The three take
turns, and each row is the median over the turns: on a shared machine a single run says little.

    python benchmarks/bench_scaling.py [IMAGES] [TURNS]
"""

import contextlib
import importlib.util
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from synth.generate import GenerateConfig, generate

SIZE_PX = 224
DEFAULTS = 240, 3
SHARDS = 6
"""Shards of the short run; the long one has three times as many, of the same size."""


def seconds(count: int, **options: Any) -> float:
    """Wall-clock seconds of one run of ``count`` images."""
    with tempfile.TemporaryDirectory() as folder:
        config = GenerateConfig(out=str(Path(folder) / "data"), num_samples=count, image_size=SIZE_PX, **options)
        start = time.perf_counter()
        generate(config)
        return time.perf_counter() - start


@contextlib.contextmanager
def two_nodes() -> Iterator[str]:
    """Address of a Ray cluster of two nodes on this machine, with workers of normal priority."""
    os.environ |= {"RAY_USAGE_STATS_ENABLED": "0", "RAY_worker_niceness": "0"}
    from ray.cluster_utils import Cluster  # type: ignore[import-not-found]

    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
    cluster.add_node(num_cpus=1)
    try:
        yield cluster.address
    finally:
        cluster.shutdown()


def main() -> None:
    """Measure all rows and print the table."""
    count, turns = (*map(int, sys.argv[1:]), *DEFAULTS[len(sys.argv) - 1 :])
    rows: dict[str, dict[str, Any]] = {"local, 1 worker": {"workers": 1}, "local, 2 workers": {"workers": 2}}
    with contextlib.ExitStack() as stack:
        if importlib.util.find_spec("ray"):
            rows["ray, 2 nodes"] = {"executor": "ray", "ray_address": stack.enter_context(two_nodes())}
        rates: dict[str, list[float]] = {name: [] for name in rows}
        for _ in range(turns):
            for name, options in rows.items():
                short, long = (seconds(n, shard_size=count // SHARDS, **options) for n in (count, 3 * count))
                rates[name].append(2 * count / (long - short))
    table = Table(f"generate at {SIZE_PX} px", "images/s", "x 1 worker", "x 2 workers")
    medians = {name: statistics.median(row) for name, row in rates.items()}
    one, two = medians["local, 1 worker"], medians["local, 2 workers"]
    for name, rate in medians.items():
        table.add_row(name, f"{rate:.0f}", f"{rate / one:.2f}", f"{rate / two:.2f}")
    console = Console()
    console.print(table)
    if len(rows) == 2:
        console.print("ray skipped: pip install 'handbridge[cluster]'")


if __name__ == "__main__":
    main()
