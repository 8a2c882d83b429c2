"""Trainings as processes: what they cost, how they end, and that a real one leaves its model."""

import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from benchmarks.pretraining.runs import Run, Trainings
from benchmarks.pretraining.tables import Row, Stage
from dualmod.checkpoints.checkpoint import load_network
from tests.benchmarks.test_pretraining_compare import SMALL

STUB = """
import os, sys, time, pathlib
out = next(word[4:] for word in sys.argv if word.startswith("out="))
if "fail" in out:
    raise SystemExit("it went wrong")
if "sleep" in out:
    pathlib.Path(out).touch()
    time.sleep(60)
if os.fork() == 0:
    while time.process_time() < 0.3:
        pass
    os._exit(0)
os.wait()
while time.process_time() < 0.3:
    pass
"""


def test_process_time_is_that_of_the_training_and_its_own_processes(tmp_path):
    (tmp_path / "dualmod").mkdir()
    (tmp_path / "dualmod" / "__init__.py").touch()
    (tmp_path / "dualmod" / "pretrain.py").write_text(STUB)
    spent: list[float] = []
    Trainings()(["out=x"], tmp_path, tmp_path / "log", spent.append)
    assert 0.6 <= spent[0] < 1.5
    with pytest.raises(ValueError, match=r"^a training ended with status 1: it went wrong \(all of it: .*log\)$"):
        Trainings()([f"out={tmp_path}/fail"], tmp_path, tmp_path / "log", spent.append)
    assert len(spent) == 2


def test_trainings_that_are_told_to_end_are_waited_for_and_counted(tmp_path):
    (tmp_path / "dualmod").mkdir()
    (tmp_path / "dualmod" / "__init__.py").touch()
    (tmp_path / "dualmod" / "pretrain.py").write_text(STUB)
    trainings, spent = Trainings(), []
    with ThreadPoolExecutor(1) as pool:
        job = pool.submit(trainings, [f"out={tmp_path}/sleep"], tmp_path, tmp_path / "log", spent.append)
        while not (tmp_path / "sleep").exists():
            time.sleep(0.02)
        trainings.stop()
        with pytest.raises(ValueError, match="a training ended with status -15: it said nothing"):
            job.result(timeout=20)
    assert len(spent) == 1 and trainings._running == set()


@pytest.mark.slow
def test_a_real_training_leaves_its_model_and_its_seconds(tiny_data, tmp_path):
    run = Run(Row("a", (Stage((*SMALL, "device=cpu", "threads=1")),)), 3, (2,), 10.0)
    model = run.train(tmp_path, tiny_data, Trainings())
    assert model.is_file() and load_network(model).config.image_size == 64
    assert run.cpu_seconds(tmp_path) > 0.5 and run.folder(tmp_path).name == "seed-3"
