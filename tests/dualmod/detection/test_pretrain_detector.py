"""Training of the detector at tiny size: it learns, leaves its files, resumes exactly, and refuses bad input."""

import json

import pytest
import torch
from safetensors.torch import load_file

from dualmod import pretrain_detector as train
from dualmod.detection.batches import SceneBatches
from dualmod.detection.centernet_detector import CenterNetDetector
from dualmod.detection.copy_paste_scenes import Composer
from dualmod.detection.cutouts import Cutouts
from dualmod.detection.decode import DecodeConfig
from dualmod.detection.loss import DetectorLossConfig
from dualmod.detection.metrics import scene_scores
from dualmod.detection.scene_config import SceneConfig
from dualmod.pretrain_detector import PretrainDetectorConfig, main, pretrain_detector, scene_losses
from tests.dualmod.detection.conftest import TINY


def config(data, out, **changes) -> PretrainDetectorConfig:
    settings = {"max_steps": 6, "batch_size": 4, "save_every": 2, "loader_workers": 0, "threads": 1}
    settings |= {"network": TINY, "held_out_scenes": 8, "holdout": 0.1}
    return PretrainDetectorConfig(data=str(data), out=str(out), **{**settings, **changes})


def test_leaves_a_detector_metrics_and_the_config(tiny_data, tmp_path):
    model = pretrain_detector(config(tiny_data, tmp_path / "run"))
    files = {p.name for p in (tmp_path / "run").iterdir()}
    assert {"config.yaml", "metrics.json", "metrics.jsonl", "model.safetensors", "last.ckpt"} <= files
    rows = [json.loads(line) for line in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()]
    assert rows[-1]["step"] == 6 and {"heat", "size", "offset", "right"} <= rows[-1].keys()
    metrics = json.loads((tmp_path / "run" / "metrics.json").read_text())
    assert metrics["held_out_hands"] > 0 and metrics["steps"] == 6
    assert CenterNetDetector.load(model, "cpu").net.config.image_size == 64
    assert pretrain_detector(config(tiny_data, tmp_path / "run")) == model


def test_an_interrupted_run_ends_with_the_weights_of_a_whole_one(tiny_data, tmp_path, monkeypatch):
    whole = load_file(pretrain_detector(config(tiny_data, tmp_path / "whole")))
    true_losses = train.DetectorModule.losses

    def dying(self, batch, step):
        if step == 5:
            raise KeyboardInterrupt
        return true_losses(self, batch, step)

    monkeypatch.setattr(train.DetectorModule, "losses", dying)
    with pytest.raises((KeyboardInterrupt, SystemExit)):
        pretrain_detector(config(tiny_data, tmp_path / "cut"))
    assert torch.load(tmp_path / "cut" / "last.ckpt", weights_only=False)["global_step"] == 4
    monkeypatch.setattr(train.DetectorModule, "losses", true_losses)
    resumed = load_file(pretrain_detector(config(tiny_data, tmp_path / "cut")))
    assert resumed.keys() == whole.keys() and all(torch.equal(resumed[name], whole[name]) for name in whole)


def test_four_images_are_learned_until_their_hands_are_found(tiny_data, tiny_detector):
    config = SceneConfig(hands=[0, 1, 0, 0], min_box=0.3, max_box=0.7, strength=0.2, letterbox_share=0)
    batch = SceneBatches(Cutouts(tiny_data, 0.1), Composer(config, 64), batch_size=4, seed=2)(0)
    before = scene_scores(tiny_detector, batch, DecodeConfig())
    optimizer = torch.optim.AdamW(tiny_detector.parameters(), lr=4e-3)
    schedule = torch.optim.lr_scheduler.LinearLR(optimizer, 1.0, 0.02, total_iters=240)
    tiny_detector.train()
    for _ in range(240):
        optimizer.zero_grad()
        sum(scene_losses(tiny_detector, batch, DetectorLossConfig(right=1.0)).values()).backward()
        optimizer.step()
        schedule.step()
    after = scene_scores(tiny_detector, batch, DecodeConfig())
    assert before["held_out_recall"] < 0.5
    assert (after["held_out_recall"], after["held_out_precision"], after["held_out_right"]) == (1, 1, 1)


@pytest.mark.parametrize(
    ("option", "said"),
    [
        ("data={tmp}/none", "data="),
        ("background_dir={tmp}/none", "background_dir="),
        ("init={data}/manifest.json", "init="),
        ("scene.min_box=2", "scene.min_box=2"),
        ("network.image_size=100", "network.image_size=100"),
        ("batch_size=1", "batch_size=1"),
        ("scene.texture.cut=0.2", "scene.texture.cut=0.2"),
        ("decode.min_score=2", "decode.min_score=2"),
    ],
)
def test_bad_input_ends_in_one_line_before_work_starts(option, said, tiny_data, tmp_path, capsys):
    out = tmp_path / "run"
    options = [f"data={tiny_data}", f"out={out}", option.format(tmp=tmp_path, data=tiny_data)]
    assert main(options) == 1
    error = capsys.readouterr().err
    assert error.startswith(f"handbridge pretrain-detector: {said}") and error.count("\n") == 1
    assert not out.exists()
