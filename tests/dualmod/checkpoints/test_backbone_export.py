"""Encoders of checkpoints in plain timm and torchvision: the same features; what doesn't fit is refused by name."""

import re
from pathlib import Path

import pytest
import timm
import torch
import torchvision
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from dualmod.checkpoints.backbone_export import load_backbone, save_backbone
from dualmod.checkpoints.checkpoint import save_network
from dualmod.network.backbone import backbone_stages
from dualmod.network.encoder import EncoderConfig
from dualmod.network.model import DualModalityNet, NetworkConfig

DOCUMENT = Path(__file__).parents[3] / "docs" / "backbone.md"


def checkpoint(
    path: Path, rgb: str = "resnet18", depth: str = "mobilenetv3_small_050", stages: int = 5
) -> tuple[Path, DualModalityNet]:
    """A network whose statistics are not those of a new one."""
    torch.manual_seed(0)
    encoders = {name: EncoderConfig(backbone=b, stages=stages) for name, b in (("rgb", rgb), ("depth", depth))}
    net = DualModalityNet(NetworkConfig(image_size=64, **encoders, decoder_width=16, embedding_dims=8))
    for name, buffer in net.named_buffers():
        if name.endswith("running_mean"):
            buffer.normal_()
    save_network(path, net, {"hand_model": "open"})
    return path, net.eval()


@pytest.mark.parametrize(("modality", "channels"), [("rgb", 3), ("depth", 1)])
@pytest.mark.parametrize(
    ("backbone", "stages"), [("resnet18", 5), ("densenet121", 5), ("mobilenetv3_small_050", 4), ("resnet18", 4)]
)
def test_a_timm_model_has_the_features_of_the_encoder(backbone, stages, modality, channels, tmp_path):
    path, net = checkpoint(tmp_path / "m.safetensors", backbone, backbone, stages)
    image = torch.randn(1, channels, 64, 64)
    encoder = net.rgb_encoder if modality == "rgb" else net.depth_encoder
    with torch.no_grad():
        for found, wanted in zip(load_backbone(path, modality)(image), encoder(image), strict=True):
            torch.testing.assert_close(found, wanted, atol=1e-4, rtol=1e-3)


def test_the_example_of_the_documents_loads_into_plain_timm(tmp_path, monkeypatch):
    (tmp_path / "runs" / "dual").mkdir(parents=True)
    _, net = checkpoint(tmp_path / "runs" / "dual" / "model.safetensors", "tf_efficientnet_lite0")
    monkeypatch.chdir(tmp_path)
    example = re.findall(r"^```python\n(.*?)^```", DOCUMENT.read_text(), re.S | re.M)[0]
    assert len([line for line in example.splitlines() if line]) <= 10
    names: dict = {}
    exec(example, names)
    image = torch.randn(1, 3, 64, 64)
    with torch.no_grad():
        found, wanted = names["model"].eval()(image), net.rgb_encoder(image)
    for one, other in zip(found, wanted, strict=True):
        torch.testing.assert_close(one, other, atol=1e-4, rtol=1e-3)


def test_torchvision_loads_a_file_in_its_names(tmp_path):
    path, net = checkpoint(tmp_path / "m.safetensors")
    file = save_backbone(path, tmp_path / "b.safetensors", names="torchvision")
    model = torchvision.models.resnet18(weights=None).eval()
    left = model.load_state_dict(load_file(file), strict=False)
    assert left.missing_keys == ["fc.weight", "fc.bias"] and not left.unexpected_keys
    image = torch.randn(1, 3, 64, 64)
    with torch.no_grad():
        features = torch.nn.Sequential(*list(model.children())[:-2])(image)
        torch.testing.assert_close(features, net.rgb_encoder(image)[-1], atol=1e-4, rtol=1e-3)


def test_a_file_says_what_it_is_and_starts_another_training(tmp_path):
    path, net = checkpoint(tmp_path / "m.safetensors")
    file = save_backbone(path, tmp_path / "b.safetensors")
    with safe_open(file, "pt") as opened:
        metadata = opened.metadata()
    assert metadata["backbone"] == "resnet18" and metadata["in_chans"] == "3" and "open" in metadata["notes"]
    stages, _ = backbone_stages("resnet18", 3, str(file))
    assert torch.equal(stages[0][0].weight, net.rgb_encoder.stages[0][0].weight)


def test_what_does_not_fit_is_refused_in_one_line(tmp_path):
    path, _ = checkpoint(tmp_path / "m.safetensors", "mobilenetv3_small_050")
    with pytest.raises(ValueError, match=r"torchvision has no mobilenetv3_small_050; .*resnet50"):
        save_backbone(path, tmp_path / "b.safetensors", names="torchvision")
    with pytest.raises(ValueError, match="names=keras is unknown; legal: timm, torchvision"):
        save_backbone(path, tmp_path / "b.safetensors", names="keras")
    with pytest.raises(ValueError, match="modality=sound is unknown; legal: rgb, depth"):
        load_backbone(path, "sound")
    with safe_open(path, "pt") as opened:
        metadata = opened.metadata()
    tensors = load_file(path)
    tensors.pop("rgb_encoder.stages.0.0.weight")
    save_file(tensors, tmp_path / "cut.safetensors", metadata=metadata)
    with pytest.raises(ValueError, match=r"does not fit mobilenetv3_small_050: rgb_encoder.stages.0.0.weight"):
        load_backbone(tmp_path / "cut.safetensors")


def test_weights_of_a_deeper_network_do_not_pass(tmp_path):
    save_file(timm.create_model("resnet34").state_dict(), tmp_path / "deep.safetensors")
    with pytest.raises(ValueError, match=r"hold layer1.2.bn1.bias, which resnet18 has not"):
        backbone_stages("resnet18", 3, str(tmp_path / "deep.safetensors"))
