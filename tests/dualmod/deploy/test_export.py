"""The stage: what it refuses, in one line and with nothing left behind; and the example that needs none of us."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from dualmod import export
from dualmod.checkpoints.checkpoint import load_network
from dualmod.deploy.graphs import graph_of
from dualmod.deploy.int8 import calibration_inputs
from dualmod.inference.predictor import Predictor

EXAMPLE = Path(__file__).parents[3] / "examples" / "onnx_predict.py"


def refused(capsys, options: list[str]) -> str:
    """The one line that ``options`` end in."""
    assert export.main(options) == 1
    error = capsys.readouterr().err
    assert error.startswith("handbridge export-model: ") and error.count("\n") == 1
    return error


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ("format=tflite", "format=tflite is not legal: it must be onnx"),
        ("precision=fp16", "precision=fp16 is not legal: it must be fp32 or int8"),
        ("precision=int8", "precision=int8 needs calibration=FOLDER"),
        ("calibration=renders", "counts with precision=int8 only"),
        ("opset=11", "opset=11 is not legal: it must be 18 to 23"),
        ("out=model.pt", "out=model.pt is not legal: it must be a file whose name ends in .onnx"),
        ("checkpoint=/nowhere.safetensors", "checkpoint=/nowhere.safetensors does not exist"),
        ("calibration_images=0", "calibration_images=0"),
    ],
)
def test_bad_options(checkpoint, tmp_path, capsys, monkeypatch, given, told):
    monkeypatch.chdir(tmp_path)
    options = [f"checkpoint={checkpoint}", f"out={tmp_path}/new/model.onnx", given]
    assert told in refused(capsys, options)
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_exists_stays_as_it_is(checkpoint, tmp_path, capsys):
    (tmp_path / "mine.onnx").write_text("mine")
    assert "already exists" in refused(capsys, [f"checkpoint={checkpoint}", f"out={tmp_path}/mine.onnx"])
    assert (tmp_path / "mine.onnx").read_text() == "mine"


def test_a_damaged_checkpoint(tmp_path, capsys):
    (tmp_path / "model.safetensors").write_bytes(b"not weights at all")
    error = refused(capsys, [f"checkpoint={tmp_path}/model.safetensors", f"out={tmp_path}/model.onnx"])
    assert "no readable safetensors file" in error and not (tmp_path / "model.onnx").exists()


@pytest.mark.parametrize("package", ["onnx", "onnxruntime", "onnxscript"])
def test_a_missing_package_names_the_extra(checkpoint, tmp_path, capsys, monkeypatch, package):
    monkeypatch.setitem(sys.modules, package, None)
    error = refused(capsys, [f"checkpoint={checkpoint}", f"out={tmp_path}/model.onnx"])
    assert f"needs {package}" in error and "pip install 'handbridge[export]'" in error


@pytest.fixture
def no_tracing(monkeypatch, rgb_file):
    """The file that is there in place of a new one."""
    monkeypatch.setattr(export, "write_onnx", lambda graph, path, opset: shutil.copyfile(rgb_file, path))


def test_another_networks_graph_is_refused(checkpoint, tmp_path, capsys, monkeypatch, rgb_file):
    """The check sees a file that does not compute what the checkpoint does, and deletes it."""
    onnx = pytest.importorskip("onnx")

    def write_wrong(graph, path, opset):
        model = onnx.load(rgb_file)
        weight = next(entry for entry in model.graph.initializer if "decoder.head.bias" in entry.name)
        weight.CopyFrom(onnx.numpy_helper.from_array(onnx.numpy_helper.to_array(weight) + 0.01, weight.name))
        onnx.save(model, path)

    monkeypatch.setattr(export, "write_onnx", write_wrong)
    error = refused(capsys, [f"checkpoint={checkpoint}", f"out={tmp_path}/model.onnx"])
    assert "of the ONNX file is" in error and "nothing was written" in error
    assert list(tmp_path.iterdir()) == []


@pytest.mark.usefixtures("no_tracing")
def test_eight_bits_that_move_joints_too_far_are_refused(checkpoint, tiny_data, tmp_path, capsys, monkeypatch):
    """Calibrated on one grey: whatever a hand makes brighter or darker is cut off."""

    def grey(graph, folder, count):
        return tuple(0 * values + 0.5 for values in calibration_inputs(graph, folder, count))

    monkeypatch.setattr(export, "calibration_inputs", grey)
    options = [f"checkpoint={checkpoint}", f"out={tmp_path}/model.onnx", "precision=int8", f"calibration={tiny_data}"]
    error = refused(capsys, options)
    assert "% of the hand's box" in error and "64 held-out renders" in error
    assert list(tmp_path.iterdir()) == []


def test_photographs_calibrate_colour_and_nothing_else(checkpoint, tmp_path):
    for k in range(5):
        cv2.imwrite(str(tmp_path / f"{k}.png"), np.full((40, 60, 3), 40 * k, np.uint8))
    net = load_network(checkpoint)
    (rgb,) = calibration_inputs(graph_of(net, depth=False), str(tmp_path), 3)
    assert rgb.shape == (3, 3, 64, 64)
    np.testing.assert_allclose(rgb[:, 0, 32, 32].numpy(), [0, 80 / 255, 160 / 255], atol=1e-6)
    with pytest.raises(ValueError, match="has no depth"):
        calibration_inputs(graph_of(net, depth=True), str(tmp_path), 3)
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match="no dataset and no folder of photographs"):
        calibration_inputs(graph_of(net, depth=False), str(tmp_path / "empty"), 3)


@pytest.mark.parametrize("box", [(9.0, 12.0, 50.0, 40.0), (60.0, 20.0, 230.0, 200.0)])
def test_the_example_predicts_what_we_predict(checkpoint, rgb_file, tmp_path, box):
    """Twenty lines without torch and without this project, on a crop that grows and on one that shrinks."""
    source = EXAMPLE.read_text()
    assert len(source.splitlines()) <= 20 and "torch" not in source and "import handbridge" not in source
    photo = np.random.default_rng(0).integers(0, 255, (24, 32, 3), dtype=np.uint8)
    photo = cv2.resize(photo, (256, 192), interpolation=cv2.INTER_CUBIC)
    cv2.imwrite(str(tmp_path / "photo.png"), photo[..., ::-1])
    command = [sys.executable, str(EXAMPLE), str(rgb_file), str(tmp_path / "photo.png"), *map(str, box)]
    told = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    truth = Predictor.load(checkpoint, "cpu").predict([photo], np.array([box])).joints_px[0]
    np.testing.assert_allclose(np.array(json.loads(told)), truth, atol=0.06)  # it rounds to 0.1 px
