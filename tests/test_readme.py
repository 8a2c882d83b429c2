"""The commands of docs/stages.md and the README run, one after the other, at a size that takes seconds."""

import shutil
from pathlib import Path

import cv2
import pytest

from distill.targets.simulated import SimulatedTargetConfig, lay_out
from handbridge.cli import main
from tests.test_docs import README, STAGES_PAGE, blocks, handbridge_words

SETS = ("ntu_real", "hagrid", "ti1k", "sign_digits", "webcam")
ELSEWHERE = {
    "demo": "it serves until it is stopped: tests/handbridge/demo",
    "variants=factors": "a minute even at this size; test_docs.py composes it, and another line runs ablate",
    "variants=methods": "two minutes, and the same",
}
"""Words of commands that are not run here, and why."""

RENDERS = ["num_samples=24", "image_size=64", "shard_size=12", "workers=1"]
NETWORK = [
    "network.image_size=64",
    "network.rgb.backbone=mobilenetv3_small_050",
    "network.rgb.weights=",
    "network.depth.backbone=mobilenetv3_small_050",
    "network.decoder_width=16",
]
TRAINING = ["max_steps=2", "loader_workers=0", "threads=1"]
PRETRAINING = [*TRAINING, *NETWORK, "batch_size=4"]
ADAPTATION = [*TRAINING, "source_batch_size=2", "target_batch_size=4", "alarm.on=false"]
FINDING = [*TRAINING, "held_out_scenes=4"]
SMALL = {
    "generate": RENDERS,
    "pretrain": PRETRAINING,
    "adapt": ADAPTATION,
    "upper-bound": [*TRAINING, "source_batch_size=2", "target_batch_size=4"],
    "pretrain-detector": [*FINDING, "network.image_size=64", "batch_size=2"],
    "adapt-detector": [*FINDING, "source_batch_size=2", "target_batch_size=2"],
}
"""Options by verb in place of those of the README."""


def of_stages(*verbs: str) -> list[str]:
    """The same, forwarded by a verb that runs other ones."""
    return [f"{verb}.{option}" for verb in verbs for option in SMALL[verb]]


SMALL |= {
    "pipeline": ["seeds=[0]", *of_stages("generate", "pretrain", "adapt")],
    "ablate": ["seeds=[0]", *of_stages("generate", "pretrain")],
}


@pytest.fixture
def at_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder to work in, with all that the README takes as given: photos, and labelled sets beside it."""
    home, drafts = tmp_path / "handbridge", tmp_path / "drafts"
    home.mkdir()
    monkeypatch.chdir(home)
    assert main(["generate", f"out={drafts}", *RENDERS]) == 0
    for name in SETS:
        lay_out(SimulatedTargetConfig(str(drafts), str(tmp_path / "shared" / "real" / name), test_share=0.5))
    images = tmp_path / "shared" / "real" / SETS[0] / "images"
    shutil.copytree(images, home / "photos")
    (home / "photos_without_hands").mkdir()
    for index, path in enumerate(sorted(images.iterdir())[:4]):
        shutil.copy(path, home / "photo.jpg")
        cv2.imwrite(str(home / "photos_without_hands" / f"{index}.jpg"), cv2.imread(str(path))[::-1])
    return home


def test_the_commands_of_the_readme_run(at_home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pages = (STAGES_PAGE, README)
    lines = [line for page in pages for block in blocks(page, "sh") for line in block.splitlines()]
    lines = list(dict.fromkeys(lines))
    commands = handbridge_words(lines)
    assert len(commands) > 25
    failed = []
    for verb, *given in commands:
        if ELSEWHERE.keys() & {verb, *given}:
            continue
        small = SMALL.get(verb, [])
        replaced = {option.split("=")[0] for option in small}
        options = [option for option in given if option.split("=")[0] not in replaced]
        status = main([verb, *options, *small])
        if status != 0:
            failed.append((verb, *options, *small, capsys.readouterr().err[-500:]))
    assert failed == []
