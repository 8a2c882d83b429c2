"""Frozen stages: equal to float64, up to date with their weights, and torch's own wherever they must be."""

import copy

import pytest
import torch
from timm.layers.norm_act import BatchNormAct2d
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from dualmod.detection.network import DetectorNet, DetectorNetConfig
from dualmod.network.backbone import backbone_stages
from dualmod.network.cpu import frozen_stage
from dualmod.network.cpu.batch_norm import use_fast_norm
from dualmod.network.cpu.frozen_stage import FrozenStage, freeze_stage
from dualmod.network.cpu.same_padding import same_padding, symmetric_kernel
from dualmod.network.encoder import Encoder, EncoderConfig

BACKBONES = {"tf_efficientnet_lite0": 9, "mobilenetv3_small_100": 3, "mobilenetv2_050": 9, "resnet18": 1}
"""Backbones, and the convolutions of their first two stages that are folded."""


pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture
def folded(monkeypatch) -> list[nn.Module]:
    """The convolutions that were computed together with their normalisation."""
    seen: list[nn.Module] = []
    own = frozen_stage._convolved

    def convolved(layer: nn.Module, norm: nn.Module, x: Tensor) -> Tensor:
        seen.append(layer)
        return own(layer, norm, x)

    monkeypatch.setattr(frozen_stage, "_convolved", convolved)
    return seen


def image(*shape: int) -> Tensor:
    return torch.randn(*shape).contiguous(memory_format=torch.channels_last)


def randomised(net: nn.Module) -> nn.Module:
    """Statistics and weights of a trained network: not those of a new one, which normalisation hardly changes."""
    for layer in net.modules():
        if isinstance(layer, nn.BatchNorm2d):
            nn.init.uniform_(layer.weight, -1.5, 1.5)
            nn.init.uniform_(layer.bias, -1, 3)
            nn.init.uniform_(layer.running_mean, -1, 1)
            nn.init.uniform_(layer.running_var, 0.5, 2)
    return net.to(memory_format=torch.channels_last)  # type: ignore[call-overload]


def frozen(name: str, in_channels: int = 3) -> nn.Sequential:
    """The first two stages of a backbone, one after the other."""
    stages, _ = backbone_stages(name, in_channels)
    stage = randomised(nn.Sequential(*stages[0], *stages[1])).eval()
    use_fast_norm(stage)
    freeze_stage(stage)
    assert isinstance(stage, FrozenStage)
    return stage


def assert_same(mine: Tensor, exact: Tensor) -> None:
    scale = max(1.0, float(exact.detach().abs().max()))
    torch.testing.assert_close(mine.double(), exact.double(), atol=2e-6 * scale, rtol=0)


@pytest.mark.parametrize("size", [(64, 64), (33, 46), (1, 3)])
@pytest.mark.parametrize("in_channels", [1, 3])
@pytest.mark.parametrize("name", BACKBONES)
def test_values_are_those_of_float64(name, in_channels, size, folded):
    stage = frozen(name, in_channels)
    x = image(3, in_channels, *size)
    y = stage(x)
    assert len(folded) == BACKBONES[name] and not y.requires_grad
    assert y.is_contiguous(memory_format=torch.channels_last)
    assert_same(y, copy.deepcopy(stage).double()(x.double()))


@pytest.mark.parametrize(
    "layers",
    [
        lambda: [nn.Conv2d(4, 6, 3, 2, (1, 0), bias=True), nn.BatchNorm2d(6), nn.ReLU()],
        lambda: [nn.Conv2d(4, 8, 5, groups=2, bias=False), BatchNormAct2d(8, act_layer=nn.ReLU)],
        lambda: [nn.Conv2d(4, 6, 1), BatchNormAct2d(6, act_layer=nn.Hardswish)],
        lambda: [nn.Conv2d(4, 4, 3), nn.Conv2d(4, 6, 1), nn.BatchNorm2d(6), nn.BatchNorm2d(6)],
    ],
)
def test_any_layers_in_turn(layers, folded):
    stage = randomised(nn.Sequential(*layers())).eval()
    freeze_stage(stage)
    x = image(2, 4, 9, 12)
    y = stage(x)
    assert len(folded) == 1
    assert_same(y, copy.deepcopy(stage).double()(x.double()))


@pytest.mark.parametrize(
    "layers",
    [
        lambda: [nn.Conv2d(4, 6, 3, dilation=2), nn.BatchNorm2d(6)],
        lambda: [nn.Conv2d(4, 6, 3, padding="same"), nn.BatchNorm2d(6)],
        lambda: [nn.Conv2d(4, 6, 3, padding=1, padding_mode="reflect"), nn.BatchNorm2d(6)],
        lambda: [nn.Conv2d(4, 6, 3), nn.BatchNorm2d(6, track_running_stats=False)],
        lambda: [nn.Conv2d(4, 6, 3), nn.BatchNorm2d(6, affine=False)],
        lambda: [nn.Conv2d(4, 6, 3), nn.ReLU(), nn.BatchNorm2d(6)],
    ],
)
def test_layers_that_cannot_be_folded_stay_themselves(layers, folded):
    stage = nn.Sequential(*layers()).to(memory_format=torch.channels_last).eval()  # type: ignore[call-overload]
    plain, x = copy.deepcopy(stage), image(2, 4, 9, 12)
    freeze_stage(stage)
    torch.testing.assert_close(stage(x), plain(x))
    assert not folded


def test_weights_and_statistics_are_read_at_each_call(folded):
    stage, other = frozen("tf_efficientnet_lite0"), frozen("tf_efficientnet_lite0")
    x = image(2, 3, 32, 32)
    before = stage(x)
    stage.load_state_dict(other.state_dict())
    assert torch.equal(stage(x), other(x)) and not torch.equal(stage(x), before)
    with torch.no_grad():
        stage[1].running_mean.add_(1)
    assert_same(stage(x), copy.deepcopy(stage).double()(x.double()))
    assert not torch.equal(stage(x), other(x))
    for tensor in stage.state_dict().values():
        tensor.data = tensor.data.clone()
    stage[0].weight.data = stage[0].weight.data * 0.5
    assert_same(stage(x), copy.deepcopy(stage).double()(x.double()))
    assert len(folded) == 8 * 9


def test_an_encoder_folds_its_frozen_stages_in_training_alone(folded):
    encoder = randomised(Encoder(EncoderConfig(frozen_stages=2), 3))
    assert isinstance(encoder, Encoder)
    use_fast_norm(encoder)
    plain = Encoder(EncoderConfig(), 3)
    plain.load_state_dict(encoder.state_dict())
    assert list(plain.state_dict()) == list(encoder.state_dict())
    assert [type(stage) for stage in encoder.stages] == [FrozenStage] * 2 + [nn.Sequential] * 3
    x = image(2, 3, 64, 64)
    features = encoder.train()(x)
    assert len(folded) == 9
    assert [f.requires_grad for f in features] == [False] * 2 + [True] * 3
    plain.double().train()
    for stage in plain.stages[:2]:
        stage.eval()
    for mine, exact in zip(features[:2], plain(x.double())[:2], strict=True):
        assert_same(mine, exact)
    for mode in (torch.no_grad, torch.inference_mode):
        with mode():
            encoder.eval()(x)
    assert len(folded) == 9


def test_the_detector_folds_too(folded):
    DetectorNet(DetectorNetConfig(weights="", frozen_stages=2)).train()(torch.rand(2, 3, 64, 64))
    assert len(folded) == 9


def test_gradients_through_a_frozen_stage_and_batch_statistics_are_left_to_torch(folded):
    stage, x = frozen("tf_efficientnet_lite0"), image(2, 3, 32, 32)
    stage(x.clone(memory_format=torch.preserve_format).requires_grad_()).sum().backward()
    stage[0].weight.requires_grad_()
    stage(x).sum().backward()
    assert stage[0].weight.grad is not None and not folded
    stage[0].weight.requires_grad_(False)
    stage.train()
    stage(x)
    assert not folded and stage[1].num_batches_tracked == 1


def test_what_is_not_finite_stays_so():
    stage, x = frozen("tf_efficientnet_lite0"), image(2, 3, 32, 32)
    spoilt = x.clone(memory_format=torch.preserve_format)
    spoilt[1, 0, 5, 5] = float("nan")
    y = stage(spoilt)
    assert y[1].isnan().any() and y[0].isfinite().all()
    stage[1].running_mean[3] = float("nan")
    assert stage(x).isnan().any()


def test_torch_computes_what_others_look_at(folded):
    stage, x = frozen("tf_efficientnet_lite0"), image(2, 3, 32, 32)
    copy.deepcopy(stage).double()(x.double())
    copy.deepcopy(stage).to("meta")(x.to("meta"))
    stage(x.contiguous())
    with torch.autocast("cpu", torch.bfloat16):
        assert stage(x).dtype == torch.bfloat16
    with FlopCounterMode(display=False) as counter:
        stage(x)
    assert counter.get_total_flops() > 0
    seen: list[nn.Module] = []
    handle = stage[1].register_forward_hook(lambda layer, _, __: seen.append(layer))
    stage(x)
    handle.remove()
    assert seen == [stage[1]]
    torch.set_num_threads(2)
    wanted = stage(x)
    torch.set_num_threads(1)
    assert not folded
    exported = torch.export.export(stage, (x,))
    assert "batch_norm" in exported.graph_module.code and "mkldnn" not in exported.graph_module.code
    assert "aten::batch_norm" in str(torch.jit.trace(stage, x).inlined_graph)
    compiled = torch.compile(stage, backend="aot_eager", fullgraph=True)
    torch.testing.assert_close(compiled(x), wanted, atol=1e-4, rtol=0)
    assert_same(stage(x), wanted)


@pytest.mark.parametrize("size", [(6, 6), (7, 6), (9, 4), (2, 1)])
@pytest.mark.parametrize(("kernel", "stride"), [((3, 3), (2, 2)), ((5, 5), (2, 2)), ((3, 5), (1, 2)), ((4, 2), (1, 1))])
def test_a_symmetric_kernel_stands_for_same_padding(size, kernel, stride):
    x, weight = torch.randn(2, 3, *size).double(), torch.randn(4, 3, *kernel).double()
    before, after = same_padding(size, kernel, stride)
    padded = nn.functional.pad(x, (before[1], after[1], before[0], after[0]))
    wide = symmetric_kernel(weight, before, after)
    mine = nn.functional.conv2d(x, wide, stride=stride, padding=after)
    assert mine.shape[2:] == tuple(-(-side // step) for side, step in zip(size, stride, strict=True))
    torch.testing.assert_close(mine, nn.functional.conv2d(padded, weight, stride=stride))
