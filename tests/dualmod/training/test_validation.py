"""Measuring while training: nothing of the training moves, and the numbers are those of evaluate."""

import json
from dataclasses import replace

import pytest
import torch
from safetensors.torch import load_file

from dualmod.checkpoints.checkpoint import load_network, read_notes
from dualmod.data.image_sets import open_labelled
from dualmod.evaluate import evaluate_network
from dualmod.inference.predictor import Predictor
from dualmod.pretrain import main, pretrain
from dualmod.training.loop import EngineConfig
from dualmod.training.validation import MEASURED, ValidationConfig, code_commit
from tests.dualmod.test_pretrain import NETWORK, config

FROZEN = replace(NETWORK, rgb=replace(NETWORK.rgb, frozen_stages=2))


def lines(out):
    return [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]


@pytest.mark.parametrize("ema_decay", [0.0, 0.9])
def test_weights_are_the_same_with_and_without_and_numbers_are_those_of_evaluate(tiny_data, tmp_path, ema_decay):
    engine = EngineConfig(ema_decay=ema_decay)
    plain = load_file(pretrain(config(tiny_data, tmp_path / "plain", network=FROZEN, engine=engine)))
    asked = ValidationConfig(data=str(tiny_data), every=4)
    model = pretrain(config(tiny_data, tmp_path / "run", network=FROZEN, engine=engine, validation=asked))
    watched = load_file(model)
    assert watched.keys() == plain.keys() and all(torch.equal(watched[name], plain[name]) for name in plain)

    rows = [row for row in lines(tmp_path / "run") if "views" in row]
    assert [(row["step"], row["views"]) for row in rows] == [(4, 12), (6, 18)]
    net = load_network(model)
    predictor = Predictor(net, torch.device("cpu"), crop_margin=net.config.crop_margin)
    wanted = evaluate_network(predictor, open_labelled("", f"renders:{tiny_data}"), bootstrap=0).metrics.to_json()
    for name in MEASURED:  # the layout of the weights in memory differs, and with it the last digit
        assert rows[-1][f"validation_{name}"] == pytest.approx(wanted[name], rel=1e-5)
        assert rows[-1][f"validation_given_{name}"] == pytest.approx(wanted["given"][name], rel=1e-5)
    assert rows[-1]["validation_handedness_accuracy"] == wanted["handedness_accuracy"]
    assert rows[0]["validation_epe_mm"] != rows[1]["validation_epe_mm"]


def test_the_weights_that_were_measured_are_left_in_16_bits(tiny_data, tmp_path):
    asked = ValidationConfig(data=str(tiny_data), every=4, samples=5)
    settings = {"engine": EngineConfig(ema_decay=0.5), "validation": asked}
    model = load_file(pretrain(config(tiny_data, tmp_path / "run", **settings)))
    kept = tmp_path / "run" / "averaged.safetensors"
    held, notes = load_file(kept), read_notes(kept)
    assert any(tensor.dtype == torch.float16 for tensor in held.values())
    assert all(torch.equal(held[name], model[name].to(held[name].dtype)) for name in model)
    assert (notes["step"], notes["views"], notes["commit"]) == (6, 18, code_commit())
    assert notes["config"]["network"]["image_size"] == 64 and notes["hand_model"] and notes["licence_notes"]
    assert notes["validation_pck_box@0.1"] == lines(tmp_path / "run")[-1]["validation_pck_box@0.1"]
    assert not list((tmp_path / "run").glob("*.partial*"))


def test_a_dataset_that_is_not_there_ends_the_run_before_it_starts(tiny_data, tmp_path, capsys):
    given = [f"data={tiny_data}", f"out={tmp_path}/run", "validation.every=5", f"validation.data={tmp_path}/nowhere"]
    assert main([*given, "network.rgb.weights=", "network.image_size=64"]) == 1
    assert "nowhere does not exist" in capsys.readouterr().err and not (tmp_path / "run").exists()
