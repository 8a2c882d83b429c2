"""Whether an exported file computes what the network computes: on noise and on fresh renders, at two batch sizes."""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from dualmod.data.augment import plain_crops
from dualmod.data.batch import HandBatch
from dualmod.data.online_rendering import StreamedHands, render_config
from dualmod.deploy.graphs import RgbdGraph, RgbGraph, run_graph
from dualmod.deploy.onnx_file import OnnxNetwork
from dualmod.network.model import NetworkConfig

MAX_FP32_ERROR = 1e-4
"""Largest absolute difference of any output: joints in crop sides, depths in reference bones."""
MAX_INT8_ERROR_BOX = 0.01
"""Mean distance of the joints of an 8-bit network from those of the network itself, in sides of the hand's box."""
CHECK_SEED = 987_654_321
RENDER_SIZE_PX = 128


@dataclass(frozen=True)
class Distances:
    """How far an 8-bit network is from the one that it was made from, on held-out renders.

    Attributes:
        mean_box: Mean distance of a joint in longer sides of the hand's box.
        worst_box: The distance that 95 % of the joints stay under.
        depth_bones: Mean difference of a joint's depth in reference bones.
    """

    mean_box: float
    worst_box: float
    depth_bones: float


def check_renders(count: int, network: NetworkConfig) -> HandBatch:
    """Crops, as the network gets them at test, of renders that no training and no calibration has seen."""
    render = render_config({"image_size": RENDER_SIZE_PX, "seed": CHECK_SEED})
    hands = StreamedHands(render, num_samples=count, holdout=1.0)
    return plain_crops(hands.rows(hands.held_out[:count].tolist()), network.image_size, network.crop_margin)


def inputs_of(graph: RgbGraph | RgbdGraph, batch: HandBatch) -> tuple[Tensor, ...]:
    """A batch of hands as the inputs of a graph."""
    return tuple(getattr(batch, name) for name in graph.INPUTS)


def noise_like(inputs: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    """Uniform noise of the same shapes: what no photograph shows, but a runtime must compute all the same."""
    generator = torch.Generator().manual_seed(CHECK_SEED)
    return tuple(torch.rand(values.shape, generator=generator) for values in inputs)


def largest_errors(graph: RgbGraph | RgbdGraph, exported: OnnxNetwork, inputs: tuple[Tensor, ...]) -> dict[str, float]:
    """Largest absolute difference of each output between torch and onnxruntime, over the batch and over its first row
    alone."""
    errors: dict[str, float] = {}
    for rows in (slice(None), slice(1)):
        part = tuple(values[rows].contiguous() for values in inputs)
        ours, theirs = run_graph(graph, *part), exported(*(values.numpy() for values in part))
        for name, values in ours.items():
            errors[name] = max(errors.get(name, 0.0), _largest(values.numpy(), theirs[name]))
    return errors


def distances(graph: RgbGraph | RgbdGraph, exported: OnnxNetwork, batch: HandBatch) -> Distances:
    """How far the joints of an exported network are from the network's own, relative to the labelled hand."""
    inputs = inputs_of(graph, batch)
    ours, theirs = run_graph(graph, *inputs), exported(*(values.numpy() for values in inputs))
    box = (batch.joints_uv.amax(1) - batch.joints_uv.amin(1)).amax(1).numpy()
    apart_box = np.linalg.norm(ours["joints_uv"].numpy() - theirs["joints_uv"], axis=-1) / box[:, None]
    in_depth = np.abs(ours["joints_depth"].numpy() - theirs["joints_depth"])
    return Distances(float(apart_box.mean()), float(np.percentile(apart_box, 95)), float(in_depth.mean()))


def _largest(ours: Float[np.ndarray, "*shape"], theirs: Float[np.ndarray, "*shape"]) -> float:
    """NaN and other shapes are as wrong as can be."""
    if ours.shape != theirs.shape or not np.isfinite(theirs).all():
        return float("inf")
    return float(np.abs(ours - theirs).max())
