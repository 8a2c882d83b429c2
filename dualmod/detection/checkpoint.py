"""Localizers on disk: safetensors with the network's config in the metadata; convolutions in 16 bits."""

from pathlib import Path
from typing import Any

import torch

from dualmod.checkpoints.checkpoint import LOCALIZER_FORMAT, in_16_bits, read_notes, read_weights, write_weights
from dualmod.detection.network import LocalizerNet, localizer_dict, localizer_from_dict


def save_localizer(path: str | Path, net: LocalizerNet, notes: dict[str, Any]) -> None:
    """As ``save_network``; convolutions are stored in 16 bits."""
    tensors = {name: in_16_bits(tensor) for name, tensor in net.state_dict().items()}
    write_weights(path, LOCALIZER_FORMAT, tensors, localizer_dict(net.config), notes)


def load_localizer(path: str | Path, key: str = "localizer") -> LocalizerNet:
    """The network of a file, in evaluation mode, on the CPU; loading is strict.

    Raises:
        FileNotFoundError: when there is no such file.
        ValueError: when it holds no localizer, is damaged, or its weights don't fit.
    """
    return read_weights(path, key, LOCALIZER_FORMAT, localizer_from_dict)


def localizer_notes(path: str | Path, key: str = "localizer") -> dict[str, Any]:
    """What the stage that wrote the file noted beside the weights.

    Raises:
        ValueError: when the file is damaged or holds no localizer.
    """
    return read_notes(path, key, LOCALIZER_FORMAT)


@torch.no_grad()
def round_as_stored(net: LocalizerNet) -> LocalizerNet:
    """The network with its weights rounded as ``save_localizer`` will, so that what is measured is what is saved."""
    for tensor in net.state_dict().values():
        tensor.copy_(in_16_bits(tensor))
    return net
