"""Adaptation at tiny size: it runs, the control sees no photo, and no label of the target changes a bit."""

import json
import shutil

import cv2
import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from distill.adapt import AdaptConfig, AdaptModule, DistillConfig, adapt, main
from distill.target import TargetBatch
from dualmod.checkpoint import save_network
from dualmod.data.real import ANNOTATIONS
from dualmod.predictor import right_probability


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


def test_weights_are_the_same_with_the_labels_gone(start, tiny_data, photos, tmp_path):
    with_labels = load_file(adapt(config(start, tiny_data, photos, tmp_path / "a")))
    bare = tmp_path / "bare"
    shutil.copytree(photos / "images", bare)
    without = load_file(adapt(config(start, tiny_data, bare, tmp_path / "b")))
    assert all(torch.equal(with_labels[name], without[name]) for name in with_labels)
    assert any(not torch.equal(with_labels[name], value) for name, value in load_file(start).items())


def test_reports_what_the_gate_keeps(start, tiny_data, photos, tmp_path):
    for hand_weight in (0.0, 0.5):
        out = tmp_path / f"{hand_weight}"
        adapt(config(start, tiny_data, photos, out, method=DistillConfig(hand_weight=hand_weight)))
        row = json.loads((out / "metrics.jsonl").read_text().splitlines()[-1])
        assert 0 < row["kept_share"] <= 1
        assert row["pseudo_label"] > 0
        assert row.get("pseudo_handedness", 0) > 0 or hand_weight == 0
        assert "pseudo_handedness" not in row or hand_weight > 0


def test_the_control_has_no_term_of_the_target(start, tiny_data, photos, tmp_path):
    adapt(config(start, tiny_data, photos, tmp_path / "a", method=DistillConfig(use_target=False)))
    row = json.loads((tmp_path / "a" / "metrics.jsonl").read_text().splitlines()[-1])
    assert "pseudo_label" not in row
    assert "supervision_rgb" in row


def test_the_teacher_follows_the_student_by_its_decay(tiny_net):
    module = AdaptModule(tiny_net, AdaptConfig(checkpoint="", source="", target="", out=""))
    name, live = next(iter(module.net.named_parameters()))
    before = live.detach().clone()
    with torch.no_grad():
        live.add_(1.0)
    module.on_train_batch_end()
    expected = before + 1 - module.method.teacher_decay
    torch.testing.assert_close(dict(module.teacher.named_parameters())[name].detach(), expected)


def test_photos_are_taken_as_the_hand_that_the_teacher_sees(tiny_net):
    """Mirrored photos give the same labels, and the least sure share is left out."""
    module = AdaptModule(tiny_net, AdaptConfig(checkpoint="", source="", target="", out=""))
    torch.manual_seed(0)
    side = tiny_net.config.image_size
    weak, strong = torch.rand(10, 3, side, side), torch.rand(10, 3, side, side)
    target = TargetBatch(weak, strong, torch.eye(2, 3).expand(10, 2, 3), torch.ones(10))
    everything = torch.ones(10, dtype=torch.bool)
    with torch.no_grad():
        seen, first, sure = module._as_right_hands(module.teacher, target)
        seen_mirrored, first_mirrored, _ = module._as_right_hands(module.teacher, target.mirrored(everything))
        chances = right_probability(module.teacher(seen.weak), module.teacher(seen.weak.flip(-1)))
        plain = module.teacher(seen.weak)
    assert (chances >= 0.5).all()
    torch.testing.assert_close(first.joints_uv, plain.joints_uv, atol=1e-4, rtol=0)
    torch.testing.assert_close(seen_mirrored.weak, seen.weak)
    torch.testing.assert_close(seen_mirrored.strong, seen.strong)
    torch.testing.assert_close(first_mirrored.joints_uv, first.joints_uv, atol=1e-4, rtol=0)
    assert sure.sum() == 7
    assert chances[sure].min() >= chances[~sure].max()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"target": "nowhere"}, "target=nowhere does not exist"),
        ({"checkpoint": "nowhere.safetensors"}, "checkpoint=nowhere.safetensors does not exist"),
        ({"target_batch_size": "3"}, "target_batch_size=3 is not legal: it must be even"),
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
