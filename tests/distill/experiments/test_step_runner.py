"""Steps that two processes share: each is run once, by whoever is free, and a killed process frees what it held."""

import multiprocessing
import os
import time
from dataclasses import dataclass
from multiprocessing.synchronize import Barrier
from pathlib import Path

import pytest
from omegaconf import OmegaConf
from rich.console import Console

from distill.experiments.step_runner import Step, read_times, run_steps


@dataclass
class Config:
    out: str
    die: str = ""


def work(cfg: Config) -> None:
    """Note who ran it, slowly enough for the other process to take the next."""
    out = Path(cfg.out)
    out.mkdir(parents=True, exist_ok=True)
    with (out / "runs").open("a") as runs:
        runs.write(f"{os.getpid()}\n")
    if cfg.die and not Path(cfg.die).exists():
        Path(cfg.die).touch()
        os._exit(9)
    time.sleep(0.8)
    OmegaConf.save(OmegaConf.structured(cfg), out / "config.yaml")
    (out / "product").touch()


def steps_in(out: Path, *, die: str = "") -> list[Step]:
    data = Step("data", Config(str(out / "data"), die), work, out / "data", out / "data" / "product", (), ())
    trained = [out / name for name in "abcd"]
    return [data, *(Step(p.name, Config(str(p)), work, p, p / "product", (), (data.product,)) for p in trained)]


def run_all(out: Path, die: str, start: Barrier) -> None:
    start.wait(60)
    run_steps(steps_in(out, die=die), out, Console(quiet=True))


@pytest.mark.parametrize("dies", [False, True])
def test_two_processes_share_the_steps_and_run_each_once(tmp_path: Path, dies: bool) -> None:
    out = tmp_path / "all"
    die = str(tmp_path / "died") if dies else ""
    context = multiprocessing.get_context("spawn")
    start = context.Barrier(2)
    workers = [context.Process(target=run_all, args=(out, die, start)) for _ in range(2)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(60)
    assert sorted(w.exitcode or 0 for w in workers) == ([0, 9] if dies else [0, 0])
    ran = {name: (out / name / "runs").read_text().split() for name in ("data", *"abcd")}
    assert [len(pids) for pids in ran.values()] == [2 if dies else 1, 1, 1, 1, 1]
    assert set(read_times(out)) == set(ran)
    if not dies:
        assert len({pid for pids in ran.values() for pid in pids}) == 2


def test_a_step_that_names_no_needs_waits_for_all_before_it(tmp_path: Path) -> None:
    order: list[str] = []

    def note(cfg: Config) -> None:
        order.append(Path(cfg.out).name)
        work(cfg)

    folders = [tmp_path / name for name in "xyz"]
    run_steps([Step(f.name, Config(str(f)), note, f, f / "product") for f in folders], tmp_path, Console(quiet=True))
    assert order == ["x", "y", "z"]
