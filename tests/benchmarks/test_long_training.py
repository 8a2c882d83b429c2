"""The long training at tiny size: killed and resumed, stopped, gone on with from its committed file, and refused."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
import yaml
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from benchmarks.long import train
from benchmarks.long.curve import forget_after, notes_of, read_rows
from benchmarks.long.driver import Driver, Places
from benchmarks.long.settings import overrides, read_settings
from dualmod.pretrain import PretrainConfig, pretrain
from dualmod.training import validation
from synth.common.config import compose_config
from synth.generate import GenerateConfig, generate

ROOT = Path(__file__).resolve().parents[2]
SETTINGS = {
    "commit": "",
    "views": 36,
    "decayed_at": [24],
    "decay_share": 0.25,
    "validate_every": 12,
    "generate": {"image_size": 64, "shard_size": 12},
    "renders": {"num_samples": 24, "seed": 0, "workers": 1},
    "validation": {"num_samples": 6, "seed": 9, "workers": 1},
    "pretrain": {
        "method": "source_only", "seed": 0, "batch_size": 4, "holdout": 0.05, "save_every": 2, "loader_workers": 0,
        "threads": 1, "device": "cpu", "engine.ema_decay": 0.9, "optimizer.schedule": "constant",
        "optimizer.warmup_steps": 2, "network.image_size": 64, "network.rgb.backbone": "mobilenetv3_small_050",
        "network.rgb.weights": "", "network.rgb.frozen_stages": 0, "network.decoder_width": 16,
        "network.embedding_dims": 8, "network.depth.backbone": "mobilenetv3_small_050",
    },
}  # fmt: skip
DECAY = "optimizer.decay_steps=2"
STAGES = {
    "synth.generate": ("generate", GenerateConfig, generate),
    "dualmod.pretrain": ("pretrain", PretrainConfig, pretrain),
}


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository with the code as it is now in its one commit."""
    root = tmp_path_factory.mktemp("repository")
    for name in ("synth", "dualmod", "configs"):
        shutil.copytree(ROOT / name, root / name, ignore=shutil.ignore_patterns("__pycache__", "*.safetensors"))
    (root / ".gitignore").write_text("runs/\n__pycache__/\n*.nbi\n*.nbc\n")
    for words in (["init", "-q"], ["add", "-A"], ["-c", "user.name=a", "-c", "user.email=a@b", "commit", "-qm", "all"]):
        subprocess.run(["git", "-C", str(root), *words], check=True)
    return root


@pytest.fixture
def places(repository, tiny_data, tmp_path) -> Places:
    """A run's folder that has the renders already, and one for what is kept."""
    found = Places(repository, Path("runs") / tmp_path.name, tmp_path / "kept")
    found.kept.mkdir()
    shutil.copytree(tiny_data, found.folder / "renders")
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(SETTINGS))
    return found


NICENESS = 1
"""Of the runs in the background here: at 19 they would wait for all other tests."""
PATIENCE = 300
"""Seconds after which a run in the background counts as stuck."""


def words(places: Places, *more: str) -> list[str]:
    given = ["--config", places.kept.parent / "config.yaml", "--root", places.root, "--out", places.out]
    return [*map(str, given), "--kept", str(places.kept), "--niceness", str(NICENESS), *more]


def in_this_process(module, options, watch):
    stage, schema, function = STAGES[module]
    function(compose_config(stage, schema, options))
    watch()


def drive(places: Places, monkeypatch) -> list[dict]:
    """The whole training in this process; the rows of the curve."""
    monkeypatch.chdir(places.root)
    monkeypatch.setattr(validation, "code_commit", lambda: train._commit(places, "HEAD"))
    settings = read_settings(places.kept.parent / "config.yaml")
    Driver(settings, places, train.open_run(settings, places), in_this_process).drive()
    return read_rows(places.curve)


def equal(one: Path, other: Path) -> bool:
    a, b = load_file(one), load_file(other)
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


def wait_for(path: Path, places: Places) -> None:
    deadline = time.monotonic() + PATIENCE
    while not path.exists():
        assert time.monotonic() < deadline, (places.folder / "log").read_text()
        time.sleep(0.05)


def pid(places: Places) -> int:
    wait_for(places.folder / "pid", places)
    return int((places.folder / "pid").read_text())


def test_trunk_branch_and_trunk_again(places, monkeypatch, capsys):
    rows = drive(places, monkeypatch)
    assert [(row["kind"], row["views"]) for row in rows] == [
        ("trunk", 12), ("trunk", 24), ("decayed", 32), ("trunk", 36)
    ]  # fmt: skip
    head = subprocess.run(["git", "-C", str(places.root), "rev-parse", "HEAD"], capture_output=True, text=True)
    assert {row["commit"] for row in rows} == {head.stdout.strip()} and rows[2]["left_at"] == 24
    assert all({"validation_pck_box@0.1", "validation_given_pck_box@0.1", "seconds"} <= row.keys() for row in rows)
    assert notes_of(places.latest)["views"] == 36 and notes_of(places.decayed)["views"] == 32
    last = load_file(places.folder / "trunk_00000036" / "model.safetensors")
    with safe_open(places.latest, "np") as opened:
        assert str(places.out) not in json.dumps(opened.metadata()), "no path of this machine"
    held = load_file(places.latest)
    assert all(torch.equal(held[name], last[name].to(held[name].dtype)) for name in last)
    for folder, more in (("trunk_00000036", ["max_steps=9"]), ("decayed_00000024", ["max_steps=8", DECAY])):
        options = ["data=" + str(places.out / "renders"), f"out={places.out}/straight_{folder}", *more]
        straight = pretrain(compose_config("pretrain", PretrainConfig, [*overrides(SETTINGS["pretrain"]), *options]))
        assert equal(straight, places.folder / folder / "model.safetensors")
    for folder, steps in (("trunk_00000036", {9}), ("decayed_00000024", {8})):  # what came before is not done twice
        assert {row["step"] for row in read_rows(places.folder / folder / "metrics.jsonl")} == steps
    assert not equal(places.latest, places.decayed)
    assert (places.folder / "validation" / "manifest.json").exists()
    monkeypatch.setattr(sys.modules[__name__], "STAGES", {})  # nothing is left to do
    assert drive(places, monkeypatch) == rows
    assert train.main(words(places)) == 0 and "finished: 36 views" in capsys.readouterr().out


@pytest.mark.slow
def test_killed_and_stopped_it_ends_with_the_weights_of_an_undisturbed_run(places, tmp_path, monkeypatch, capsys):
    whole = Places(places.root, places.out.with_name("whole"), tmp_path / "whole")
    shutil.copytree(places.folder, whole.folder)
    whole.kept.mkdir()
    (whole.kept.parent / "config.yaml").write_text(yaml.safe_dump(SETTINGS))
    wanted = drive(whole, monkeypatch)
    shutil.copytree(whole.folder / "validation", places.folder / "validation")

    assert train.main(words(places)) == 0 and "started as process" in capsys.readouterr().out
    first = pid(places)
    assert (
        os.getpgid(first) == first
        and os.getpriority(os.PRIO_PROCESS, first) == os.getpriority(os.PRIO_PROCESS, 0) + NICENESS
    )
    assert train.main(words(places)) == 0
    assert f"runs as process {first}" in capsys.readouterr().out
    wait_for(places.folder / "trunk_00000024" / "last.ckpt", places)
    os.killpg(first, signal.SIGKILL)
    time.sleep(0.2)
    assert not (places.folder / "trunk_00000036").exists()

    train.main(words(places))
    wait_for(places.folder / "decayed_00000024" / "config.yaml", places)
    second = pid(places)
    os.kill(second, signal.SIGTERM)
    deadline = time.monotonic() + PATIENCE
    while (held := train._lock(places)) is None:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    os.close(held)
    assert not places.decayed.exists()

    assert (
        subprocess.run([sys.executable, "-m", "benchmarks.long.train", *words(places, "--drive")], cwd=ROOT).returncode
        == 0
    )
    rows = read_rows(places.curve)
    timed = {"seconds", "cpu_seconds"}
    assert [{k: v for k, v in row.items() if k not in timed} for row in rows] == [
        {k: v for k, v in row.items() if k not in timed} for row in wanted
    ]
    assert equal(places.latest, whole.latest) and equal(places.decayed, whole.decayed)


def test_on_a_new_machine_it_goes_on_from_the_committed_file(places, monkeypatch, tmp_path):
    drive(places, monkeypatch)
    kept = tmp_path / "committed"
    kept.mkdir()
    new = Places(places.root, places.out.with_name("new"), kept)
    new.folder.mkdir()
    shutil.copy(places.folder / "trunk_00000024" / "averaged.safetensors", new.latest)
    shutil.copy(places.curve, new.curve)
    forget_after(new.curve, 24)
    new.curve.write_text(new.curve.read_text().replace('"views": 24', '"views": 25').replace("decayed", "trunk"))
    (kept.parent / "config.yaml").write_text(yaml.safe_dump(SETTINGS))
    rows = drive(new, monkeypatch)
    assert [(row["kind"], row["views"]) for row in rows] == [("trunk", 12), ("decayed", 32), ("trunk", 36)]
    lines = read_rows(new.folder / "trunk_00000036" / "metrics.jsonl")
    assert [row["step"] for row in lines] == [9, 9] and not (new.folder / "trunk_00000024").exists()
    told = yaml.safe_load((new.folder / "trunk_00000036" / "config.yaml").read_text())
    assert told["first_step"] == 6 and told["init"].endswith("start.safetensors")
    asked = [json.loads((p.folder / "renders" / "manifest.json").read_text())["config"] for p in (places, new)]
    assert asked[1]["num_samples"] == 24 and asked[1]["seed"] == asked[0]["seed"] + 24, "renders not seen before"
    assert notes_of(new.latest)["views"] == 36 and not equal(new.latest, places.latest)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"views": 48}, "is of another training (views was 36, now 48)"),
        ({"commit": "HEAD"}, "is of another training (commit was"),
        ({"commit": "nowhere"}, "commit=nowhere is not in the repository"),
        ({"decayed_at": [25]}, "decayed_at=25 is not legal: it must be up to views and a multiple of the batch, 4"),
        ({"validation": {"seed": 0}}, "validation.seed=0 is not legal: it must be another seed than that of renders"),
        ({"veiws": 3}, "does not hold the settings of a long training"),
    ],
)
def test_what_does_not_fit_is_one_line(places, capsys, change, told):
    config = places.kept.parent / "config.yaml"
    train.open_run(read_settings(config), places)
    if change == {"commit": "HEAD"}:
        note = places.folder / "run.json"
        note.write_text(note.read_text().replace('"commit": "', '"commit": "0'))
    config.write_text(yaml.safe_dump({**SETTINGS, **change}))
    assert train.main(words(places)) == 1
    line = capsys.readouterr().err
    assert line.startswith("long-training: ") and line.count("\n") == 1 and told in line


def test_a_changed_checkout_or_the_weights_of_another_training_are_refused(places, capsys):
    train.open_run(read_settings(places.kept.parent / "config.yaml"), places)
    (places.checkout / "dualmod" / "pretrain.py").write_text("")
    assert train.main(words(places)) == 1
    assert "as it is, and is changed; delete it" in capsys.readouterr().err
    shutil.rmtree(places.folder)
    notes = {"step": 3, "views": 12, "commit": "", "config": {"batch_size": 4, "seed": 7, "method": {"repeats": 1}}}
    save_file({"a": torch.zeros(1)}, places.latest, {"notes": json.dumps(notes)})
    assert train.main(words(places)) == 1
    assert "latest.safetensors is of another training (pretrain.seed was 7, now 0)" in capsys.readouterr().err
    places.latest.write_bytes(b"cut")
    assert train.main(words(places)) == 1
    assert "holds no weights of a long training" in capsys.readouterr().err


def test_the_checkout_of_a_repository_that_is_gone_is_made_again(places):
    settings = read_settings(places.kept.parent / "config.yaml")
    commit = train.open_run(settings, places)
    (places.checkout / ".git").write_text("gitdir: /gone/worktrees/checkout\n")
    (places.checkout / "dualmod" / "pretrain.py").write_text("")
    assert train.open_run(settings, places) == commit
    assert (places.checkout / "dualmod" / "pretrain.py").read_text()


def test_the_settings_of_the_project_are_legal():
    settings = read_settings(ROOT / "benchmarks" / "long" / "config.yaml")
    options = ["data=a", "out=b", "max_steps=99999", *overrides(settings.pretrain)]
    config = compose_config("pretrain", PretrainConfig, options)
    assert config.optimizer.schedule == "constant" and config.engine.ema_decay == 0.999 and config.threads == 1
    assert settings.decay_steps(500_000) == 1562 and settings.steps(settings.validate_every) == 3125
