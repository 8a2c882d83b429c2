"""A pre-trained encoder for other projects: as a plain timm model, or as a file in timm's or torchvision's names."""

import json
from pathlib import Path
from typing import Any

import timm
import torch
import torchvision
from safetensors.torch import load_file, save
from torch import Tensor, nn

from dualmod.checkpoints.checkpoint import read_metadata
from dualmod.network.backbone import REDUCTIONS, timm_names
from dualmod.network.model import IMAGE_MEAN, IMAGE_STD
from synth.common.files import require_file, written_atomically

CHANNELS = {"rgb": 3, "depth": 1}
NAMES = ("timm", "torchvision")


def load_backbone(path: str | Path, modality: str = "rgb") -> nn.Module:
    """The encoder of a checkpoint as a plain timm model with its feature maps, in evaluation mode, on the CPU.

    It is ``timm.create_model(name, features_only=True)`` with the weights loaded strictly and without the stages that
    the encoder has not, and needs nothing of ours afterwards. RGB takes [batch, 3, height, width] normalised with
    ImageNet's mean and standard deviation; depth takes [batch, 1, height, width], twice the closeness
    (``dualmod.data.batch``) less 0.5.

    Raises:
        FileNotFoundError: when there is no such file.
        ValueError: when it is no checkpoint of ours, is damaged, or its weights don't fit its backbone.
    """
    name, stages, state = _trunk(path, modality)
    model = timm.create_model(
        name, pretrained=False, in_chans=CHANNELS[modality], features_only=True, out_indices=tuple(range(stages))
    )
    _drop_stages(model, name, stages)
    # timm joins the names of nested modules by _ where it flattens a model
    flat = {key.replace(".", "_"): key for key in model.state_dict()}
    try:
        model.load_state_dict({flat.get(key.replace(".", "_"), key): tensor for key, tensor in state.items()})
    except RuntimeError as error:
        raise ValueError(f"checkpoint={path} does not fit {name} of timm: {_one_line(error)}") from error
    return model.eval()


def save_backbone(path: str | Path, out: str | Path, modality: str = "rgb", names: str = "timm") -> Path:
    """Write the encoder of a checkpoint alone, as safetensors that other code can load.

    Its metadata say which model it fits (``backbone``, ``in_chans``), how its input is normalised (``mean``, ``std``,
    RGB only), and hold the network's config and the notes of the training.

    Args:
        path: A checkpoint of ours.
        out: The file to write.
        modality: rgb or depth.
        names: timm, or torchvision where it has the same model (ResNets, ResNeXts, DenseNets).

    Raises:
        FileNotFoundError: when there is no such checkpoint.
        ValueError: as ``load_backbone``, or when torchvision has no model that the weights fit.
    """
    if names not in NAMES:
        raise ValueError(f"names={names} is unknown; legal: {', '.join(NAMES)}")
    name, _, state = _trunk(path, modality)
    if names == "torchvision":
        _require_torchvision(name, state)
    stored = read_metadata(path)
    metadata: dict[str, Any] = {"backbone": name, "names": names, "in_chans": str(CHANNELS[modality])}
    if modality == "rgb":
        metadata |= {"mean": json.dumps(IMAGE_MEAN), "std": json.dumps(IMAGE_STD)}
    with written_atomically(out) as partial:
        told = {**metadata, "network": stored["network"], "notes": stored["notes"]}
        partial.write_bytes(save(state, told))
    return Path(out)


def _trunk(path: str | Path, modality: str) -> tuple[str, int, dict[str, Tensor]]:
    """timm name of an encoder, the number of its stages, and its weights in timm's names."""
    if modality not in CHANNELS:
        raise ValueError(f"modality={modality} is unknown; legal: {', '.join(CHANNELS)}")
    path = require_file(path, "checkpoint")
    config = json.loads(read_metadata(path)["network"])[modality]
    name, stages = config["backbone"], config.get("stages", len(REDUCTIONS))
    prefix = f"{modality}_encoder.stages."
    held = {key.removeprefix(prefix): t for key, t in load_file(path).items() if key.startswith(prefix)}
    names = timm_names(name, stages)
    wrong = sorted(set(held) ^ set(names))
    if wrong:
        raise ValueError(f"checkpoint={path} does not fit {name}: {prefix}{wrong[0]} is missing or unknown")
    return name, stages, {full: held[key].contiguous() for key, full in names.items()}


def _drop_stages(model: nn.Module, name: str, stages: int) -> None:
    """Leave out the blocks beyond the first ``stages``, which timm's feature extractors of EfficientNets still run."""
    blocks = getattr(model, "blocks", None)
    if not isinstance(blocks, nn.Sequential):
        return
    kept = {full.split(".")[1] for full in timm_names(name, stages).values() if full.startswith("blocks.")}
    model.blocks = blocks[: len(kept)]


def _require_torchvision(name: str, state: dict[str, Tensor]) -> None:
    legal = "names=torchvision is there for models that torchvision has alike, such as resnet50; take names=timm"
    if name not in torchvision.models.list_models():
        raise ValueError(f"torchvision has no {name}; {legal}")
    with torch.device("meta"):
        wanted = torchvision.models.get_model(name, weights=None).state_dict()
    for key, tensor in state.items():
        if key not in wanted or wanted[key].shape != tensor.shape:
            raise ValueError(f"torchvision's {name} has no {key} of shape {tuple(tensor.shape)}; {legal}")


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:200]
