"""Killed at random steps, a run ends with the weights of one that nobody disturbed, bit by bit."""

import multiprocessing
import os
import random
import signal

import pytest
import torch
from safetensors.torch import load_file

from dualmod.pretrain import PretrainModule, pretrain
from dualmod.training.loop import EngineConfig
from tests.dualmod.test_pretrain import config

STEPS, DEATHS = 9, 5
ENGINE = EngineConfig(accumulate=2, ema_decay=0.9)


def settings(data, out):
    return config(data, out, max_steps=STEPS, batch_size=4, engine=ENGINE, holdout=0.05)


def run_and_die(data: str, out: str, step_of_death: int, calls_left: int) -> None:
    """Run, and be killed in the midst of a step, in its first or its second pass."""
    true_losses, left = PretrainModule.losses, iter(range(calls_left, -1, -1))

    def losses(self, batch, step):
        if step == step_of_death and next(left) == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return true_losses(self, batch, step)

    PretrainModule.losses = losses
    pretrain(settings(data, out))


@pytest.mark.slow
def test_killed_at_five_random_steps(tiny_data, tmp_path):
    whole = pretrain(settings(tiny_data, tmp_path / "whole"))
    draw = random.Random(4)
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["dualmod.pretrain", "tests.dualmod.test_resume"])
    cut = tmp_path / "cut"
    for step in sorted(draw.sample(range(1, STEPS), DEATHS)):
        process = context.Process(
            target=run_and_die, args=(str(tiny_data), str(cut), step, draw.randrange(2 * ENGINE.accumulate))
        )
        process.start()
        process.join()
        assert process.exitcode == -signal.SIGKILL
        assert torch.load(cut / "last.ckpt", weights_only=False)["global_step"] <= step if step > 2 else True
    assert not (cut / "model.safetensors").exists()
    resumed = load_file(pretrain(settings(tiny_data, cut)))
    wanted = load_file(whole)
    assert resumed.keys() == wanted.keys()
    assert all(torch.equal(resumed[name], wanted[name]) for name in wanted)
