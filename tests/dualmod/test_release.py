"""What comes along with the package: rounding moves nothing, the card is true, and a name stands for the file."""

import json
import re
from pathlib import Path

import pytest
import torch

from dualmod.checkpoints.checkpoint import load_network, read_notes, save_network
from dualmod.checkpoints.released import (
    DETECTOR_FILE,
    POSE_FILE,
    RELEASED,
    RELEASED_START,
    START_FILE,
    detector_file,
    pose_file,
)
from dualmod.detection.checkpoint import detector_notes, load_detector, save_detector
from dualmod.detection.network import DetectorNet, DetectorNetConfig
from dualmod.inference.predictor import Predictor
from dualmod.network.model import DualModalityNet
from dualmod.release import ReleaseConfig, largest_shift, main, release

CARD = Path(__file__).parents[2] / "docs" / "model_card.md"


@pytest.fixture
def networks(tiny_net, tmp_path) -> dict[str, str]:
    with torch.no_grad():
        for parameter in tiny_net.parameters():
            parameter.add_(1e-5)  # not a number of 16 bits
    save_network(tmp_path / "net.safetensors", tiny_net, {"stage": "adapt", "seed": 4})
    detector = DetectorNet(DetectorNetConfig(image_size=64, backbone="mobilenetv3_small_050", weights="", width=16))
    save_detector(tmp_path / "detector.safetensors", detector, {"stage": "pretrain-detector"})
    return {"checkpoint": str(tmp_path / "net.safetensors"), "detector": str(tmp_path / "detector.safetensors")}


def test_both_are_written_smaller_with_their_notes_and_predict_the_same(networks, tmp_path, capsys):
    pose, detector = release(ReleaseConfig(**networks, out=str(tmp_path / "out")))
    assert "; rounding moved no joint" in capsys.readouterr().out
    assert pose.stat().st_size < 0.7 * Path(networks["checkpoint"]).stat().st_size
    assert read_notes(pose) == {"stage": "adapt", "seed": 4}
    assert detector_notes(detector) == {"stage": "pretrain-detector"}
    net, rounded = load_network(networks["checkpoint"]), load_network(pose)
    assert 0 < largest_shift(net, rounded) < 0.005
    assert all(parameter.dtype == torch.float32 for parameter in rounded.parameters())
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["detector.safetensors", "pose.safetensors"]
    (tmp_path / "usual").touch()
    assert {file.stat().st_mode for file in (pose, detector)} == {(tmp_path / "usual").stat().st_mode}


def test_the_start_is_passed_on_too_where_it_is_given(networks, tmp_path, tiny_config):
    start = DualModalityNet(tiny_config).eval()
    save_network(tmp_path / "start.safetensors", start, {"stage": "pretrain"})
    made = release(ReleaseConfig(**networks, start=str(tmp_path / "start.safetensors"), out=str(tmp_path / "out")))
    assert [file.name for file in made] == ["pose.safetensors", "detector.safetensors", "start.safetensors"]
    assert read_notes(made[2]) == {"stage": "pretrain"} and largest_shift(start, load_network(made[2])) < 0.005
    assert largest_shift(load_network(networks["checkpoint"]), load_network(made[0])) < 0.005


def test_the_mean_of_several_from_one_start(tiny_net, networks, tmp_path, capsys):
    start = {"stage": "pretrain", "seed": 4}
    names = [tmp_path / f"{seed}.safetensors" for seed in range(3)]
    for seed, name in enumerate(names):
        with torch.no_grad():
            tiny_net.decoder.head.weight.fill_(seed**2 / 8)
        save_network(name, tiny_net, {"stage": "adapt", "steps": 3, "seed": seed, "seconds": 10 + seed, "start": start})
    several = networks | {"checkpoint": ",".join(map(str, names))}
    pose, _ = release(ReleaseConfig(**several, out=str(tmp_path / "out")))
    assert read_notes(pose) == {"stage": "adapt", "steps": 3, "start": start, "mean_of_seeds": [0, 1, 2]}
    head = load_network(pose).decoder.head.weight
    torch.testing.assert_close(head, torch.full_like(head, 5 / 24), rtol=1e-3, atol=0)
    save_network(names[2], tiny_net, {"stage": "adapt", "start": {"stage": "pretrain", "seed": 5}})
    options = [*(f"{key}={value}" for key, value in networks.items() if key != "checkpoint"), f"out={tmp_path / 'new'}"]
    assert main([*options, f"checkpoint={several['checkpoint']}"]) == 1
    assert "of the same network and start as" in capsys.readouterr().err and not (tmp_path / "new").exists()


def test_a_condition_goes_into_the_notes_of_every_file_once(networks, tmp_path, tiny_net):
    notes = {"licence_notes": ["a hand"], "start": {"licence_notes": ["a hand", "research alone"]}}
    save_network(tmp_path / "net.safetensors", tiny_net, notes)
    pose, detector = release(ReleaseConfig(**networks, licence="research alone", out=str(tmp_path / "out")))
    told = read_notes(pose)
    assert told["licence_notes"] == told["start"]["licence_notes"] == ["a hand", "research alone"]
    assert detector_notes(detector)["licence_notes"] == ["research alone"]


def test_files_that_are_there_stay(networks, tmp_path, capsys):
    out = tmp_path / "out"
    release(ReleaseConfig(**networks, out=str(out)))
    before = (out / "pose.safetensors").read_bytes()
    options = [*(f"{key}={value}" for key, value in networks.items()), f"out={out}"]
    assert main(options) == 1
    assert "without pose.safetensors, or overwrite=true" in capsys.readouterr().err
    assert (out / "pose.safetensors").read_bytes() == before
    assert main([*options, "overwrite=true"]) == 0
    assert largest_shift(load_network(networks["checkpoint"]), load_network(out / "pose.safetensors")) < 0.005


def test_a_network_that_16_bits_spoil_leaves_nothing(networks, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("dualmod.release.LARGEST_SHIFT", 0.0)
    assert main([*(f"{key}={value}" for key, value in networks.items()), f"out={tmp_path / 'out'}"]) == 1
    assert "fit for 16 bits" in capsys.readouterr().err and not list((tmp_path / "out").iterdir())


def test_networks_in_each_others_place_are_refused(networks, tmp_path, capsys):
    given = [f"checkpoint={networks['detector']}", f"detector={networks['checkpoint']}", f"out={tmp_path / 'out'}"]
    assert main(given) == 1 and "is a detector" in capsys.readouterr().err


def test_a_name_stands_for_the_released_networks():
    assert pose_file(RELEASED) == POSE_FILE and detector_file(RELEASED) == DETECTOR_FILE
    assert pose_file(RELEASED_START) == START_FILE
    with pytest.raises(FileNotFoundError, match="checkpoint=gone"):
        pose_file("gone")
    assert Predictor.load(pose_file(RELEASED)).net.config.image_size == load_network(POSE_FILE).config.image_size
    load_detector(DETECTOR_FILE)


def test_the_released_networks_name_their_hand_and_no_place_of_a_machine():
    for notes in (read_notes(POSE_FILE), read_notes(START_FILE), detector_notes(DETECTOR_FILE)):
        assert notes["hand_model"] == "open" and notes["licence_notes"]
        assert not re.search(r"/(home|root|tmp|work)/", json.dumps(notes))


def test_the_card_says_what_the_files_say():
    text, notes = CARD.read_text(), read_notes(POSE_FILE)
    assert all(f"`{name}`" in text for name in notes["target"].split(","))
    assert f"{notes['num_samples']:,}" in text and f"generator version {notes['generator_version']}" in text
    assert f"{notes['start']['steps']} steps" in text and f"{notes['steps']} steps" in text
    assert f"{detector_notes(DETECTOR_FILE)['steps']} steps" in text


def test_the_released_start_is_what_the_released_network_was_adapted_from():
    assert read_notes(START_FILE) == read_notes(POSE_FILE)["start"]
