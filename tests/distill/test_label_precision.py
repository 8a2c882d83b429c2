"""Precision of pseudo-labels against cases counted by hand, and on a labelled set at tiny size."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from distill.label_precision import SHARES, Measured, main, precision_of_kept
from distill.label_precision import summary as summarise
from distill.pseudo_labels.denoising import PseudoLabelConfig
from dualmod.checkpoints.checkpoint import save_network

RIGHT = np.array([[1, 1, 0], [1, 0, 0], [0, 0, 1], [1, 1, 1]], bool)
KNOWN = np.array([[1, 1, 1], [1, 1, 0], [0, 1, 1], [1, 1, 1]], bool)


def test_the_surest_photos_are_kept_and_only_labelled_joints_count() -> None:
    doubt = np.array([0.3, 0.1, 0.9, 0.2])
    assert precision_of_kept(RIGHT, KNOWN, doubt, 0.25) == 1 / 2  # photo 1
    assert precision_of_kept(RIGHT, KNOWN, doubt, 0.5) == 4 / 5  # and photo 3
    assert precision_of_kept(RIGHT, KNOWN, doubt, 1.0) == 7 / 10
    assert precision_of_kept(RIGHT, KNOWN, doubt, 0.01) == 1 / 2  # one photo at least


def test_a_summary_has_each_step_before_and_after() -> None:
    doubt = np.array([0.3, 0.1, np.nan, 0.2])
    measured = Measured(
        {"first pass": RIGHT, "angles": ~RIGHT}, {"temporal": doubt}, {"first pass": -1.0 * RIGHT}, KNOWN
    )
    found = summarise(measured, PseudoLabelConfig(temporal_share=0.34))
    assert found["corrections"] == {"first pass": 0.7, "angles": pytest.approx(0.3)} and found["num_photos"] == 4
    temporal = found["gates"]["temporal"]
    assert temporal["usual_share"] == 0.34 and temporal["usual"] == 1 / 2
    assert temporal["precision"][-1] == 6 / 8, "of the three photos that the gate knows"
    joints = dict(zip(SHARES.tolist(), found["gates"]["joints of first pass"]["precision"], strict=True))
    assert joints[0.1] == joints[0.5] == 1 and joints[1.0] == 0.7


@pytest.fixture
def options(tiny_net, toy_root: Path, tmp_path: Path) -> list[str]:
    checkpoint = tmp_path / "net.safetensors"
    save_network(checkpoint, tiny_net, {})
    return [f"checkpoint={checkpoint}", "dataset=toy", f"root={toy_root}", f"out={tmp_path / 'out'}", "batch_size=5"]


def test_a_set_of_photos_gives_the_file_and_the_figure(options, tmp_path: Path) -> None:
    assert main(options) == 0
    found = json.loads((tmp_path / "out" / "precision.json").read_text())["toy"]
    assert found["num_photos"] == 12 and set(found["corrections"]) > {"first pass", "second pass", "vote"}
    photo_gates = {"hands", "confidence", "spread", "agreement"}
    assert set(found["gates"]) == photo_gates | {"temporal", "joints of first pass", "joints of vote"}
    ends = {found["gates"][name]["precision"][-1] for name in photo_gates | {"joints of first pass"}}
    assert ends == {found["corrections"]["first pass"]}, "with all photos kept every gate is where it began"
    assert found["gates"]["joints of vote"]["precision"][-1] == found["corrections"]["vote"]
    picture = cv2.imread(str(tmp_path / "out" / "precision.png"))
    assert picture is not None and picture.std() > 10


def test_unlabelled_photos_are_refused(options, capsys: pytest.CaptureFixture) -> None:
    assert main([*options, "split=adapt"]) == 1
    assert "has no labelled image" in capsys.readouterr().err
