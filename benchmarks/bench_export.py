"""Time of one crop on one thread: torch, the ONNX files in 32 and 8 bits, and MediaPipe's landmark model beside them.

Only the networks are timed: a tensor that is there goes in, tensors come out. ``both`` is the crop with its mirror
image in one batch, which is what a photograph costs whose hand nobody has named left or right. Rounds alternate between
all rows, so that a machine that others use slows all of them; the table has the median and the least of all runs.

    python benchmarks/bench_export.py [CHECKPOINT [DATASET]]
    MEDIAPIPE_PYTHON=rival/bin/python python benchmarks/bench_export.py

Without a checkpoint it is the released network. How far each file is from the checkpoint is printed before the times,
as ``export-model`` says it. MediaPipe does not share our environment and needs one of its own:

    python3 -m venv rival && rival/bin/pip install mediapipe==0.10.21 && rival/bin/pip install --no-deps ai-edge-litert
"""

import contextlib
import io
import json
import os
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from rich.console import Console
from rich.table import Table

from dualmod.checkpoints.checkpoint import load_network
from dualmod.checkpoints.released import RELEASED, pose_file
from dualmod.deploy.graphs import graph_of, run_graph
from dualmod.deploy.onnx_file import OnnxNetwork
from dualmod.export import ExportModelConfig, export_model
from synth.generate import GenerateConfig, generate

ROUNDS, WARM_UP, RUNS = 3, 10, 100
WORKER = Path(__file__).parent / "rival" / "mediapipe_hands.py"
VARIABLE = "MEDIAPIPE_PYTHON"
NOT_INSTALLED = (
    "MediaPipe: not installed; python3 -m venv rival && rival/bin/pip install mediapipe==0.10.21 && "
    f"rival/bin/pip install --no-deps ai-edge-litert, then set {VARIABLE}=rival/bin/python"
)
Rows = dict[str, Callable[[], object]]


def exported(checkpoint: Path, data: Path, folder: Path) -> dict[str, Path]:
    """The files that ``export-model`` makes of a checkpoint, by name; what it says of them goes to stderr."""
    int8 = {"precision": "int8", "calibration": str(data)}
    variants = {
        "fp32": {},
        "int8": int8,
        "fp32 with depth": {"depth": True},
        "int8 with depth": {"depth": True, **int8},
    }
    files = {}
    for name, options in variants.items():
        out = folder / f"{name.replace(' ', '_')}.onnx"
        with contextlib.redirect_stdout(io.StringIO()) as told:
            files[name] = export_model(ExportModelConfig(checkpoint=str(checkpoint), out=str(out), **options))
        sys.stderr.write(told.getvalue())
    return files


def rows_of(checkpoint: Path, files: dict[str, Path]) -> Rows:
    """What is timed, by name."""
    graph = graph_of(load_network(checkpoint), depth=False)
    side = graph.net.config.image_size
    rows: Rows = {}
    for batch, crops in ((1, "one crop"), (2, "both")):
        rgb, depth = torch.rand(batch, 3, side, side), torch.rand(batch, 1, side, side)
        rows[f"torch fp32, {crops}"] = lambda rgb=rgb: run_graph(graph, rgb)
        for name, file in files.items():
            network = OnnxNetwork(file, threads=1)
            given = [rgb.numpy(), depth.numpy()][: len(network.inputs)]
            rows[f"onnxruntime {name}, {crops}"] = lambda network=network, given=given: network(*given)
    return rows


def timed(run: Callable[[], object]) -> list[float]:
    """Milliseconds of each run after some that don't count."""
    taken = []
    for _ in range(WARM_UP + RUNS):
        start = time.perf_counter()
        run()
        taken.append(1000 * (time.perf_counter() - start))
    return taken[WARM_UP:]


def mediapipe_times() -> dict[str, list[float]]:
    """Milliseconds of each run of MediaPipe's landmark models; empty where they cannot be run."""
    python = os.environ.get(VARIABLE)
    if not python:
        return {}
    told = subprocess.run([python, str(WORKER), "time"], capture_output=True, text=True)
    if told.returncode:
        sys.stderr.write(f"{VARIABLE}={python}: {told.stderr.strip().splitlines()[-1]}\n")
        return {}
    return json.loads(told.stdout)


def main(checkpoint: str = RELEASED, data: str = "") -> None:
    """Export, time all rows in rounds, and print the table."""
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        if not data:
            data = str(folder / "data")
            generate(GenerateConfig(out=data, num_samples=128, image_size=128, workers=1))
        model = pose_file(checkpoint)
        files = exported(model, Path(data), folder)
        rows, taken = rows_of(model, files), defaultdict(list)
        for _ in range(ROUNDS):
            for name, run in rows.items():
                taken[name] += timed(run)
            for name, times in mediapipe_times().items():
                taken[name] += times
        sizes = ", ".join(f"{name} {file.stat().st_size / 1e6:.1f} MB" for name, file in files.items())
    table = Table("one thread", "median ms", "least ms", title=sizes)
    for name, times in taken.items():
        table.add_row(name, f"{np.median(times):.2f}", f"{min(times):.2f}")
    Console(width=120).print(table)
    if not any(name.startswith("MediaPipe") for name in taken):
        print(NOT_INSTALLED)


if __name__ == "__main__":
    main(*sys.argv[1:])
