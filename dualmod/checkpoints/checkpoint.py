"""Trained networks on disk: safetensors whose metadata hold the network's config, so that one file is enough."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save
from torch import Tensor, nn

from dualmod.network.model import DualModalityNet, network_dict, network_from_dict
from synth.common.files import require_file, written_atomically

FORMAT, DETECTOR_FORMAT = "handbridge-network-1", "handbridge-detector-1"
FORMER_FORMATS = {"handbridge-localizer-1": DETECTOR_FORMAT}
"""Names that files of older releases carry, and what they are called now."""
KINDS = {
    FORMAT: "a pose network, which pretrain and adapt make",
    DETECTOR_FORMAT: "a detector, which pretrain-detector and adapt-detector make",
}
"""Kinds of network by the format that their files name."""
CONVOLUTION_NDIM = 4
Net = TypeVar("Net", bound=nn.Module)


def save_network(path: str | Path, net: DualModalityNet, notes: dict[str, Any], *, halved: bool = False) -> None:
    """Write weights, network config and ``notes`` (hand model, licences, stage, seed, ...) to one file.

    Args:
        path: The file.
        net: The network.
        notes: What to say of it.
        halved: Whether convolutions are stored in 16 bits (``in_16_bits``); loading makes 32 of them again.
    """
    tensors = net.state_dict()
    if halved:
        tensors = {name: in_16_bits(tensor) for name, tensor in tensors.items()}
    write_weights(path, FORMAT, tensors, network_dict(net.config), notes)


def load_network(path: str | Path, key: str = "checkpoint") -> DualModalityNet:
    """The network of a checkpoint, in evaluation mode, on the CPU; loading is strict.

    Raises:
        FileNotFoundError: when there is no such file.
        ValueError: when the file is no checkpoint of ours, is damaged, or its weights don't fit.
    """
    return read_weights(path, key, FORMAT, network_from_dict)


def write_weights(
    path: str | Path, kind: str, tensors: Mapping[str, Tensor], config: dict[str, Any], notes: dict[str, Any]
) -> None:
    """Write one of ``KINDS``: its weights, and as metadata what they are, their network's config and ``notes``."""
    metadata = {"format": kind, "network": json.dumps(config), "notes": json.dumps(notes, default=str)}
    plain = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    with written_atomically(path) as partial:
        partial.write_bytes(save(plain, metadata))  # save_file would let nobody else read it


def read_weights(path: str | Path, key: str, kind: str, build: Callable[[dict[str, Any]], Net]) -> Net:
    """The network of a file of one of ``KINDS``, as ``load_network``; ``build`` makes it of its config."""
    path = require_file(path, key)
    net = build(json.loads(read_metadata(path, key, kind)["network"]))
    try:
        net.load_state_dict(load_file(path))
    except (RuntimeError, SafetensorError) as error:
        raise ValueError(f"{key}={path} does not fit its own network: {str(error).splitlines()[0]}") from error
    return net.eval()


def read_metadata(path: str | Path, key: str = "checkpoint", wanted: str = FORMAT) -> dict[str, str]:
    """The metadata of a checkpoint whose format is ``wanted``.

    Raises:
        ValueError: when the file is damaged, not one of ours, or holds another kind of network.
    """
    try:
        with safe_open(path, framework="pt") as opened:
            metadata = opened.metadata() or {}
    except (SafetensorError, OSError) as error:
        raise ValueError(f"{key}={path} is no readable safetensors file ({error}); train it again") from error
    found = metadata.get("format", "none")
    found = FORMER_FORMATS.get(found, found)
    if found in KINDS and found != wanted:
        raise ValueError(f"{key}={path} is {KINDS[found]}; give {KINDS[wanted]}")
    if found != wanted:
        raise ValueError(f"{key}={path} is no checkpoint of handbridge (format {found})")
    return metadata


def read_notes(path: str | Path, key: str = "checkpoint", wanted: str = FORMAT) -> dict[str, Any]:
    """What the stage that wrote the file noted beside the weights.

    Raises:
        ValueError: as ``read_metadata``.
    """
    return json.loads(read_metadata(path, key, wanted)["notes"])


def in_16_bits(tensor: Tensor) -> Tensor:
    """The weights of a convolution in 16 bits; others, statistics of normalisations among them, stay exact."""
    return tensor.half() if tensor.ndim == CONVOLUTION_NDIM else tensor


def choose_device(name: str) -> torch.device:
    """``auto`` as CUDA where there is one, else the CPU.

    Raises:
        ValueError: for another name than auto, cpu or cuda, or cuda where there is none.
    """
    if name not in ("auto", "cpu", "cuda"):
        raise ValueError(f"device={name} is unknown; legal: auto, cpu, cuda")
    if name == "cuda" and not torch.cuda.is_available():
        raise ValueError("device=cuda: there is no CUDA device here; use device=cpu")
    return torch.device("cuda" if name != "cpu" and torch.cuda.is_available() else "cpu")
