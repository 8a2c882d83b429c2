"""Fast depthwise convolutions: equal to torch in values and gradients, and torch's own wherever they cannot be used."""

import copy
import io
import multiprocessing
import subprocess
import sys

import pytest
import timm
import torch
from timm.layers.conv2d_same import Conv2dSame
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from dualmod.network.cpu import depthwise_conv
from dualmod.network.cpu.depthwise_conv import FAST, MOST_THREADS, FastDepthwise, use_fast_depthwise
from dualmod.network.cpu.depthwise_kernel import _add_places

FAST_NODE = "_DepthwiseBackward"
SIZES = [(3, 3), (4, 7), (6, 6), (13, 9), (1, 1), (2, 30)]
"""Height and width of maps: smaller than the kernel, odd, even, and rows that don't split into whole groups."""


def image(*shape: int) -> Tensor:
    return torch.randn(*shape).contiguous(memory_format=torch.channels_last).requires_grad_()


def layers(kind: type[nn.Conv2d], channels: int, **options) -> tuple[nn.Conv2d, nn.Conv2d]:
    """torch's layer and its fast copy, whatever the kernel's size."""
    slow = kind(channels, channels, groups=channels, bias=False, **options).to(memory_format=torch.channels_last)  # type: ignore
    fast = copy.deepcopy(slow)
    fast.__class__ = FAST[kind]
    return slow, fast


def gradients(layer: nn.Module, x: Tensor, weights: Tensor) -> list[Tensor]:
    """Output, and the gradients of its weighted sum."""
    y = layer(x)
    return [y, *torch.autograd.grad((y * weights).sum(), [x, *layer.parameters()])]


def assert_same(mine: Tensor, wanted: Tensor) -> None:
    """Within 2e-6 of the largest value: what float32 loses in a sum of some hundred products."""
    torch.testing.assert_close(
        mine.to(wanted.dtype), wanted, atol=2e-6 * max(1.0, float(wanted.detach().abs().max())), rtol=0
    )


def is_fast(y: Tensor) -> bool:
    return FAST_NODE in str(y.grad_fn)


@pytest.fixture(autouse=True)
def _seeded():
    torch.manual_seed(0)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("kernel", [3, 5, 7, (5, 3)])
@pytest.mark.parametrize(("kind", "stride"), [(nn.Conv2d, 1), (nn.Conv2d, 2), (Conv2dSame, 1), (Conv2dSame, 2)])
def test_values_and_gradients_are_those_of_torch_and_of_float64(kind, stride, kernel, size):
    sides = kernel if isinstance(kernel, tuple) else (kernel, kernel)
    padding = {} if kind is Conv2dSame else {"padding": (sides[0] // 2, sides[1] // 2)}
    slow, fast = layers(kind, 6, kernel_size=kernel, stride=stride, **padding)
    x = image(3, 6, *size)
    weights = torch.randn_like(slow(x))
    assert is_fast(fast(x)) and not is_fast(slow(x))
    exact = gradients(copy.deepcopy(slow).double(), x.detach().double().requires_grad_(), weights.double())
    for mine, torchs, reference in zip(gradients(fast, x, weights), gradients(slow, x, weights), exact, strict=True):
        assert_same(mine, torchs)
        assert_same(mine, reference)


def test_only_the_input_or_only_the_weight():
    slow, fast = layers(nn.Conv2d, 8, kernel_size=5, padding=2)
    x = image(2, 8, 6, 6)
    _, of_x, of_weight = gradients(slow, x, torch.ones(2, 8, 6, 6))
    y = fast(x.detach())
    assert is_fast(y)
    y.sum().backward()
    torch.testing.assert_close(fast.weight.grad, of_weight)
    assert fast.weight.grad.is_contiguous()
    y = fast.requires_grad_(False)(x)
    assert not is_fast(y)  # oneDNN has the input's gradient as fast
    torch.testing.assert_close(torch.autograd.grad(y.sum(), x)[0], of_x)


@pytest.mark.parametrize(
    "make", [lambda x: x, lambda x: x[:, :, ::2, ::2], lambda x: x.contiguous(), lambda x: x.transpose(2, 3)]
)
def test_inputs_and_gradients_in_any_layout(make):
    slow, fast = layers(nn.Conv2d, 8, kernel_size=5, padding=2)
    x = make(image(2, 8, 10, 10).detach()).requires_grad_()
    weights = torch.randn(2, 8, *x.shape[3:1:-1]).transpose(2, 3)
    assert is_fast(fast(x)) == x.is_contiguous(memory_format=torch.channels_last)
    for mine, torchs in zip(gradients(fast, x, weights), gradients(slow, x, weights), strict=True):
        assert_same(mine, torchs)
    assert len(_add_places.signatures) <= 1  # another layout would be compiled anew, for slow loops
    assert_same(fast(x[0]), slow(x[0]))


def test_what_is_not_finite_stays_so():
    _, fast = layers(nn.Conv2d, 2, kernel_size=5, padding=2)
    x = image(1, 2, 6, 6)
    weights = torch.ones(1, 2, 6, 6)
    weights[0, 1, 3, 3] = float("nan")
    *_, of_weight = gradients(fast, x, weights)
    assert of_weight[1].isnan().any() and of_weight[0].isfinite().all()


@pytest.mark.parametrize(
    ("name", "count"),
    [
        ("tf_efficientnet_lite0", 11),
        ("tf_efficientnet_lite1", 14),
        ("mobilenetv3_small_100", 8),
        ("resnet18", 0),
        ("mobilenetv2_050", 0),  # kernels of 3 x 3 alone
    ],
)
def test_the_large_depthwise_kernels_of_a_backbone_and_nothing_else(name, count):
    torch.manual_seed(0)
    plain = timm.create_model(name, num_classes=4).to(memory_format=torch.channels_last)
    fast = copy.deepcopy(plain)
    assert use_fast_depthwise(fast) == count and use_fast_depthwise(fast) == 0
    changed = [a for a, b in zip(fast.modules(), plain.modules(), strict=True) if type(a) is not type(b)]
    assert len(changed) == count and {type(layer) for layer in changed} <= set(FAST.values())
    assert list(fast.state_dict()) == list(plain.state_dict())
    plain.load_state_dict(fast.state_dict())
    x = image(2, 3, 96, 96)
    for a, b in zip(gradients(fast, x, torch.ones(2, 4)), gradients(plain, x, torch.ones(2, 4)), strict=True):
        assert_same(a, b)


@pytest.mark.parametrize(
    "options",
    [
        {"kernel_size": 3, "padding": 1, "groups": 8},
        {"kernel_size": 5, "padding": 2, "groups": 4},
        {"kernel_size": 5, "padding": 4, "groups": 8, "dilation": 2},
        {"kernel_size": 5, "padding": "same", "groups": 8},
        {"kernel_size": 5, "padding": 2, "groups": 8, "padding_mode": "reflect"},
        {"kernel_size": 5, "padding": 2, "groups": 8, "bias": True},
    ],
)
def test_other_convolutions_stay_as_they_are(options):
    assert use_fast_depthwise(nn.Conv2d(8, 8, **{"bias": False, **options})) == 0


def test_copies_and_pickles_are_fast_too():
    _, fast = layers(nn.Conv2d, 8, kernel_size=5, padding=2)
    saved = io.BytesIO()
    torch.save(fast, saved)
    saved.seek(0)
    x = image(2, 8, 6, 6)
    for other in (copy.deepcopy(fast), torch.load(saved, weights_only=False)):
        assert is_fast(other(x)) and torch.equal(other(x), fast(x))


def test_torch_computes_what_the_loop_cannot_and_what_others_look_at(monkeypatch):
    _, fast = layers(nn.Conv2d, 8, kernel_size=5, padding=2)
    x = image(2, 8, 6, 6)
    assert is_fast(fast(x))
    assert not is_fast(copy.deepcopy(fast).double()(x.double()))
    with torch.autocast("cpu", torch.bfloat16):
        assert fast(x).dtype == torch.bfloat16 and not is_fast(fast(x))
    torch.testing.assert_close(torch.func.grad(lambda x: fast(x).sum())(x), torch.autograd.grad(fast(x).sum(), x)[0])
    with FlopCounterMode(display=False) as counter:
        assert not is_fast(fast(x))
    assert counter.get_total_flops() == 2 * 2 * 8 * 25 * 36
    fast.to("meta")(x.detach().to("meta")).sum().backward()
    _, fast = layers(nn.Conv2d, 8, kernel_size=5, padding=2)
    monkeypatch.setattr(torch, "get_num_threads", lambda: MOST_THREADS + 1)
    assert not is_fast(fast(x))


@pytest.mark.parametrize("mode", [torch.no_grad, torch.inference_mode])
def test_inference_is_left_to_torch(mode, monkeypatch):
    _, fast = layers(nn.Conv2d, 8, kernel_size=5, padding=2)
    x = image(2, 8, 6, 6)
    monkeypatch.setattr(depthwise_conv._Depthwise, "apply", None)
    with mode():
        fast(x)


@pytest.mark.parametrize("kind", [nn.Conv2d, Conv2dSame])
def test_tracing_export_and_compilation_see_a_plain_convolution(kind):
    slow, fast = layers(kind, 8, kernel_size=5, padding=2 * (kind is nn.Conv2d))
    x = image(2, 8, 6, 6)
    exported = torch.export.export(fast, (x,))
    assert "conv2d" in exported.graph_module.code and FAST_NODE not in exported.graph_module.code
    assert torch.equal(exported.module()(x), fast(x))
    assert "aten::_convolution" in str(torch.jit.trace(fast, x).graph)
    compiled = torch.compile(fast, backend="aot_eager", fullgraph=True)
    for mine, torchs in zip(gradients(compiled, x, x.detach()), gradients(slow, x, x.detach()), strict=True):
        assert_same(mine, torchs)


def test_a_second_derivative_is_refused():
    _, fast = layers(nn.Conv2d, 8, kernel_size=5, padding=2)
    x = image(2, 8, 6, 6)
    (gradient,) = torch.autograd.grad(fast(x).square().sum(), x, create_graph=True)
    with pytest.raises(RuntimeError, match="once_differentiable"):
        gradient.sum().backward()


def sum_of_gradient(queue: multiprocessing.Queue) -> None:
    layer = FastDepthwise(8, 8, 5, padding=2, groups=8, bias=False)
    nn.init.ones_(layer.weight)
    layer(torch.ones(2, 8, 6, 6).contiguous(memory_format=torch.channels_last)).sum().backward()
    queue.put(float(layer.weight.grad.sum()))


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_other_processes_compute_the_same(method):
    # positions of a 5-tap window that lie in a row of six: 6 + 2 * 5 + 2 * 4
    wanted = 2 * 8 * 24**2
    here: multiprocessing.Queue = multiprocessing.get_context("fork").SimpleQueue()  # type: ignore[assignment]
    sum_of_gradient(here)
    assert here.get() == wanted
    context = multiprocessing.get_context(method)
    there = context.SimpleQueue()
    process = context.Process(target=sum_of_gradient, args=(there,))
    process.start()
    assert there.get() == wanted
    process.join()


def test_who_does_not_train_loads_no_compiler():
    code = "import sys, dualmod.network.model; sys.exit('numba' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
