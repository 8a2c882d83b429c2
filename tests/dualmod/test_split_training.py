"""A step in micro-batches, or on two ranks of torchrun, is the step of one process with the whole batch."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from dualmod.training.loop import EngineConfig
from tests.dualmod import probe as probe_script
from tests.dualmod.probe import probed


@pytest.fixture(scope="module")
def whole(tiny_data, tmp_path_factory):
    """Gradient and logged terms of the whole batch in one process."""
    out = tmp_path_factory.mktemp("whole")
    return probed(tiny_data, out, EngineConfig()).gradient, logged(out)


def logged(out: Path) -> dict[str, float]:
    row = json.loads((out / "metrics.jsonl").read_text().splitlines()[-1])
    return {k: v for k, v in row.items() if k not in ("seconds", "data_share")}


def assert_close_gradients(found: dict[str, torch.Tensor], wanted: dict[str, torch.Tensor]) -> None:
    assert found.keys() == wanted.keys()
    largest = max(float(g.abs().max()) for g in wanted.values())
    for name, gradient in wanted.items():
        torch.testing.assert_close(found[name], gradient, rtol=1e-3, atol=1e-5 * largest, msg=lambda m, n=name: n + m)


def test_micro_batches_have_the_gradient_of_the_whole_batch(whole, tiny_data, tmp_path):
    probe = probed(tiny_data, tmp_path / "run", EngineConfig(accumulate=3))
    assert_close_gradients(probe.gradient, whole[0])
    assert logged(tmp_path / "run") == pytest.approx(whole[1], rel=1e-4)


def test_bf16_in_micro_batches_still_reaches_every_weight(whole, tiny_data, tmp_path):
    """The first pass has no graph; weights that autocast kept of it would get no gradient in the second."""
    probe = probed(tiny_data, tmp_path / "run", EngineConfig(accumulate=2, precision="bf16"))
    assert probe.gradient.keys() == whole[0].keys()
    wanted, found = (torch.cat([g[k].flatten() for k in whole[0]]) for g in (whole[0], probe.gradient))
    assert torch.cosine_similarity(wanted, found, dim=0) > 0.95
    assert not torch.equal(wanted, found)


@pytest.mark.slow
def test_two_ranks_under_torchrun(whole, tiny_data, tmp_path):
    """NT-Xent of both ranks is that of the double batch, value and gradient; an ill rank ends both."""
    root = Path(probe_script.__file__).parents[2]
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    arguments = ["-m", "tests.dualmod.probe", str(tiny_data), str(tmp_path), "1"]
    ended = subprocess.run([*command, *arguments], cwd=root, capture_output=True, text=True, timeout=540)
    assert (tmp_path / "gradient.pt").exists(), ended.stderr[-2000:]
    assert_close_gradients(torch.load(tmp_path / "gradient.pt"), whole[0])
    assert logged(tmp_path / "healthy") == pytest.approx(whole[1], rel=1e-4)
    assert ended.returncode != 0
    assert "the loss is not finite at step 1 (handedness)" in ended.stderr
    kept = torch.load(tmp_path / "sick" / "last.ckpt", weights_only=False)
    assert kept["global_step"] == 1
    assert all(torch.isfinite(value).all() for value in kept["state_dict"].values())
