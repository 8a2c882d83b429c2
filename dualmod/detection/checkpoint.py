"""Detectors on disk: safetensors with the network's config in the metadata; convolutions in 16 bits."""

from pathlib import Path
from typing import Any

import torch

from dualmod.checkpoints.checkpoint import DETECTOR_FORMAT, in_16_bits, read_notes, read_weights, write_weights
from dualmod.detection.network import DetectorNet, detector_dict, detector_from_dict


def save_detector(path: str | Path, net: DetectorNet, notes: dict[str, Any]) -> None:
    """As ``save_network``; convolutions are stored in 16 bits."""
    tensors = {name: in_16_bits(tensor) for name, tensor in net.state_dict().items()}
    write_weights(path, DETECTOR_FORMAT, tensors, detector_dict(net.config), notes)


def load_detector(path: str | Path, key: str = "detector") -> DetectorNet:
    """The network of a file, in evaluation mode, on the CPU; loading is strict.

    Raises:
        FileNotFoundError: when there is no such file.
        ValueError: when it holds no detector, is damaged, or its weights don't fit.
    """
    return read_weights(path, key, DETECTOR_FORMAT, detector_from_dict)


def detector_notes(path: str | Path, key: str = "detector") -> dict[str, Any]:
    """What the stage that wrote the file noted beside the weights.

    Raises:
        ValueError: when the file is damaged or holds no detector.
    """
    return read_notes(path, key, DETECTOR_FORMAT)


@torch.no_grad()
def round_as_stored(net: DetectorNet) -> DetectorNet:
    """The network with its weights rounded as ``save_detector`` will, so that what is measured is what is saved."""
    for tensor in net.state_dict().values():
        tensor.copy_(in_16_bits(tensor))
    return net
