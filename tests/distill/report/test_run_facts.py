"""What a stage's checkpoint and config say of how it came about, in words and numbers."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from omegaconf import OmegaConf

from distill.report.run_facts import AFTER_ALARM, FIXED, GONE, SAVED, Facts, facts_rows, network_facts, stage_facts
from distill.report.runs import Evaluated, load_stages
from distill.transfer import TransferConfig, transfer
from dualmod.checkpoints.checkpoint import save_network
from dualmod.checkpoints.released import POSE_FILE
from dualmod.network.model import DualModalityNet

Write = Callable[..., Path]
Train = Callable[..., Path]
START = {"stage": "pretrain", "steps": 350, "seconds": 360.0, "hand_model": "open", "num_samples": 400}
ADAPTED = {"stage": "adapt", "start": START, "hand_model": "open", "num_samples": 400, "photos": 90, "target": "toy"}
ALARM = "collapse alarm at step 40: spread of the poses 0.100, at least 0.350. model.safetensors holds the best state"
STEP = {"max_steps": 150, "source_batch_size": 8, "target_batch_size": 24, "threads": 1}


@pytest.fixture
def trained(tiny_net: DualModalityNet, tmp_path: Path) -> Train:
    """A function that leaves a training's folder: a network with notes, and the options."""

    def leave(name: str, notes: dict[str, Any], config: dict[str, Any] | None = None) -> Path:
        folder = tmp_path / "trained" / name
        folder.mkdir(parents=True)
        save_network(folder / "model.safetensors", tiny_net, notes)
        if config:
            OmegaConf.save(OmegaConf.create(config), folder / "config.yaml")
        return folder / "model.safetensors"

    return leave


def facts_of(checkpoint: Path) -> Facts:
    return network_facts(Evaluated({}, {}, {"checkpoint": str(checkpoint)}))


def test_an_alarm_is_the_rule_and_its_step_is_that_of_the_kept_state(trained: Train) -> None:
    options = {**STEP, "method": {"name": "self_distillation"}}
    usual = facts_of(trained("usual", {**ADAPTED, "steps": 150, "seconds": 440.2}, options))
    stopped = facts_of(trained("stopped", {**ADAPTED, "steps": 30, "seconds": 88.0, "alarm": ALARM}, options))
    assert (usual.chosen_by, usual.alarm, usual.steps) == (FIXED, None, 150)
    assert (stopped.chosen_by, stopped.alarm, stopped.steps) == (AFTER_ALARM, ALARM, 30)
    assert usual.start is not None and (usual.start.chosen_by, usual.start.steps) == (FIXED, 350)
    rows = facts_rows(
        {0: usual, 1: stopped, 2: facts_of(trained("slow", {**ADAPTED, "steps": 150, "seconds": 500}, options))}
    )
    assert [(row.seeds, row.chosen_by, row.alarm) for row in rows] == [
        ([0, 2], "fixed number of steps", ""),
        ([1], "best label-free state after an alarm (step 30)", ALARM),
    ]
    assert rows[0].compute == "8 renders and 24 photographs a step, 440 to 500 s on 1 thread"
    assert (rows[0].steps, rows[0].images) == ("150, after 350", "400 renders and 90 photographs")
    assert rows[0].further == "adapt, on toy, open hand"


def test_the_control_learns_from_no_photograph_though_it_is_told_of_some(trained: Train) -> None:
    notes = {**ADAPTED, "steps": 150, "seconds": 300.0}
    facts = facts_of(trained("control", notes, {**STEP, "method": {"name": "control"}}))
    assert (facts.renders, facts.photos, facts.target) == (400, 0, None)
    assert facts.batch == {"renders": 20, "photos": 0}


def test_pretraining_counts_each_sample_as_often_as_it_is_in_a_step(trained: Train) -> None:
    options = {"max_steps": 350, "batch_size": 32, "threads": 0, "method": {}}
    (row,) = facts_rows({0: facts_of(trained("twice", START, options))})
    assert (row.compute, row.steps) == ("32 renders a step, 360 s on all cores", "350")


def test_a_network_of_a_fold_takes_the_options_of_its_training(trained: Train) -> None:
    file = trained("upper/fold-0", {"stage": "upper-bound", "start": START, "dataset": "toy", "photos": 45})
    OmegaConf.save(OmegaConf.create({**STEP, "method": {"depth_branch": True}}), file.parents[1] / "config.yaml")
    facts = facts_of(file)
    assert (facts.steps, facts.photos, facts.target, facts.seconds) == (150, 45, "toy", None)
    (row,) = facts_rows({0: facts})
    assert row.compute == "8 renders and 24 photographs a step"


def test_what_is_not_there_is_not_known() -> None:
    assert facts_of(Path("nowhere.safetensors")) == Facts(GONE)
    assert network_facts(Evaluated({}, {}, {"checkpoint": "", "predictions": "theirs.npz"})) == Facts(SAVED)
    assert facts_of(Path("released")).steps and POSE_FILE.is_file()


def test_the_page_says_the_alarm_and_the_rule_and_the_numbers_have_both(
    evaluated: Write, trained: Train, tmp_path: Path
) -> None:
    stopped = trained("adapted", {**ADAPTED, "steps": 0, "seconds": 88.0, "alarm": ALARM})
    runs = [evaluated("control", 3), evaluated("adapted", 2, checkpoint=stopped)]
    transfer(TransferConfig(runs=[str(r) for r in runs], out=str(tmp_path / "r.html"), bootstrap=10, gallery=0))
    page, numbers = (tmp_path / "r.html").read_text(), json.loads((tmp_path / "transfer.json").read_text())
    assert ALARM in page and "best label-free state after an alarm (step 0)" in page
    assert "fixed beforehand" not in page
    facts = numbers["facts"]["adapted"]["0"]
    assert (facts["chosen_by"], facts["alarm"], facts["steps"]) == (AFTER_ALARM, ALARM, 0)
    assert (facts["seconds"], facts["renders"], facts["photos"]) == (88.0, 400, 90)
    assert numbers["facts"]["control"]["0"]["chosen_by"] == GONE


def test_paths_are_taken_from_where_evaluate_was_run(
    evaluated: Write, trained: Train, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = evaluated("adapted", 2)
    trained("adapted", {**ADAPTED, "steps": 7})
    options = {"checkpoint": "trained/adapted/model.safetensors", "root": "real"}
    options["out"] = str((run / "evaluation").relative_to(tmp_path))
    OmegaConf.save(OmegaConf.create(options), run / "evaluation" / "config.yaml")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    (stage,) = load_stages([str(run)])
    assert stage_facts(stage)[0].steps == 7
    assert stage.of("toy")[0].path("real") == tmp_path / "real"
