"""The training loop: processes that die, what is not finite, averaged weights, waiting for data."""

import json
import os
import shutil
import signal
import time

import pytest
import torch
from torch import nn

from dualmod.runtime.distributed import Ranks
from dualmod.training.callbacks import WaitTimer
from dualmod.training.grad_cache import WholeBatch
from dualmod.training.loop import EngineConfig, run_training
from dualmod.training.module import OptimizerConfig, TrainingModule


class Toy(TrainingModule):
    def __init__(self):
        super().__init__(OptimizerConfig(), max_steps=4)
        self.net = nn.Linear(2, 1)

    def losses(self, batch, step):
        return {"loss_of_batch": self.net(batch).square().mean()}


def batch_or_death(step: int) -> torch.Tensor:
    if step == 2:
        os._exit(1)
    return torch.full((3, 2), float(step))


def test_a_loader_process_that_dies_is_one_line_with_the_next_step(tmp_path):
    with pytest.raises(OSError, match="one of loader_workers=1 processes died") as caught:
        run_training(
            Toy(), batch_or_death, tmp_path, device=torch.device("cpu"), seed=0, save_every=1, loader_workers=1,
            description="toy",
        )  # fmt: skip
    assert "\n" not in str(caught.value) and "the same command goes on" in str(caught.value)


def test_other_errors_keep_their_kind(tmp_path):
    def broken(step: int) -> torch.Tensor:
        raise RuntimeError("no batch")

    with pytest.raises(RuntimeError, match="no batch"):
        run_training(
            Toy(), broken, tmp_path, device=torch.device("cpu"), seed=0, save_every=1, loader_workers=0,
            description="toy",
        )  # fmt: skip


class Sick(Toy):
    """Finite at first; at step 2 the named kind of trouble."""

    def __init__(self, trouble: str, engine: EngineConfig):
        super().__init__()
        self.trouble, self.accumulate = trouble, engine.accumulate
        self.whole_batch = WholeBatch(engine.accumulate)

    def losses(self, batch, step):
        value = self.net(batch).square().mean()
        extra = value * 0
        if step == 2:
            # |x|^(1/2) at 0 has the value 0 and no finite gradient
            weight = self.net.weight
            extra = value * float("inf") if self.trouble == "loss" else (weight - weight.detach()).abs().sqrt().sum()
        return {"healthy": value, "sick": extra}


def train(module, out, engine=None, batch_of_step=lambda step: torch.full((4, 2), step + 1.0), save_every=1):
    return run_training(
        module, batch_of_step, out, device=torch.device("cpu"), seed=0, save_every=save_every, loader_workers=0,
        description="toy", engine=engine,
    )  # fmt: skip


@pytest.mark.parametrize("engine", [EngineConfig(), EngineConfig(accumulate=2), EngineConfig(precision="bf16")])
@pytest.mark.parametrize("trouble", ["loss", "gradient"])
def test_what_is_not_finite_stops_with_its_term_and_the_last_good_checkpoint(trouble, engine, tmp_path):
    with pytest.raises(ValueError, match=rf"the {trouble} is not finite at step 2 \(sick\)"):
        train(Sick(trouble, engine), tmp_path, engine)
    kept = torch.load(tmp_path / "last.ckpt", weights_only=False)
    assert kept["global_step"] == 2
    assert all(torch.isfinite(value).all() for value in kept["state_dict"].values())


def test_a_resumed_run_shows_how_far_it_is(tmp_path, capsys):
    class Stopped(Toy):
        def losses(self, batch, step):
            if step == 3:
                raise KeyboardInterrupt
            return super().losses(batch, step)

    with pytest.raises((KeyboardInterrupt, SystemExit)):
        train(Stopped(), tmp_path)
    capsys.readouterr()
    train(Toy(), tmp_path)
    shown = "".join(capsys.readouterr()).rstrip().split("\r")[-1]
    assert shown.startswith("toy: 100%") and "4/4" in shown and "v_num" not in shown


class Rated(Toy):
    """Keeps the learning rates of its steps, and its weights after each."""

    def __init__(self, steps: int, first_step: int = 0, **options):
        TrainingModule.__init__(self, OptimizerConfig(0.5, warmup_steps=3, **options), steps, first_step=first_step)
        torch.manual_seed(3)
        self.net, self.rates, self.batches = nn.Linear(2, 1), [], []

    def losses(self, batch, step):
        self.rates.append(self.trainer.optimizers[0].param_groups[0]["lr"])
        self.batches.append((step, float(batch[0, 0])))
        return super().losses(batch, step)


def test_averaged_weights_are_what_is_left_and_the_start_is_soon_forgotten(tmp_path):
    class Watched(Rated):
        def on_train_batch_end(self, *args):
            self.seen = [*getattr(self, "seen", []), self.net.weight.detach().clone()]

    module = Watched(4)
    train(module, tmp_path, EngineConfig(ema_decay=0.28))
    mean = module.seen[0]
    for decay, weight in zip((2 / 11, 3 / 12, 0.28), module.seen[1:], strict=True):
        mean = decay * mean + (1 - decay) * weight
    torch.testing.assert_close(module.net.weight.detach(), mean)
    assert not torch.equal(mean, module.seen[-1])


def test_a_run_that_was_killed_after_its_last_step_leaves_the_averaged_weights(tmp_path):
    whole, again = Toy(), Toy()
    train(whole, tmp_path, EngineConfig(ema_decay=0.75))
    train(again, tmp_path, EngineConfig(ema_decay=0.75))
    assert torch.equal(whole.net.weight, again.net.weight)
    kept = torch.load(tmp_path / "last.ckpt", weights_only=False)
    assert kept["global_step"] == 4 and not torch.equal(kept["current_model_state"]["net.weight"], again.net.weight)


def test_the_constant_rate_warms_up_stays_and_falls_to_zero(tmp_path):
    module = Rated(10, schedule="constant", decay_steps=4)
    train(module, tmp_path)
    wanted = [0.125, 0.25, 0.375, 0.5, 0.5, 0.5, 0.5, 0.375, 0.25, 0.125]
    assert module.rates == pytest.approx(wanted)
    cosine = [OptimizerConfig(1.0, warmup_steps=0).rate(step, 10) for step in (0, 5, 10)]
    assert cosine == pytest.approx([1.0, 0.51, 0.02])


class TwoPhases(Rated):
    """Four steps, then the rest, each under a schedule of its own."""

    def phase(self, step):
        return (0, 4) if step < 4 else (4, self.max_steps)


@pytest.mark.parametrize("options", [{}, {"schedule": "constant", "decay_steps": 2}])
def test_each_phase_has_the_rates_of_a_run_of_its_own(tmp_path, options):
    runs = {"both": TwoPhases(10, **options), "first": Rated(4, **options), "second": Rated(6, **options)}
    for name, module in runs.items():
        (tmp_path / name).mkdir()
        train(module, tmp_path / name)
    assert runs["both"].rates == pytest.approx(runs["first"].rates + runs["second"].rates)
    assert runs["both"].rates[4] < runs["both"].rates[5]  # warms up again


def test_a_checkpoint_goes_on_in_another_folder_under_another_schedule(tmp_path):
    """The branch has the trunk's weights and the rates that it would have had from the start."""
    trunk, through, branch = (
        Rated(6, schedule="constant"),
        Rated(9, schedule="constant", decay_steps=3),
        Rated(9, schedule="constant", decay_steps=3),
    )
    for name in ("trunk", "through", "branch"):
        (tmp_path / name).mkdir()
    train(trunk, tmp_path / "trunk", save_every=100)
    shutil.copy(tmp_path / "trunk" / "last.ckpt", tmp_path / "branch")
    train(branch, tmp_path / "branch")
    train(through, tmp_path / "through")
    assert branch.rates == pytest.approx([0.5, 1 / 3, 1 / 6])
    assert torch.equal(branch.net.weight, through.net.weight)
    assert not torch.equal(branch.net.weight, trunk.net.weight)
    assert (tmp_path / "trunk" / "last.ckpt").exists()


def test_first_step_counts_batches_rates_and_lines_on(tmp_path):
    module = Rated(9, first_step=5, schedule="constant", decay_steps=2)
    train(module, tmp_path)
    assert module.batches == [(step, step + 1.0) for step in range(5, 9)]
    assert module.rates == pytest.approx([0.125, 0.25, 0.375, 0.25])
    assert json.loads((tmp_path / "metrics.jsonl").read_text().splitlines()[-1])["step"] == 9
    with pytest.raises(ValueError, match=r"last.ckpt is of a run with first_step=5, not 0"):
        train(Rated(9), tmp_path)


def test_a_run_that_is_told_to_end_saves_the_step_that_it_is_in(tmp_path):
    class Told(Rated):
        def losses(self, batch, step):
            if step == 2:
                os.kill(os.getpid(), signal.SIGTERM)
            return super().losses(batch, step)

    whole, again = Rated(6), Rated(6)
    (tmp_path / "whole").mkdir()
    train(whole, tmp_path / "whole")
    with pytest.raises(SystemExit) as ended:
        train(Told(6), tmp_path, save_every=100)
    assert ended.value.code == 143
    train(again, tmp_path, save_every=100)
    assert [step for step, _ in again.batches] == [3, 4, 5]
    assert torch.equal(again.net.weight, whole.net.weight)


def test_a_validation_is_no_time_of_the_training(monkeypatch):
    now = iter([1.0, 3.0, 6.0, 10.0, 10.0])
    monkeypatch.setattr("dualmod.training.callbacks.time.perf_counter", lambda: next(now))
    timer = WaitTimer()
    timer.step_ended()
    timer.start("train_dataloader_next")
    timer.stop("train_dataloader_next")
    assert timer.share == pytest.approx(3 / 9)
    timer.leave_out(4)
    assert timer.share == pytest.approx(3 / 5)


@pytest.mark.parametrize("slow", ["data", "network"])
def test_the_share_of_time_that_is_spent_waiting_for_data(slow, tmp_path):
    class Slow(Toy):
        def losses(self, batch, step):
            time.sleep(0.3 * (slow == "network"))
            return super().losses(batch, step)

    def batch(step: int) -> torch.Tensor:
        time.sleep(0.3 * (slow == "data"))
        return torch.ones(4, 2)

    share = train(Slow(), tmp_path, batch_of_step=batch).data_share
    assert (share > 0.5) == (slow == "data")
    row = json.loads((tmp_path / "metrics.jsonl").read_text().splitlines()[-1])
    assert row["data_share"] == pytest.approx(share, abs=0.1)


def test_the_learning_rate_is_linear_in_the_batch_where_a_base_is_given():
    assert OptimizerConfig(learning_rate=1e-3).for_batch(64).learning_rate == 1e-3
    assert OptimizerConfig(learning_rate=1e-3, base_batch=16).for_batch(64).learning_rate == pytest.approx(4e-3)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: EngineConfig(precision="16"), "engine.precision=16 is not legal: it must be one of 32, bf16"),
        (lambda: EngineConfig(compile="inducer"), "engine.compile=inducer is not legal: it must be empty or one of"),
        (lambda: OptimizerConfig(schedule="wsd"), "optimizer.schedule=wsd is not legal: it must be one of cosine, con"),
        (
            lambda: OptimizerConfig(decay_steps=5),
            "optimizer.decay_steps=5 is not legal: it must be 0 with optimizer.sch",
        ),
        (
            lambda: OptimizerConfig(schedule="constant", decay_steps=5).check_steps(9, 5),
            "optimizer.decay_steps=5 is not legal: it must be at most 4, the run's steps",
        ),
        (lambda: EngineConfig(ema_decay=1.0), r"engine.ema_decay=1.0 is not legal"),
        (lambda: EngineConfig(accumulate=4).check_split(20, Ranks(count=2)), "batch_size=20 is not legal.* 8"),
    ],
)
def test_engines_that_cannot_run_are_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()
