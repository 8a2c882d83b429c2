"""Localizers on disk: safetensors with the network's config in the metadata; convolutions in 16 bits."""

import json
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from dualmod.checkpoint import LOCALIZER_FORMAT, read_metadata
from dualmod.localizer.network import LocalizerNet, localizer_dict, localizer_from_dict
from synth.files import require_file, written_atomically

STORED_NDIM = 4
"""Tensors of so many dimensions, the weights of convolutions, are stored in 16 bits; statistics stay exact."""


def save_localizer(path: str | Path, net: LocalizerNet, notes: dict[str, Any]) -> None:
    """Write weights, network config and ``notes`` (hand model, licences, stage, seed, ...) to one file."""
    tensors = {name: _stored(tensor) for name, tensor in net.state_dict().items()}
    metadata = {
        "format": LOCALIZER_FORMAT,
        "network": json.dumps(localizer_dict(net.config)),
        "notes": json.dumps(notes, default=str),
    }
    with written_atomically(path) as partial:
        save_file(tensors, partial, metadata=metadata)


def load_localizer(path: str | Path, key: str = "localizer") -> LocalizerNet:
    """The network of a file, in evaluation mode, on the CPU; loading is strict.

    Raises:
        FileNotFoundError: when there is no such file.
        ValueError: when it holds no localizer, is damaged, or its weights don't fit.
    """
    path = require_file(path, key)
    net = localizer_from_dict(json.loads(read_metadata(path, key, LOCALIZER_FORMAT)["network"]))
    try:
        net.load_state_dict(load_file(path))
    except (RuntimeError, SafetensorError) as error:
        raise ValueError(f"{key}={path} does not fit its own network: {str(error).splitlines()[0]}") from error
    return net.eval()


def localizer_notes(path: str | Path, key: str = "localizer") -> dict[str, Any]:
    """What the stage that wrote the file noted beside the weights.

    Raises:
        ValueError: when the file is damaged or holds no localizer.
    """
    return json.loads(read_metadata(path, key, LOCALIZER_FORMAT)["notes"])


@torch.no_grad()
def round_as_stored(net: LocalizerNet) -> LocalizerNet:
    """The network with its weights rounded as ``save_localizer`` will, so that what is measured is what is saved."""
    for tensor in net.state_dict().values():
        tensor.copy_(_stored(tensor))
    return net


def _stored(tensor: Tensor) -> Tensor:
    tensor = tensor.detach().cpu().contiguous()
    return tensor.half() if tensor.ndim == STORED_NDIM else tensor
