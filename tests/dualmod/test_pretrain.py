"""Pre-training end to end at tiny size: files, exact resume after a kill, and bad input."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest
import torch
from safetensors.torch import load_file

from dualmod.checkpoints.checkpoint import load_network, read_notes
from dualmod.network.encoder import EncoderConfig
from dualmod.network.model import NetworkConfig
from dualmod.pretrain import PretrainConfig, PretrainModule, main, pretrain
from dualmod.training.loop import EngineConfig

SMALL = EncoderConfig(backbone="mobilenetv3_small_050")
NETWORK = NetworkConfig(image_size=64, rgb=SMALL, depth=SMALL, decoder_width=16, embedding_dims=8)


def config(data, out, **changes) -> PretrainConfig:
    settings = {"max_steps": 6, "batch_size": 3, "save_every": 2, "loader_workers": 0, "threads": 1}
    return PretrainConfig(data=str(data), out=str(out), **{"network": NETWORK, **settings, **changes})


def test_leaves_a_checkpoint_metrics_and_the_config(tiny_data, tmp_path):
    model = pretrain(config(tiny_data, tmp_path / "run"))
    assert {"config.yaml", "metrics.json", "metrics.jsonl", "model.safetensors", "last.ckpt"} <= {
        p.name for p in (tmp_path / "run").iterdir()
    }
    rows = [json.loads(line) for line in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()]
    assert rows[-1]["step"] == 6
    assert "held_out_error_box" in json.loads((tmp_path / "run" / "metrics.json").read_text())
    prediction = load_network(model)(torch.rand(1, 3, 64, 64))
    assert torch.isfinite(prediction.joints_uv).all()


def test_going_on_from_weights_takes_the_batches_of_its_step_and_trains_the_statistics(
    tiny_data, tmp_path, monkeypatch
):
    seen = []
    true_losses = PretrainModule.losses

    def losses(self, batch, step):
        seen.append((step, batch[0].rgb.clone(), self.net.training))
        return true_losses(self, batch, step)

    monkeypatch.setattr(PretrainModule, "losses", losses)
    start = pretrain(config(tiny_data, tmp_path / "start"))
    wanted, seen = seen[4], []
    ended = pretrain(config(tiny_data, tmp_path / "on", init=str(start), first_step=4))
    assert [step for step, *_ in seen] == [4, 5] and all(training for *_, training in seen)
    assert torch.equal(seen[0][1], wanted[1])
    assert read_notes(ended)["views"] == 6 * 3
    name = "rgb_neck.laterals.0.1.running_mean"
    assert not torch.equal(load_file(ended)[name], load_file(start)[name])


RUN = """
import sys
sys.path.insert(0, sys.argv[3])
from tests.dualmod.test_pretrain import config
from dualmod.pretrain import pretrain
pretrain(config(sys.argv[1], sys.argv[2], max_steps=14))
"""


@pytest.mark.slow
def test_a_run_that_is_told_to_end_resumes_to_the_same_weights(tiny_data, tmp_path):
    whole = pretrain(config(tiny_data, tmp_path / "whole", max_steps=14))
    cut = tmp_path / "cut"
    root = str(pytest.importorskip("tests").__path__[0]) + "/.."
    process = subprocess.Popen([sys.executable, "-c", RUN, str(tiny_data), str(cut), root], cwd=root)
    deadline = time.monotonic() + 120
    while not (cut / "last.ckpt").exists() and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.02)
    os.kill(process.pid, signal.SIGTERM)
    assert process.wait() == 143
    assert not (cut / "model.safetensors").exists()
    resumed = pretrain(config(tiny_data, cut, max_steps=14))
    a, b = load_file(whole), load_file(resumed)
    assert all(torch.equal(a[name], b[name]) for name in a)


def test_a_finished_run_is_left_alone(tiny_data, tmp_path):
    model = pretrain(config(tiny_data, tmp_path / "run"))
    stamp = model.stat().st_mtime_ns
    assert pretrain(config(tiny_data, tmp_path / "run")).stat().st_mtime_ns == stamp


def test_another_runs_folder_is_refused(tiny_data, tmp_path):
    pretrain(config(tiny_data, tmp_path / "run"))
    with pytest.raises(ValueError, match=r"holds another run.*seed"):
        pretrain(config(tiny_data, tmp_path / "run", seed=5))


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["data=nowhere", "out=o"], "data=nowhere does not exist"),
        (["data=d", "out=o", "max_steps=0"], "max_steps=0 is not legal"),
        (
            ["data=d", "out=o", "method=dual", "batch_size=1"],
            "batch_size=1 is not legal: it must be 2 or more with this method",
        ),
        (["data=d", "out=o", "first_step=5"], "first_step=5 is not legal: it must be 0 without init=FILE"),
        (
            ["data=d", "out=o", "init=m", "first_step=9", "max_steps=9"],
            "first_step=9 is not legal: it must be 0 to max_steps - 1 = 8",
        ),
        (
            ["data=d", "out=o", "validation.every=5"],
            "validation.every=5 is not legal: it must be 0 without validation.",
        ),
        (["data=d", "out=o", "network.image_size=70"], "network.image_size=70 is not legal"),
        (["data=d", "out=o", "method=sauce_only"], "source_only"),
        (["data=d", "out=o", "generate.seed=1"], "data=d is not legal: it must be stream where generate.KEY is given"),
        (["data=d", "out=o", "engine.accumulate=3"], "batch_size=32 is not legal: it must be a multiple of 3"),
        (["data=d", "out=o", "batch_blocks=3"], "batch_blocks=3 is not legal: it must be a divisor of batch_size=32"),
        (["data=d", "out=o", "engine.sync_batchnorm=true", "device=cpu"], "it must be false without CUDA"),
        (["data=stream", "out=o", "generate.hand=none.npz"], "hand=none.npz does not exist"),
        (["data=stream", "out=o", "generate.sceen.sleeve_share=1"], "generate: sceen.sleeve_share is no option"),
        (["data=d", "out=o", "method=dual", "method.depth_branch=false"], "method.fused_branch=True is not legal"),
    ],
)
def test_bad_options_end_in_one_line(overrides, message, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(overrides) == 1
    lines = capsys.readouterr().err.strip().splitlines()
    assert len(lines) == 1
    assert message in lines[0]
    assert not (tmp_path / "o").exists()


def test_a_loss_that_is_not_finite_names_its_term_and_stops(tiny_data, tmp_path, monkeypatch):
    import dualmod.pretrain as stage

    def broken(net, views, method, **_):
        loss = net(views[0].rgb).depth.sum()
        return {"fine": loss, "supervision_depth": loss * float("nan")}

    monkeypatch.setattr(stage, "objective", broken)
    with pytest.raises(ValueError, match=r"not finite at step 0 \(supervision_depth\)"):
        pretrain(config(tiny_data, tmp_path / "run"))
    assert not (tmp_path / "run" / "model.safetensors").exists()


def test_a_compiled_network_trains_to_the_weights_of_a_plain_one(tiny_data, tmp_path, monkeypatch):
    """With the backend that only traces, and torch's own layers in both, so that no float is rounded otherwise."""
    for module in ("batch_norm", "depthwise_conv"):
        monkeypatch.setattr(f"dualmod.network.cpu.{module}.loops_allowed", lambda *_: False)
    settings = {"max_steps": 2, "holdout": 0.04}
    plain = load_file(pretrain(config(tiny_data, tmp_path / "plain", **settings)))
    engine = EngineConfig(compile="eager")
    compiled = load_file(pretrain(config(tiny_data, tmp_path / "compiled", engine=engine, **settings)))
    assert compiled.keys() == plain.keys()
    assert torch._dynamo.utils.counters["frames"]["ok"] > 0
    assert all(torch.equal(compiled[name], plain[name]) for name in plain)


STREAM = {"data": "stream", "generate": {"image_size": "64"}}


def test_a_stream_resumes_to_the_weights_of_an_undisturbed_run(tmp_path, monkeypatch):
    import dualmod.pretrain as stage

    whole = pretrain(config(out=tmp_path / "whole", max_steps=5, loader_workers=1, **STREAM))
    true_objective, calls = stage.objective, iter(range(99))

    def stops_at_four(*args, **kwargs):
        if next(calls) == 3:
            raise KeyboardInterrupt
        return true_objective(*args, **kwargs)

    monkeypatch.setattr(stage, "objective", stops_at_four)
    with pytest.raises((KeyboardInterrupt, SystemExit)):
        pretrain(config(out=tmp_path / "cut", max_steps=5, **STREAM))
    assert (tmp_path / "cut" / "last.ckpt").exists() and not (tmp_path / "cut" / "model.safetensors").exists()
    monkeypatch.undo()
    resumed = pretrain(config(out=tmp_path / "cut", max_steps=5, **STREAM))
    a, b = load_file(whole), load_file(resumed)
    assert all(torch.equal(a[name], b[name]) for name in a)
    notes = read_notes(resumed)
    assert notes["num_samples"] == 15 and notes["generate"]["image_size"] == 64 and "held_out_error_box" in notes
    with pytest.raises(ValueError, match=r"generate.image_size was '64', now '48'"):
        pretrain(config(out=tmp_path / "cut", max_steps=5, data="stream", generate={"image_size": "48"}))
