"""What CONTRIBUTING.md says of versions is so: which formats are read, and which command converts."""

import dataclasses
import json
from pathlib import Path

import pytest
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from dualmod.checkpoints.checkpoint import DETECTOR_FORMAT, FORMAT, FORMER_FORMATS, KINDS, load_network, read_metadata
from dualmod.checkpoints.released import DETECTOR_FILE, POSE_FILE
from dualmod.detection.checkpoint import load_detector
from dualmod.inference.json_output import FORMAT as PREDICTION_FORMAT
from dualmod.release import ReleaseConfig, release
from synth.dataset import SampleStore
from synth.dataset.manifest import FORMAT_VERSION, GENERATOR_VERSION, MANIFEST_FILE
from synth.generate import GenerateConfig, generate

POLICY = (Path(__file__).parent.parent / "CONTRIBUTING.md").read_text()


def with_metadata(file: Path, out: Path, **changed: str) -> Path:
    """A copy of a checkpoint with other metadata."""
    with safe_open(file, framework="pt") as opened:
        metadata = opened.metadata()
    save_file(load_file(file), out, metadata | changed)
    return out


def test_the_policy_names_the_versions_of_today() -> None:
    versions = [*KINDS, *FORMER_FORMATS, PREDICTION_FORMAT]
    assert [name for name in versions if f"`{name}`" not in POLICY] == []
    assert f"`format_version` {FORMAT_VERSION} in" in POLICY and f"`generator_version` {GENERATOR_VERSION} in" in POLICY


@pytest.mark.parametrize("former", FORMER_FORMATS)
def test_release_converts_a_detector_of_a_former_name(former: str, tmp_path: Path) -> None:
    old = with_metadata(DETECTOR_FILE, tmp_path / "old.safetensors", format=former)
    made = release(ReleaseConfig(checkpoint="released", detector=str(old), out=str(tmp_path / "new")))
    detector = next(file for file in made if file.name == DETECTOR_FILE.name)
    with safe_open(detector, framework="pt") as opened:
        assert opened.metadata()["format"] == DETECTOR_FORMAT
    converted, released = load_detector(detector).state_dict(), load_detector(DETECTOR_FILE).state_dict()
    assert all((converted[name] == tensor).all() for name, tensor in released.items())


def test_a_network_without_newer_options_is_read_and_one_with_unknown_options_is_not(tmp_path: Path) -> None:
    config = json.loads(read_metadata(POSE_FILE)["network"])
    first = {key: value for key, value in config.items() if key not in ("crop_margin", "sides")}
    old = with_metadata(POSE_FILE, tmp_path / "old.safetensors", network=json.dumps(first))
    assert (load_network(old).config.crop_margin, load_network(old).config.sides) == (1.6, "right")
    newer = with_metadata(POSE_FILE, tmp_path / "newer.safetensors", network=json.dumps(config | {"wings": 2}))
    with pytest.raises(ValueError, match=r"does not fit this version.*wings"):
        load_network(newer)


def test_a_network_of_another_number_is_refused_with_it(tmp_path: Path) -> None:
    other = with_metadata(POSE_FILE, tmp_path / "other.safetensors", format=FORMAT[:-1] + "99")
    with pytest.raises(ValueError, match="format handbridge-network-99"):
        load_network(other)


def test_datasets_of_every_generator_version_are_read_but_not_continued(tmp_path: Path) -> None:
    config = GenerateConfig(out=str(tmp_path / "renders"), num_samples=2, image_size=64, workers=1)
    manifest = generate(config)
    assert manifest.config["num_samples"] == 2 and manifest.config["image_size"] == 64  # to render it anew
    file = tmp_path / "renders" / MANIFEST_FILE
    older = dataclasses.asdict(manifest) | {"generator_version": 1}
    del older["fingertip_vertices"], older["gesture_views"]  # which the first ones lack
    file.write_text(json.dumps(older))
    assert len(SampleStore(tmp_path / "renders")) == 2 and SampleStore(tmp_path / "renders")[1].rgb.shape == (64, 64, 3)
    with pytest.raises(ValueError, match="made by generator version 1, this is"):
        generate(config)
