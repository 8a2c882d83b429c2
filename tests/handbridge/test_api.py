"""The public Python API: lazy, the numbers of the command line, and arguments that are checked."""

import doctest
import importlib
import json
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

import handbridge
from dualmod.detection.detector import HandBox
from handbridge import cli
from handbridge.estimator import HandEstimator
from synth.dataset import SampleStore

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def photo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("photo")
    handbridge.generate("rgb=ideal", out=str(folder / "renders"), num_samples=1, image_size=224, workers=1, seed=5)
    cv2.imwrite(str(folder / "photo.png"), SampleStore(folder / "renders")[0].rgb[..., ::-1])
    return folder / "photo.png"


@pytest.fixture(scope="module")
def estimator() -> HandEstimator:
    return handbridge.load(device="cpu")


def run(code: str, **options: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=options.get("cwd", ROOT))
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_importing_is_light_and_every_name_is_there() -> None:
    code = "import sys, handbridge; print([m for m in ('torch', 'numpy', 'hydra', 'cv2') if m in sys.modules])"
    assert run(code).strip() == "[]"
    assert set(handbridge.__all__) <= set(dir(handbridge))
    assert all(getattr(handbridge, name) is not None for name in handbridge.__all__)
    with pytest.raises(AttributeError, match="no attribute 'laod'"):
        handbridge.laod  # type: ignore[attr-defined]  # noqa: B018


def test_the_estimator_gives_the_numbers_of_predict(photo: Path, estimator: HandEstimator, tmp_path: Path) -> None:
    assert cli.main(["predict", f"input={photo}", f"out={tmp_path / 'out'}", "device=cpu"]) == 0
    (told,) = json.loads((tmp_path / "out" / "photo.json").read_text())["hands"]
    pixels = cv2.imread(str(photo))[..., ::-1]
    for image in (photo, str(photo), Image.open(photo), np.ascontiguousarray(pixels)):
        (hand,) = estimator(image)
        np.testing.assert_allclose(hand.joints_px, told["joints_px"], atol=0.0051)
        np.testing.assert_allclose(hand.joints_cam, told["joints_cam"], atol=0.0000051)
        assert hand.confidence == pytest.approx(told["confidence"], abs=0.000051)
        assert (hand.handedness, hand.scale) == (told["handedness"], told["scale"])
    drawn = cv2.imread(str(tmp_path / "out" / "photo.jpg"))[..., ::-1].astype(int)
    assert np.abs(hand.draw().astype(int) - drawn).mean() < 3


def test_what_is_known_of_the_camera_is_used(photo: Path, estimator: HandEstimator) -> None:
    K = np.array([[300.0, 0, 112], [0, 300, 112], [0, 0, 1]])
    (hand,) = estimator(photo, K=K, bone_m=0.09)
    np.testing.assert_allclose(np.linalg.norm(hand.joints_cam[9] - hand.joints_cam[0]), 0.09, rtol=1e-4)
    projected = hand.joints_cam @ K.T
    np.testing.assert_allclose(projected[:, :2] / projected[:, 2:], hand.joints_px, atol=0.01)


@pytest.mark.parametrize(
    ("arguments", "error", "told"),
    [
        ({"image": 3}, TypeError, "image must be a path, a PIL image or a numpy array, got int"),
        ({"image": np.zeros((32, 32, 3))}, TypeError, r"image must hold bytes \(uint8\), got float64"),
        ({"image": np.zeros((32, 32), np.uint8)}, ValueError, r"image must be \[height, width, 3\].*got \[32, 32\]"),
        ({"image": "nowhere.jpg"}, FileNotFoundError, "image must be a file, got 'nowhere.jpg'"),
        ({"box_px": (10, 10, 5, 20)}, ValueError, r"box_px must be x0, y0, x1, y1 .* got \[10, 10, 5, 20\]"),
        ({"box_px": (900, 900, 950, 950)}, ValueError, "lies outside the photo of 64 x 64 px"),
        ({"K": np.eye(2)}, ValueError, "K must be a 3x3 matrix"),
        ({"handedness": "both"}, ValueError, "handedness must be predicted, left or right, got 'both'"),
        ({"bone_m": 85}, ValueError, "bone_m must be 0.04 to 0.15 metres, got 85"),
        ({"min_confidence": 1.0}, ValueError, "min_confidence must be from 0 to below 1, got 1.0"),
    ],
)
def test_wrong_arguments_are_named(estimator: HandEstimator, arguments: dict, error: type, told: str) -> None:
    with pytest.raises(error, match=told):
        estimator(**{"image": np.zeros((64, 64, 3), np.uint8), **arguments})


def test_unsure_hands_can_be_left_out_and_a_side_be_given(photo: Path, estimator: HandEstimator) -> None:
    assert estimator(photo, min_confidence=0.999) == []
    assert {estimator(photo, handedness=side)[0].handedness for side in ("left", "right")} == {"left", "right"}


def test_as_many_hands_are_returned_as_were_asked_for_at_most(monkeypatch: pytest.MonkeyPatch, photo: Path) -> None:
    opened = handbridge.load(device="cpu", hands=2, views=1)
    boxes = [HandBox(np.array([20.0, 20, 120, 120]) + 30 * k, 0.9 - 0.1 * k, 0.5) for k in range(3)]
    monkeypatch.setattr("dualmod.inference.box_refinement.RefinedDetector.find", lambda self, images: [boxes[::-1]])
    assert [hand.box_px.tolist() for hand in opened(photo)] == [box.box_px.tolist() for box in boxes[:2]]


def test_wrong_options_are_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="crop_margin"):
        handbridge.load(crop_margin=0.1)
    with pytest.raises(ValueError, match="views must be 1 to 9, got 0"):
        handbridge.load(views=0)
    with pytest.raises(ValueError, match="num_sample"):
        handbridge.generate(out=str(tmp_path / "x"), num_sample=3)
    assert not (tmp_path / "x").exists()


@pytest.mark.parametrize("name", ["handbridge", "handbridge.estimator", "handbridge.stages"])
def test_the_examples_of_docstrings_run(name: str) -> None:
    found = doctest.testmod(importlib.import_module(name))
    assert found.attempted > 1 and found.failed == 0


def test_a_hydra_app_of_somebody_else_can_call_it(tmp_path: Path) -> None:
    """With a package ``configs`` and a group of its own, which ours must neither take nor disturb."""
    (tmp_path / "configs").mkdir()
    (tmp_path / "configs" / "__init__.py").write_text("")
    (tmp_path / "configs" / "app.yaml").write_text("num_samples: 2\n")
    (tmp_path / "app.py").write_text(
        "import hydra, handbridge\n"
        "from hydra.core.global_hydra import GlobalHydra\n"
        "@hydra.main(version_base='1.3', config_path='configs', config_name='app')\n"
        "def main(config):\n"
        "    made = handbridge.generate(out='renders', num_samples=config.num_samples, image_size=64, workers=1)\n"
        "    assert GlobalHydra.instance().is_initialized()\n"
        "    print(made.num_samples, hydra.core.hydra_config.HydraConfig.get().job.name)\n"
        "main()\n"
    )
    paths = f"sys.argv = ['app.py']; sys.path[:0] = [{str(ROOT)!r}]"
    code = f"import runpy, sys; {paths}; runpy.run_path('app.py', run_name='__main__')"
    assert run(code, cwd=str(tmp_path)).split() == ["2", "app"]
