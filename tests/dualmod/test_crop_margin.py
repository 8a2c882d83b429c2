"""The side of the crop over that of the hand's box is the checkpoint's, wherever a network of it looks at a hand."""

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from dualmod import evaluate as evaluate_stage
from dualmod import predict as predict_stage
from dualmod import pretrain as pretrain_stage
from dualmod.checkpoints.checkpoint import load_network, save_network
from dualmod.checkpoints.released import POSE_FILES
from dualmod.deploy.checks import check_renders
from dualmod.deploy.graphs import graph_of
from dualmod.deploy.int8 import calibration_inputs
from dualmod.export import ExportModelConfig, _notes
from dualmod.geometry.crop import box_longer_side
from dualmod.inference import top_down
from dualmod.inference.predictor import Predictor
from dualmod.inference.test_time_augmentation import with_views
from dualmod.network.model import DualModalityNet, NetworkConfig
from dualmod.pretrain import PretrainConfig

BOX = np.array([30.0, 20.0, 120.0, 90.0])
SIDE = 90.0
OTHER = 1.75


@pytest.fixture(params=[1.3, 2.2])
def margin(request: pytest.FixtureRequest) -> float:
    return request.param


@pytest.fixture
def checkpoint(tiny_config: NetworkConfig, tmp_path: Path, margin: float) -> Path:
    torch.manual_seed(0)
    save_network(tmp_path / "net.safetensors", DualModalityNet(replace(tiny_config, crop_margin=margin)), {})
    return tmp_path / "net.safetensors"


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    path = tmp_path / "photo.png"
    cv2.imwrite(str(path), np.random.default_rng(0).integers(0, 255, (120, 160, 3), dtype=np.uint8))
    return path


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch) -> Callable[[], np.ndarray]:
    """Sides in pixels of the crops that networks have seen so far, in their order."""
    sides: list[np.ndarray] = []
    whole = Predictor._predict_batch

    def noted(self: Predictor, images, matrices: np.ndarray, handedness):
        sides.append(self.net.config.image_size / np.sqrt(np.linalg.det(matrices[:, :, :2])))
        return whole(self, images, matrices, handedness)

    monkeypatch.setattr(Predictor, "_predict_batch", noted)
    return lambda: np.concatenate(sides)


def test_a_predictor_takes_the_networks_margin_unless_told_another(checkpoint, margin, seen):
    images = [np.zeros((120, 160, 3), np.uint8)]
    for given, expected in ((None, margin), (OTHER, OTHER)):
        loaded = Predictor.load(checkpoint, "cpu", crop_margin=given)
        direct = Predictor(load_network(checkpoint), torch.device("cpu"), crop_margin=given)
        for predictor in (loaded, direct, with_views(loaded, 2)):
            assert predictor.crop_margin == expected
            found = predictor.predict(images, BOX[None], ["right"])
            assert found.crop_sides_px == pytest.approx(expected * SIDE)
        assert seen()[-2:] == pytest.approx([expected * SIDE, 1.1 * expected * SIDE])  # the second look's zoom is 1.1


@pytest.mark.parametrize("name", POSE_FILES)
def test_the_released_networks_see_what_they_did(name):
    photo = np.random.default_rng(1).integers(0, 255, (30, 40, 3), dtype=np.uint8)
    photo = cv2.resize(photo, (200, 150), interpolation=cv2.INTER_CUBIC)
    own, first, other = (
        Predictor.load(POSE_FILES[name], "cpu", crop_margin=given).predict([photo], BOX[None])
        for given in (None, 1.6, 1.3)
    )
    for field in ("joints_px", "joints_depth", "confidence", "right_probability", "masks"):
        np.testing.assert_allclose(getattr(own, field), getattr(first, field), atol=1e-5)
    assert np.abs(own.joints_px - other.joints_px).max() > 0.1


@pytest.mark.parametrize("given", [0.0, OTHER])
def test_predict_crops_with_it_and_says_so(checkpoint, margin, photo, tmp_path, seen, given):
    options = [f"crop_margin={given}"] if given else []
    common = [f"checkpoint={checkpoint}", f"input={photo}", "views=1", *options]
    assert predict_stage.main([*common, "box=30,20,120,90", f"out={tmp_path}/box"]) == 0
    expected = given or margin
    assert seen() == pytest.approx(expected * SIDE)
    assert json.loads((tmp_path / "box/summary.json").read_text())["crop_margin"] == expected


def test_windows_and_second_looks_are_crops_with_it(checkpoint, margin, photo, tmp_path, monkeypatch):
    asked = []
    whole = Predictor.predict

    def noted(self, images, boxes_px, handedness=None):
        asked.append((self.crop_margin, boxes_px))
        return whole(self, images, boxes_px, handedness)

    monkeypatch.setattr(Predictor, "predict", noted)
    given = [f"checkpoint={checkpoint}", f"input={photo}", "views=1"]
    assert predict_stage.main([*given, "detector=windows", f"out={tmp_path}/windows"]) == 0
    assert box_longer_side(asked[0][1])[0] == pytest.approx(160 / margin), "the first window is the whole photo"
    assert predict_stage.main([*given, "detector=released", f"out={tmp_path}/detector"]) == 0
    assert {found for found, _ in asked} == {margin}


def test_depth_is_read_in_the_crop_that_the_network_saw(checkpoint, margin, photo, tmp_path, monkeypatch):
    asked = []
    whole = top_down.skin_depth
    monkeypatch.setattr(top_down, "skin_depth", lambda *a, **k: asked.append(k["crop_margin"]) or whole(*a, **k))
    np.save(tmp_path / "depth.npy", np.full((120, 160), 0.5, np.float32))
    given = [f"checkpoint={checkpoint}", f"input={photo}", "box=30,20,120,90", "K=200,200,80,60"]
    assert predict_stage.main([*given, f"depth={tmp_path}/depth.npy", f"out={tmp_path}/o"]) == 0
    assert asked == [margin]


@pytest.fixture
def root(photo: Path, tmp_path: Path) -> Path:
    """A set of two such photos whose labelled boxes are ``BOX``."""
    (tmp_path / "real/toy").mkdir(parents=True)
    for k in range(2):
        shutil.copy(photo, tmp_path / f"real/toy/{k}.png")
    np.savez(
        tmp_path / "real/toy/annotations.npz",
        files=np.array(["0.png", "1.png"]),
        split=np.array(["test"] * 2),
        uv=np.random.default_rng(0).uniform(30, 90, (2, 21, 2)),
        vis=np.ones((2, 21), np.uint8),
        xyz=np.full((2, 21, 3), np.nan),
        K=np.full((2, 3, 3), np.nan),
        hand=np.array(["R", "?"]),
        label=np.array(["gt2d"] * 2),
        bbox=np.stack([BOX] * 2),
    )
    return tmp_path / "real"


@pytest.mark.parametrize("given", [0.0, OTHER])
def test_evaluate_crops_with_it_and_says_so(checkpoint, margin, root, tmp_path, given):
    common = [f"checkpoint={checkpoint}", f"root={root}", "dataset=toy", "bootstrap=0", f"crop_margin={given}"]
    for options in (["views=1"], ["views=2"], ["detector=windows"]):
        assert evaluate_stage.main([*common, *options, "overwrite=true", f"out={tmp_path}/o"]) == 0
        told = json.loads((tmp_path / "o/metrics.json").read_text())["toy"]
        assert told["crop_margin"] == (given or margin)
        with np.load(tmp_path / "o/predictions.npz") as found:
            if "detector=windows" not in options:
                assert found["crop_sides_px"] == pytest.approx((given or margin) * SIDE)


def test_an_exported_file_says_it_and_is_checked_and_calibrated_with_it(checkpoint, margin, tiny_data):
    graph = graph_of(load_network(checkpoint), depth=False)
    notes = _notes(ExportModelConfig(checkpoint=str(checkpoint), out="m.onnx"), graph, checkpoint)
    assert notes["crop_margin"] == margin
    joints_uv = check_renders(3, graph.net.config).joints_uv
    sides = (joints_uv.amax(1) - joints_uv.amin(1)).amax(1)
    torch.testing.assert_close(sides, torch.full((3,), 1 / margin))
    seen = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("dualmod.deploy.int8.plain_crops", lambda hands, side, used: seen.append(used) or _Nothing())
        calibration_inputs(graph, str(tiny_data), 2)
    assert seen == [margin]


def test_pretraining_takes_photos_without_poses_for_crops_with_it(checkpoint, margin, tiny_data, tmp_path, monkeypatch):
    asked = []

    def noted(method, hands, augment, **named):
        asked.append(augment.crop_margin)
        raise KeyboardInterrupt

    monkeypatch.setattr(pretrain_stage, "step_batches", noted)
    with pytest.raises(KeyboardInterrupt):
        pretrain_stage.pretrain(PretrainConfig(data=str(tiny_data), out=str(tmp_path / "o"), init=str(checkpoint)))
    assert asked == [margin]


class _Nothing:
    """A batch whose pixels nobody looks at."""

    rgb = torch.zeros(2, 3, 64, 64)
