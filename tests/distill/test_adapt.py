"""Adaptation at tiny size: it runs, the control sees no photo, and no label of the target changes a bit."""

import json
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from distill.adapt import AdaptConfig, adapt, main
from distill.methods import Setting, options_class
from distill.methods.control import Options as Control
from distill.methods.self_distillation import Options as SelfDistillation
from distill.monitoring.collapse import AlarmConfig, CollapseError
from distill.pseudo_labels.denoising import PseudoLabelConfig
from dualmod.checkpoints.checkpoint import load_network, read_notes, save_network
from dualmod.data.image_sets import ANNOTATIONS
from synth.common.config import compose_config
from tests.dualmod.inference.test_video_run import written_video

METHODS = sorted(file.stem for file in (Path(__file__).parents[2] / "configs/adapt/method").glob("*.yaml"))


@pytest.fixture
def start(tiny_net, tmp_path):
    path = tmp_path / "start.safetensors"
    save_network(path, tiny_net, {})
    return path


@pytest.fixture
def photos(tmp_path):
    """A labelled set of noise photos in the layout of the real sets."""
    folder = tmp_path / "set"
    (folder / "images").mkdir(parents=True)
    rng = np.random.default_rng(0)
    files = [f"images/{k}.png" for k in range(5)]
    for name in files:
        cv2.imwrite(str(folder / name), rng.integers(0, 255, (80, 90, 3), dtype=np.uint8))
    labels = {"uv": rng.random((5, 21, 2)), "vis": np.ones((5, 21)), "hand": np.array(["L"] * 5)}
    np.savez(folder / ANNOTATIONS, files=np.array(files), split=np.array(["adapt"] * 5), **labels)
    return folder


def config(start, data, target, out, **changes) -> AdaptConfig:
    settings = {"max_steps": 2, "source_batch_size": 2, "target_batch_size": 2, "loader_workers": 0, "threads": 1}
    return AdaptConfig(
        checkpoint=str(start), source=str(data), target=str(target), out=str(out), **{**settings, **changes}
    )


@pytest.mark.parametrize("name", METHODS)
def test_weights_are_the_same_with_the_labels_gone(name, start, tiny_data, photos, tmp_path):
    required = ["checkpoint=c", "source=s", "target=t", "out=o", f"method={name}"]
    method = compose_config("adapt", AdaptConfig, required).method
    with_labels = load_file(adapt(config(start, tiny_data, photos, tmp_path / "a", method=method)))
    bare = tmp_path / "bare"
    shutil.copytree(photos / "images", bare)
    without = load_file(adapt(config(start, tiny_data, bare, tmp_path / "b", method=method)))
    assert all(torch.equal(with_labels[name], without[name]) for name in with_labels)
    assert any(not torch.equal(with_labels[name], value) for name, value in load_file(start).items())


def test_the_checkpoint_says_on_which_terms_it_learned(start, tiny_data, photos, tmp_path):
    notes = read_notes(adapt(config(start, tiny_data, photos, tmp_path / "a")))
    assert notes["fingertip_vertices"] and "skinning=lbs: the hands" in str(notes["licence_notes"])
    assert notes["licence_notes"][-1].startswith(f"target={photos.name}: under its own terms")
    control = adapt(config(start, tiny_data, photos, tmp_path / "b", method=Control()))
    assert "target=" not in str(read_notes(control)["licence_notes"])


def test_reports_what_the_gate_keeps(start, tiny_data, photos, tmp_path):
    for hand_weight in (0.0, 0.5):
        out = tmp_path / f"{hand_weight}"
        adapt(config(start, tiny_data, photos, out, method=SelfDistillation(hand_weight=hand_weight)))
        row = json.loads((out / "metrics.jsonl").read_text().splitlines()[-1])
        assert 0 < row["kept_share"] <= 1
        assert row["pseudo_label"] > 0
        assert row.get("pseudo_handedness", 0) > 0 or hand_weight == 0
        assert "pseudo_handedness" not in row or hand_weight > 0


def test_the_control_has_no_term_of_the_target(start, tiny_data, photos, tmp_path):
    adapt(config(start, tiny_data, photos, tmp_path / "a", method=Control()))
    row = json.loads((tmp_path / "a" / "metrics.jsonl").read_text().splitlines()[-1])
    assert "pseudo_label" not in row
    assert "supervision_rgb" in row


class Killed(BaseException):
    """Stands for a signal: nothing may handle it."""


@pytest.mark.parametrize("choice", ["beyond", "mean_teacher", "semihand", "regda", "cgac"])
def test_a_killed_run_goes_on_as_if_undisturbed(choice, start, tiny_data, photos, tmp_path, monkeypatch):
    """Teachers, adversarial heads, gates and alarms included; the alarm looks in every step and never trips."""
    easy = AlarmConfig(every=1, photos=2, sure_share=0, spread=0, teacher_gap=1e3, disagreement=1e3, bone_drift=1e3)
    easy.right_share = 1.0
    settings = {"max_steps": 3, "save_every": 1, "method": options_class(choice)(), "alarm": easy}
    whole = load_file(adapt(config(start, tiny_data, photos, tmp_path / "whole", **settings)))
    out = tmp_path / "killed"
    method_class = type(settings["method"].build(load_network(start), Setting(0, 3)))
    losses = method_class.losses

    def die(self, net, source, target, step):
        if step == 2:
            raise Killed
        return losses(self, net, source, target, step)

    monkeypatch.setattr(method_class, "losses", die)
    with pytest.raises(Killed):
        adapt(config(start, tiny_data, photos, out, **settings))
    monkeypatch.setattr(method_class, "losses", losses)
    resumed = load_file(adapt(config(start, tiny_data, photos, out, **settings)))
    assert all(torch.equal(whole[name], resumed[name]) for name in whole)
    assert any(not torch.equal(whole[name], value) for name, value in load_file(start).items())
    assert "watch_spread" in (out / "metrics.jsonl").read_text()


def test_an_alarm_stops_the_run_in_one_line_and_leaves_the_best_state(start, tiny_data, photos, tmp_path, capsys):
    """An alarm at the first look leaves the start, the only other state there is."""
    options = {"checkpoint": start, "source": tiny_data, "target": photos, "out": tmp_path / "o", "max_steps": 3}
    options |= {"source_batch_size": 2, "target_batch_size": 2, "loader_workers": 0, "threads": 1}
    options |= {"alarm.every": 1, "alarm.photos": 4, "alarm.sure_share": 1.5}
    for _ in range(2):  # a second call says it again, and does nothing more
        assert main([f"{key}={value}" for key, value in options.items()]) == 1
        line = capsys.readouterr().err.strip().splitlines()[-1]
        assert "collapse alarm at step 1: " in line and "look like a hand" in line and "of step 0" in line
    left, begun = load_file(tmp_path / "o" / "model.safetensors"), load_file(start)
    assert all(torch.equal(left[name], begun[name]) for name in begun)
    assert read_notes(tmp_path / "o" / "model.safetensors")["alarm"] in line


def test_a_loss_that_is_not_finite_leaves_the_best_state_too(start, tiny_data, photos, tmp_path, monkeypatch):
    method = SelfDistillation()
    made = type(method.build(load_network(start), Setting(0, 3)))
    monkeypatch.setattr(made, "losses", lambda *_: {"bad": torch.tensor(float("nan")), "_kept_share": torch.ones(())})
    with pytest.raises(CollapseError, match=r"not finite at step 0 .bad.*best state without labels, of step 0"):
        adapt(config(start, tiny_data, photos, tmp_path / "o", method=method))
    assert (tmp_path / "o" / "model.safetensors").is_file()


def test_several_targets_are_read_in_order_and_balanced(start, tiny_data, photos, tmp_path):
    other = tmp_path / "other"
    other.mkdir()
    shutil.copy(photos / "images" / "0.png", other / "x.png")
    target = f"{photos}, {other}"
    by_photo, by_set = (
        load_file(adapt(config(start, tiny_data, target, tmp_path / f"by_{b}", target_balance=b)))
        for b in ("photo", "set")
    )
    assert any(not torch.equal(by_photo[name], by_set[name]) for name in by_photo)


def test_a_video_is_a_target_whose_frames_agree_in_time(start, tiny_data, tmp_path):
    rng = np.random.default_rng(0)
    clip = written_video(tmp_path / "clip.mp4", rng.integers(0, 255, (6, 80, 96, 3), dtype=np.uint8))
    method = SelfDistillation(pseudo=PseudoLabelConfig(temporal=True))
    model = adapt(config(start, tiny_data, clip, tmp_path / "a", method=method))
    row = json.loads((tmp_path / "a" / "metrics.jsonl").read_text().splitlines()[-1])
    assert 0 <= row["kept_by_temporal"] <= 1 and read_notes(model)["photos"] == 6


def test_a_video_step_needs_numbered_neighbours(start, tiny_data, photos, tmp_path):
    bare = tmp_path / "bare"
    bare.mkdir()
    for name in ("a", "b"):
        shutil.copy(photos / "images" / "0.png", bare / f"{name}.png")
    method = SelfDistillation()
    method.pseudo.temporal = True
    with pytest.raises(
        ValueError, match="temporal=True is not legal: it must be false: no file has numbered neighbours"
    ):
        adapt(config(start, tiny_data, bare, tmp_path / "o", method=method))
    adapt(config(start, tiny_data, photos, tmp_path / "video", method=method))
    assert "kept_by_temporal" in (tmp_path / "video" / "metrics.jsonl").read_text()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"target": "nowhere"}, "target=nowhere does not exist"),
        ({"checkpoint": "nowhere.safetensors"}, "checkpoint=nowhere.safetensors does not exist"),
        ({"target_batch_size": "3"}, "target_batch_size=3 is not legal: it must be even"),
        ({"method": "magic"}, "method=magic is not legal: it must be one of beyond, cgac, control"),
        ({"method": "cgac", "method.pseudo.angles": "true"}, "method.pseudo.angles is no option of this stage"),
        ({"target_balance": "luck"}, "target_balance=luck is not legal: it must be one of photo, set"),
        ({"method.teacher_decay": "1"}, "method.teacher_decay=1.0 is not legal"),
    ],
)
def test_bad_options_end_in_one_line(changes, message, start, tiny_data, tmp_path, capsys):
    options = {"checkpoint": start, "source": tiny_data, "target": tmp_path, "out": tmp_path / "o", **changes}
    assert main([f"{key}={value}" for key, value in options.items()]) == 1
    lines = capsys.readouterr().err.strip().splitlines()
    assert len(lines) == 1
    assert message in lines[0]
    assert not (tmp_path / "o").exists()


def test_a_folder_without_images_is_refused(start, tiny_data, tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match="holds no image"):
        adapt(config(start, tiny_data, tmp_path / "empty", tmp_path / "o"))
