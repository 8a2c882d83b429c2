"""Fast batch normalisation: equal to torch's in float64, and torch's own wherever it cannot be used."""

import copy
import io
import subprocess
import sys

import pytest
import timm
import torch
from timm.layers.norm_act import BatchNormAct2d
from torch import Tensor, nn

from dualmod.network.cpu.batch_norm import FAST, use_fast_norm
from dualmod.network.cpu.batch_norm_kernel import input_gradient, normalise

ACTS = [None, nn.Identity, nn.ReLU, nn.ReLU6, nn.Hardswish]
SHAPES = [(3, 4, 6, 6), (2, 300, 3, 3), (5, 24, 7, 5), (1, 3, 2, 1), (4, 130, 31, 33)]
"""Few channels whose places share a row, an odd number of places, and more values than a block of sums holds."""


pytestmark = pytest.mark.usefixtures("one_thread")


def image(*shape: int) -> Tensor:
    channel = torch.arange(shape[1]).view(1, -1, 1, 1)
    x = torch.randn(*shape) * (1 + channel % 3) + channel % 5
    return x.contiguous(memory_format=torch.channels_last).requires_grad_()


def layer(act: type[nn.Module] | None, channels: int, **options) -> nn.BatchNorm2d:
    made = nn.BatchNorm2d(channels, **options) if act is None else BatchNormAct2d(channels, act_layer=act, **options)
    nn.init.uniform_(made.weight, -2, 2)  # some are negative
    nn.init.normal_(made.bias, 1, 2)
    nn.init.uniform_(made.running_mean, -1, 1)
    nn.init.uniform_(made.running_var, 0.5, 2)
    return made


def fast_copy(slow: nn.Module) -> nn.Module:
    fast = copy.deepcopy(slow)
    assert use_fast_norm(fast) == 1
    return fast


def is_fast(net: nn.Module, x: Tensor) -> bool:
    """Whether the loops run somewhere in the graph of the output."""
    y = net(x)
    waiting, seen = [y.grad_fn], set()
    while waiting:
        node = waiting.pop()
        if node is not None and node not in seen:
            seen.add(node)
            waiting += [before for before, _ in node.next_functions]
    return any("_NormBackward" in str(node) for node in seen)


def all_of(net: nn.Module, x: Tensor, weights: Tensor) -> list[Tensor]:
    """Output, gradients, and buffers after the step."""
    y = net(x)
    return [y, *torch.autograd.grad((y * weights).sum(), [x, *net.parameters()]), *net.buffers()]


def assert_same(mine: Tensor, exact: Tensor, places: int) -> None:
    """Within what float32 loses of a sum over so many places."""
    scale = max(1.0, float(exact.detach().abs().max()))
    torch.testing.assert_close(mine.to(exact.dtype), exact, atol=scale * 1e-6 * max(1, places**0.5 / 8), rtol=0)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("act", ACTS)
@pytest.mark.parametrize("training", [True, False])
def test_values_gradients_and_running_averages_are_those_of_float64(training, act, shape):
    slow = layer(act, shape[1]).train(training)
    fast, exact = fast_copy(slow), copy.deepcopy(slow).double()
    x, weights = image(*shape), torch.randn(*shape)
    assert is_fast(copy.deepcopy(fast), x) and not is_fast(copy.deepcopy(slow), x)
    wanted = all_of(exact, x.detach().double().requires_grad_(), weights.double())
    for mine, reference in zip(all_of(fast, x, weights), wanted, strict=True):
        assert mine.dtype == (torch.int64 if mine.ndim == 0 else torch.float32)
        assert_same(mine, reference, shape[0] * shape[2] * shape[3])


def test_torch_is_less_exact_on_large_maps():
    slow = layer(None, 8)
    fast, exact = fast_copy(slow), copy.deepcopy(slow).double()
    x = image(40, 8, 48, 48)
    errors = [float((net(x) - exact(x.double())).detach().abs().max()) for net in (fast, slow)]
    assert errors[0] < 2e-6 and errors[0] < errors[1]


def test_several_steps_average_as_torch_does():
    slow = layer(nn.ReLU, 6, momentum=0.3)
    fast = fast_copy(slow)
    for _ in range(4):
        x = image(2, 6, 5, 5)
        torch.testing.assert_close(fast(x), slow(x), atol=1e-5, rtol=0)
    for mine, torchs in zip(fast.buffers(), slow.buffers(), strict=True):
        torch.testing.assert_close(mine, torchs, atol=1e-5, rtol=0)
    assert fast.num_batches_tracked == 4


def test_without_a_gradient_it_normalises_and_counts_alike():
    fast = fast_copy(layer(nn.ReLU6, 6))
    x, other = image(2, 6, 5, 5), copy.deepcopy(fast)
    with torch.no_grad():
        y = fast(x)
    assert y.grad_fn is None and torch.equal(y, other(x)) and torch.equal(fast.running_var, other.running_var)


def test_gradients_in_any_layout_and_for_the_input_or_the_weight_alone():
    slow = layer(nn.ReLU6, 6)
    fast, x = fast_copy(slow), image(4, 6, 5, 5)
    weights = torch.randn(5, 5, 6, 4).permute(3, 2, 0, 1)
    for mine, torchs in zip(all_of(fast, x, weights), all_of(slow, x, weights), strict=True):
        torch.testing.assert_close(mine, torchs, atol=1e-5, rtol=0)
    _, of_x, of_weight, of_bias = all_of(fast, x, weights)[:4]
    assert len(normalise.signatures) == len(input_gradient.signatures) == 1
    parameters = list(fast.parameters())
    torch.testing.assert_close(
        list(torch.autograd.grad((fast(x.detach()) * weights).sum(), parameters)), [of_weight, of_bias]
    )
    fast.requires_grad_(False)
    torch.testing.assert_close(torch.autograd.grad((fast(x) * weights).sum(), x)[0], of_x)


def test_what_is_not_finite_stays_so():
    fast, x = fast_copy(layer(nn.ReLU6, 2)), image(2, 2, 4, 4)
    with torch.no_grad():
        x[0, 1, 2, 2] = float("nan")
    y, of_x, of_weight, _ = all_of(fast, x, torch.ones(2, 2, 4, 4))[:4]
    assert y[:, 1].isnan().all() and y[:, 0].isfinite().all()
    assert of_x[:, 1].isnan().all() and of_weight.isnan().tolist() == [False, True]


@pytest.mark.parametrize(
    "made",
    [
        nn.BatchNorm2d(4, affine=False),
        nn.BatchNorm2d(4, momentum=None),
        nn.BatchNorm2d(4, track_running_stats=False),
        BatchNormAct2d(4, drop_layer=nn.Dropout),
        nn.SyncBatchNorm(4),
        nn.BatchNorm1d(4),
    ],
)
def test_other_normalisations_stay_as_they_are(made):
    assert use_fast_norm(made) == 0


@pytest.mark.parametrize(
    ("name", "count"), [("tf_efficientnet_lite0", 49), ("resnet18", 20), ("vit_tiny_patch16_224", 0)]
)
def test_all_of_a_backbone_and_its_state_dict_stays(name, count):
    plain = timm.create_model(name, num_classes=2)
    fast = copy.deepcopy(plain)
    assert use_fast_norm(fast) == count and use_fast_norm(fast) == 0
    assert sum(type(layer) in FAST.values() for layer in fast.modules()) == count
    assert list(fast.state_dict()) == list(plain.state_dict())


def test_copies_and_pickles_are_fast_too():
    fast, x = fast_copy(layer(nn.ReLU6, 4)), image(2, 4, 5, 5)
    saved = io.BytesIO()
    torch.save(fast, saved)
    saved.seek(0)
    assert is_fast(copy.deepcopy(fast), x) and is_fast(torch.load(saved, weights_only=False), x)


class Watched(Tensor):
    """A tensor of another library, which has to see what is done with it."""


def test_torch_computes_what_the_loops_cannot_and_what_others_look_at():
    fast, x = fast_copy(layer(nn.ReLU6, 4)), image(2, 4, 5, 5)
    assert not is_fast(copy.deepcopy(fast).double(), x.double()) and not is_fast(fast, x.detach().contiguous())
    assert not is_fast(fast, x.as_subclass(Watched))
    assert is_fast(fast.eval().requires_grad_(False), x)  # a frozen layer of a training
    fast.train().requires_grad_()
    with torch.autocast("cpu", torch.bfloat16):
        assert not is_fast(fast, x)
    torch.set_num_threads(2)
    assert not is_fast(fast, x)
    torch.set_num_threads(1)
    exported = torch.export.export(fast.eval(), (x,))
    assert "batch_norm" in exported.graph_module.code
    torch.testing.assert_close(exported.module()(x), fast(x))
    assert "aten::batch_norm" in str(torch.jit.trace(fast, x).graph)
    compiled = torch.compile(copy.deepcopy(fast).train(), backend="aot_eager", fullgraph=True)
    torch.testing.assert_close(compiled(x), fast.train()(x), atol=1e-5, rtol=0)


def test_a_second_derivative_and_a_batch_of_one_place_are_refused():
    fast, x = fast_copy(layer(None, 4)), image(2, 4, 5, 5)
    (gradient,) = torch.autograd.grad(fast(x).square().sum(), x, create_graph=True)
    with pytest.raises(RuntimeError, match="once_differentiable"):
        gradient.sum().backward()
    with pytest.raises(ValueError, match="more than 1 value per channel"):
        fast(image(1, 4, 1, 1))


def test_who_does_not_train_loads_no_compiler():
    code = (
        "import sys, torch; from dualmod.network.model import *; net = DualModalityNet(NetworkConfig()).eval();"
        "torch.set_num_threads(1); torch.set_grad_enabled(False); net(torch.rand(1, 3, 96, 96));"
        "sys.exit('numba' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
