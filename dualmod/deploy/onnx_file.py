"""ONNX files: written from a graph, run by onnxruntime, and the notes that travel in them.

torch's exporter that traces with ``torch.export`` is used: the older one is deprecated and leaves the backbone's
padding to be computed at each run, 716 nodes instead of 142 and twice the time for a crop.
"""

import contextlib
import json
import logging
import os
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch

from dualmod.deploy.graphs import OUTPUTS, RgbdGraph, RgbGraph
from synth.common.optional import import_optional, install_extra

EXTRA = "export"
TRACED_BATCH = 2
"""Not 1, which the tracer would take for a constant."""


def require_packages(wanted_by: str) -> None:
    """Import what writing and running ONNX takes, so that a missing package is told before any work.

    Raises:
        MissingPartError: naming the package and the extra that brings it.
    """
    for module in ("onnx", "onnxruntime", "onnxscript"):
        optional(module, wanted_by)


def optional(module: str, wanted_by: str = "ONNX") -> Any:
    """A module of the extra ``export``.

    Raises:
        MissingPartError: when it is not installed.
    """
    return import_optional(module, wanted_by=wanted_by, mend=install_extra(EXTRA))


def write_onnx(graph: RgbGraph | RgbdGraph, path: Path, *, opset: int) -> None:
    """Write the graph with a dynamic batch; inputs and outputs carry their names."""
    side = graph.net.config.image_size
    channels = {"rgb": 3, "depth": 1}
    inputs = tuple(torch.rand(TRACED_BATCH, channels[name], side, side) for name in graph.INPUTS)
    batch = torch.export.Dim("batch")
    with _quiet():
        torch.onnx.export(
            graph,
            inputs,
            path,
            input_names=list(graph.INPUTS),
            output_names=list(OUTPUTS),
            dynamic_shapes={name: {0: batch} for name in graph.INPUTS},
            opset_version=opset,
            dynamo=True,
            external_data=False,
            verbose=False,
        )


def annotate(path: Path, notes: dict[str, Any]) -> None:
    """Add the notes to the file's metadata: texts as they are, everything else as JSON."""
    onnx = optional("onnx")
    model = onnx.load(path)
    kept = {entry.key: entry.value for entry in model.metadata_props}
    texts = {key: value if isinstance(value, str) else json.dumps(value) for key, value in notes.items()}
    onnx.helper.set_model_props(model, {**kept, **texts})
    onnx.save(model, path)


class OnnxNetwork:
    """An ONNX file of ours, run by onnxruntime on the CPU.

    Attributes:
        metadata: The file's notes.
        inputs: Names of its inputs, in order.
    """

    def __init__(self, path: str | Path, threads: int = 1):
        runtime = optional("onnxruntime")
        options = runtime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = threads
        options.log_severity_level = 3  # errors; hints on quantised models are no concern of the user
        self._session = runtime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        self.metadata: dict[str, str] = self._session.get_modelmeta().custom_metadata_map
        self.inputs: list[str] = [entry.name for entry in self._session.get_inputs()]

    def __call__(self, *inputs: np.ndarray) -> dict[str, np.ndarray]:
        """The outputs by name."""
        found = self._session.run(list(OUTPUTS), dict(zip(self.inputs, inputs, strict=True)))
        return dict(zip(OUTPUTS, found, strict=True))


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """The exporter tells of its steps, of deprecated parts of its own and of opsets; failures are exceptions."""
    loggers = [logging.getLogger(name) for name in ("torch.onnx", "torch.export", "onnxscript", "onnx_ir")]
    levels = [logger.level for logger in loggers]
    with (
        warnings.catch_warnings(),
        Path(os.devnull).open("w") as nowhere,
        contextlib.redirect_stdout(nowhere),
    ):
        warnings.simplefilter("ignore")
        for logger in loggers:
            logger.setLevel(logging.ERROR)
        try:
            yield
        finally:
            for logger, level in zip(loggers, levels, strict=True):
                logger.setLevel(level)
