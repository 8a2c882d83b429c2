"""``handbridge export-model``: a checkpoint as one ONNX file for other people's runtimes, checked before it is there.

A file appears only when onnxruntime, in this process, gives what torch gives: within 1e-4 in 32 bits, and in 8 bits
with joints that are on average within 1 % of the hand's box of those in 32, on renders that nothing was fitted to.
"""

import shutil
import sys
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from dualmod.checkpoints.checkpoint import load_network, read_notes
from dualmod.checkpoints.released import pose_file
from dualmod.data.batch import CLOSENESS_RANGE
from dualmod.deploy.checks import (
    MAX_FP32_ERROR,
    MAX_INT8_ERROR_BOX,
    check_renders,
    distances,
    inputs_of,
    largest_errors,
    noise_like,
)
from dualmod.deploy.graphs import RgbdGraph, RgbGraph, graph_of
from dualmod.deploy.int8 import calibration_inputs, quantise
from dualmod.deploy.onnx_file import OnnxNetwork, annotate, require_packages, write_onnx
from dualmod.network.train_eval_mode import note_untrained_depth
from synth.common.config import check, option, required, stage_main
from synth.common.conventions import JOINT_NAMES, REFERENCE_BONE, ROOT_JOINT
from synth.common.files import require_writable, written_atomically
from synth.common.version import installed_version
from synth.dataset.shards import file_sha256

FORMATS = ("onnx",)
PRECISIONS = ("fp32", "int8")
OPSETS = range(18, 24)
CHECKED_FP32, CHECKED_INT8 = 4, 64
"""Renders that a file is checked on."""


@dataclass
class ExportModelConfig:
    """Write a checkpoint as an ONNX file that needs neither torch nor this project."""

    checkpoint: str = required("model.safetensors of pretrain or adapt; released: the one that comes along")
    out: str = required("the .onnx file to write")
    format: str = option("onnx", "onnx")
    depth: bool = option(False, "a graph that takes depth beside colour, and gives the fused outputs")
    precision: str = option("fp32", "fp32, or int8: encoders with 8-bit weights and activations")
    calibration: str = option("", "for int8: folder of a dataset of generate, or of photographs with one hand in each")
    calibration_images: int = option(128, "images of that folder at most, evenly spaced")
    opset: int = option(20, f"version of ONNX's operators, {OPSETS[0]} to {OPSETS[-1]}")
    overwrite: bool = option(False, "replace out where it exists")

    def __post_init__(self) -> None:
        check(self.format in FORMATS, "format", self.format, " or ".join(FORMATS))
        check(self.precision in PRECISIONS, "precision", self.precision, " or ".join(PRECISIONS))
        check(self.opset in OPSETS, "opset", self.opset, f"{OPSETS[0]} to {OPSETS[-1]}")
        check(self.calibration_images > 0, "calibration_images", self.calibration_images, "positive")
        check(Path(self.out).suffix == ".onnx", "out", self.out, "a file whose name ends in .onnx")
        if self.precision == "int8" and not self.calibration:
            raise ValueError(
                "precision=int8 needs calibration=FOLDER, a dataset of generate or a folder of photographs"
            )
        if self.precision != "int8" and self.calibration:
            raise ValueError(f"calibration={self.calibration} counts with precision=int8 only; leave it out")


def export_model(config: ExportModelConfig) -> Path:
    """Write the file and return its path; it appears only when it has passed its checks.

    Raises:
        MissingPartError: when a package of the extra ``export`` is missing.
        FileNotFoundError: when the checkpoint or the calibration folder is missing.
        ValueError: when the checkpoint is damaged, ``out`` exists, the calibration images cannot be used, or the
            exported network does not give what the checkpoint's gives.
    """
    out = Path(config.out).expanduser()
    if out.exists() and not config.overwrite:
        raise ValueError(f"out={out} already exists; choose another name, or add overwrite=true")
    require_packages(f"format={config.format}")
    checkpoint = pose_file(config.checkpoint)
    graph = graph_of(load_network(checkpoint), depth=config.depth)
    if config.depth:
        note_untrained_depth(graph.net, config.checkpoint)
    calibration = None
    if config.precision == "int8":
        calibration = calibration_inputs(graph, config.calibration, config.calibration_images)
    with tempfile.TemporaryDirectory() as folder:
        made = Path(folder) / "fp32.onnx"
        write_onnx(graph, made, opset=config.opset)
        measured = _checked_fp32(graph, made)
        if calibration is not None:
            quantised = Path(folder) / "int8.onnx"
            quantise(made, quantised, dict(zip(graph.INPUTS, calibration, strict=True)))
            made, measured = quantised, _checked_int8(graph, quantised)
            measured["calibration_images"] = len(next(iter(calibration)))
        annotate(made, {**_notes(config, graph, checkpoint), **measured})
        require_writable(out.parent, need_bytes=made.stat().st_size)
        with written_atomically(out) as partial:
            shutil.copyfile(made, partial)
    shown = ", ".join(f"{name} {value:.3g}" for name, value in measured.items())
    sys.stdout.write(f"{out}: {out.stat().st_size / 1e6:.1f} MB, {config.precision}, {shown}\n")
    return out


def _checked_fp32(graph: RgbGraph | RgbdGraph, file: Path) -> dict[str, Any]:
    """Largest errors by output.

    Raises:
        ValueError: when one is 1e-4 or more.
    """
    exported = OnnxNetwork(file)
    renders = inputs_of(graph, check_renders(CHECKED_FP32, graph.net.config))
    errors = [largest_errors(graph, exported, inputs) for inputs in (renders, noise_like(renders))]
    worst = {name: max(found[name] for found in errors) for name in errors[0]}
    for name, error in worst.items():
        if not error < MAX_FP32_ERROR:
            raise ValueError(
                f"{name} of the ONNX file is {error:.2g} from torch's, {MAX_FP32_ERROR:g} is allowed; nothing was "
                "written: try another opset"
            )
    return {"max_error": max(worst.values())}


def _checked_int8(graph: RgbGraph | RgbdGraph, file: Path) -> dict[str, Any]:
    """Distances from the network in 32 bits.

    Raises:
        ValueError: when joints are 1 % of the hand's box or more from it on average.
    """
    found = distances(graph, OnnxNetwork(file), check_renders(CHECKED_INT8, graph.net.config))
    if not found.mean_box < MAX_INT8_ERROR_BOX:
        raise ValueError(
            f"joints in 8 bits are {found.mean_box:.2%} of the hand's box from those in 32 on {CHECKED_INT8} held-out "
            f"renders, less than {MAX_INT8_ERROR_BOX:.0%} is allowed; nothing was written: calibrate with other images "
            "or more of them (calibration_images), or export with precision=fp32"
        )
    return {f"int8_{name}": value for name, value in asdict(found).items()}


def _notes(config: ExportModelConfig, graph: RgbGraph | RgbdGraph, checkpoint: Path) -> dict[str, Any]:
    """What a user of the file has to know, and where it comes from."""
    notes = read_notes(checkpoint)
    return {
        "joint_order": list(JOINT_NAMES),
        "root_joint": JOINT_NAMES[ROOT_JOINT],
        "reference_bone": [JOINT_NAMES[end] for end in REFERENCE_BONE],
        "image_size": graph.net.config.image_size,
        "crop_margin": graph.net.config.crop_margin,
        "sides": graph.net.config.sides,
        "closeness_range": CLOSENESS_RANGE,
        "inputs": list(graph.INPUTS),
        "precision": config.precision,
        "hand_model": str(notes.get("hand_model", "not noted")),
        "licence_notes": notes.get("licence_notes", []),
        "checkpoint_sha256": file_sha256(checkpoint),
        "handbridge_version": installed_version(),
        "torch_version": str(torch.__version__),
    }


main = stage_main("export-model", ExportModelConfig, export_model)

if __name__ == "__main__":
    raise SystemExit(main())
