"""Static quantisation: the later stages of the RGB encoder and its neck in 8 bits, the rest in 32.

The read-out takes the mean of a heatmap, so that an error of one step anywhere in the map moves a joint; and what the
first two stages lose, every later one lacks. With those in 8 bits too, joints of the laptop's network move by 1.4 % of
the box instead of 0.4, and nothing is faster. The depth encoder, which is small, steers the other one everywhere: with
it in 8 bits they move by 1.9 %. Weights have a scale for each channel and use 7 of their 8 bits: processors without
VNNI add pairs of products in 16 bits, which 8-bit weights overflow.
"""

import logging
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from dualmod.data.augment import plain_crops, rgb_tensor
from dualmod.data.image_sets import open_target
from dualmod.data.synthetic import labelled_hand
from dualmod.deploy.checks import inputs_of
from dualmod.deploy.graphs import RgbdGraph, RgbGraph
from dualmod.deploy.onnx_file import optional
from dualmod.geometry.crop import box_crop_matrix, crop_image
from synth.common.files import require_folder
from synth.common.subsample import evenly_spaced
from synth.dataset import SampleStore
from synth.dataset.manifest import MANIFEST_FILE

QUANTISED_FROM = ("rgb_encoder.stages.2.", "rgb_encoder.stages.3.", "rgb_encoder.stages.4.")
FLOAT_FROM = ("decoder.",)
"""Parts of the names of weights. What is computed from the former is quantised, unless it is from the latter too."""
QUANTISED = ("Conv", "Add", "Clip", "Relu", "GlobalAveragePool")


def calibration_inputs(graph: RgbGraph | RgbdGraph, folder: str, count: int) -> tuple[Tensor, ...]:
    """``count`` evenly spaced inputs from a dataset of ``generate``, or from a folder of photographs taken whole.

    Raises:
        FileNotFoundError: when the folder is missing.
        ValueError: when it holds neither, or photographs are given where depth is needed.
    """
    path = require_folder(folder, "calibration")
    side = graph.net.config.image_size
    if (path / MANIFEST_FILE).exists():
        store = SampleStore(path)
        hands = [labelled_hand(store[row]) for row in evenly_spaced(len(store), count)]
        return inputs_of(graph, plain_crops(hands, side, graph.net.config.crop_margin))
    if "depth" in graph.INPUTS:
        raise ValueError(f"calibration={folder} has no depth, which depth=true needs; give a dataset of generate")
    try:
        photos = open_target(str(path))
    except ValueError as error:
        raise ValueError(f"calibration={folder} is no dataset and no folder of photographs ({error})") from error
    crops = []
    for row in evenly_spaced(len(photos), count):
        photo = photos[row]
        height, width = photo.shape[:2]
        whole = np.array([0.0, 0.0, width - 1.0, height - 1.0])
        crops.append(crop_image(photo, box_crop_matrix(whole, 1.0, side), side))
    return (rgb_tensor(crops),)


def quantise(graph_file: Path, out: Path, inputs: dict[str, Tensor]) -> None:
    """Write the 8-bit network of a 32-bit one.

    Args:
        graph_file: The network in 32 bits.
        out: File to write.
        inputs: Calibration inputs by name, one row for each image.
    """
    quantization = optional("onnxruntime.quantization")
    onnx = optional("onnx")
    prepared = out.with_suffix(".prepared.onnx")
    optional("onnxruntime.quantization.shape_inference").quant_pre_process(
        str(graph_file), str(prepared), skip_optimization=True
    )
    level = logging.getLogger().level
    logging.getLogger().setLevel(logging.ERROR)  # it warns that the file could be prepared, which it is
    try:
        quantization.quantize_static(
            str(prepared),
            str(out),
            _Reader(inputs),
            quant_format=quantization.QuantFormat.QDQ,
            op_types_to_quantize=list(QUANTISED),
            nodes_to_exclude=float_nodes(onnx.load(prepared)),
            per_channel=True,
            reduce_range=True,
            activation_type=quantization.QuantType.QUInt8,
            weight_type=quantization.QuantType.QInt8,
        )
    finally:
        logging.getLogger().setLevel(level)


def float_nodes(model: Any) -> list[str]:
    """Names of the nodes that stay in 32 bits: those before the quantised stages, and from the decoder on."""
    quantised = _computed_from(model, QUANTISED_FROM) - _computed_from(model, FLOAT_FROM)
    return [node.name for node in model.graph.node if node.name not in quantised]


def _computed_from(model: Any, weights: tuple[str, ...]) -> set[str]:
    """Names of the nodes that read such a weight, or anything that is computed from one."""
    reached = {entry.name for entry in model.graph.initializer if any(part in entry.name for part in weights)}
    names = set()
    for node in model.graph.node:  # in the order of computation, as ONNX demands
        if reached & set(node.input):
            reached |= set(node.output)
            names.add(node.name)
    return names


class _Reader:
    """The inputs one by one, as onnxruntime's calibration asks for them."""

    def __init__(self, inputs: dict[str, Tensor]):
        rows = zip(*inputs.values(), strict=True)
        self._rows = iter({k: v[None].numpy() for k, v in zip(inputs, row, strict=True)} for row in rows)

    def get_next(self) -> dict[str, np.ndarray] | None:
        """The next input, or None."""
        return next(self._rows, None)
