"""Evaluation with a predictor that knows the answer: numbers, files, handedness, errors."""

import json
from dataclasses import replace
from types import SimpleNamespace

import cv2
import numpy as np
import pytest

from dualmod import evaluate as stage
from dualmod.checkpoints.checkpoint import save_network
from dualmod.data.image_sets import open_labelled
from dualmod.evaluate import EvaluateConfig, evaluate, evaluate_network, main
from dualmod.geometry.crop import crop_side_px
from synth.common.config import compose_config
from tests.dualmod.data.readers.written import freihand

K = np.array([[300.0, 0, 64], [0, 300, 64], [0, 0, 1]])
COUNT = 6


@pytest.fixture
def root(tmp_path):
    """Two sets of the same hands: one with 3D labels and handedness, one with neither."""
    rng = np.random.default_rng(2)
    joints_cam = rng.normal(0, 0.03, (COUNT, 21, 3)) + np.array([0, 0, 0.5])
    joints_cam[:, 9] = joints_cam[:, 0] + [0.02, -0.09, 0.01]
    projected = joints_cam @ K.T
    uv = projected[..., :2] / projected[..., 2:]
    for name, is_full in (("full", True), ("flat", False)):
        (tmp_path / "real" / name / "images").mkdir(parents=True)
        for k in range(COUNT):
            cv2.imwrite(str(tmp_path / "real" / name / f"images/{k}.png"), np.full((128, 128, 3), 90, np.uint8))
        np.savez(
            tmp_path / "real" / name / "annotations.npz",
            files=np.array([f"images/{k}.png" for k in range(COUNT)]),
            split=np.array(["test"] * COUNT),
            uv=uv.astype(np.float32),
            vis=np.ones((COUNT, 21), np.uint8),
            xyz=joints_cam if is_full else np.full_like(joints_cam, np.nan),
            K=np.stack([K] * COUNT) if is_full else np.full((COUNT, 3, 3), np.nan),
            hand=np.array(["L", "L", "R", "R", "R", "R"] if is_full else ["?"] * COUNT),
            label=np.array(["gt3d" if is_full else "gt2d"] * COUNT),
            allow_pickle=False,
        )
    return tmp_path / "real"


class KnowingPredictor:
    """Right where the hand is said to be, or found to be, the one it is; always finds "right"."""

    batch_size, crop_margin = 1, 1.6

    def __init__(self, root):
        self.full = open_labelled(root, "full")

    def predict(self, images, boxes_px, handedness=None):
        truth = self.full
        depth = truth.joints_cam[..., 2] - truth.joints_cam[:, 9, None, 2]
        bone_m = np.linalg.norm(truth.joints_cam[:, 9] - truth.joints_cam[:, 0], axis=-1)
        taken = np.array([h if h != "unknown" else "right" for h in handedness or ["right"] * COUNT])
        wrong = taken != np.array(truth.handedness)
        return SimpleNamespace(
            joints_px=truth.joints_px + 500.0 * wrong[:, None, None],
            joints_depth=depth / bone_m[:, None],
            confidence=np.full((COUNT, 21), 0.5),
            right_probability=np.full(COUNT, 0.9),
            crop_sides_px=np.array([crop_side_px(b, 1.6) for b in boxes_px]),
        )


def test_headline_is_predicted_and_given_stands_beside(root):
    metrics = evaluate_network(KnowingPredictor(root), open_labelled(root, "full"), bootstrap=50).metrics
    told = metrics.to_json()
    assert told["handedness"] == "predicted" and told["num_images"] == COUNT
    assert told["handedness_accuracy"] == pytest.approx(4 / 6, abs=1e-6)
    assert told["pck_box@0.05"] == pytest.approx(4 / 6, abs=1e-6) and told["given"]["pck_box@0.05"] == 1
    assert told["given"]["epe_mm"] < 0.01 < told["epe_mm"]
    assert told["given"]["auc_3d_20_50"] == 1 and "true intrinsics" in told["given_for_3d"]


def test_every_interval_is_over_blocks(root):
    """Of two blocks of three images a third of one is right, and all of the other: the interval ends at these."""
    labelled = replace(open_labelled(root, "full"), blocks=np.repeat([4, 2], 3))
    predictor = KnowingPredictor(root)
    by_image, by_block = (
        evaluate_network(predictor, of, bootstrap=200).metrics.to_json()
        for of in (open_labelled(root, "full"), labelled)
    )
    assert (by_image["num_blocks"], by_block["num_blocks"]) == (COUNT, 2)
    assert by_block["interval_95"]["pck_box@0.1"] == pytest.approx([1 / 3, 1], abs=1e-6)
    low, high = by_block["interval_95"]["epe_mm"]
    assert low < 0.01 and high == pytest.approx(2 * by_block["epe_mm"], rel=1e-3)  # it is all in the first block
    assert by_image["interval_95"]["epe_mm"] != by_block["interval_95"]["epe_mm"]
    one = evaluate_network(predictor, replace(labelled, blocks=np.zeros(COUNT, int)), bootstrap=20).metrics.to_json()
    for told in (one, one["given"]):
        assert set(map(tuple, told["interval_95"].values())) == {(None, None)}


@pytest.mark.parametrize(("handedness", "expected"), [("given", 1.0), ("predicted", 4 / 6)])
def test_one_kind_of_handedness_alone(root, handedness, expected):
    metrics = evaluate_network(KnowingPredictor(root), open_labelled(root, "full"), handedness=handedness).metrics
    assert metrics.scores["pck_crop@0.05"].value == pytest.approx(expected)
    assert metrics.extras["handedness"] == handedness and "given" not in metrics.extras


def test_sets_without_3d_or_handedness_have_no_such_numbers(root):
    result = evaluate_network(KnowingPredictor(root), open_labelled(root, "flat"), bootstrap=0)
    told = result.metrics.to_json()
    assert "epe_mm" not in told and "given" not in told and told["handedness_accuracy"] is None
    assert told["interval_95"]["auc_2d"] == [None, None]
    np.testing.assert_allclose(result.joints_cam[:, 9], 0)  # root-relative: nothing absolute is known


def test_files_of_a_run(root, tmp_path, monkeypatch):
    checkpoint = tmp_path / "model.safetensors"
    checkpoint.touch()
    loaded = []
    monkeypatch.setattr(
        stage, "Predictor", SimpleNamespace(load=lambda *a, **k: loaded.append((a, k)) or KnowingPredictor(root))
    )
    config = EvaluateConfig(
        checkpoint=str(checkpoint),
        dataset="full, flat",
        root=str(root),
        out=str(tmp_path / "out"),
        crop_margin=1.4,
        bootstrap=20,
    )
    metrics = evaluate(config)
    assert set(metrics) == {"full", "flat"} and loaded[0][1] == {"crop_margin": 1.4}
    told = json.loads((tmp_path / "out/metrics.json").read_text())
    assert set(told) == {"full", "flat"} and told["full"] == metrics["full"].to_json()
    assert told["full"]["crop_margin"] == 1.6 and told["full"]["num_blocks"] == COUNT
    with np.load(tmp_path / "out/predictions.npz") as found:
        assert found["files"].shape == (2 * COUNT,) and list(found["dataset"][[0, -1]]) == ["full", "flat"]
        assert found["joints_px"].shape == (2 * COUNT, 21, 2) and found["confidence"].shape == (2 * COUNT, 21)
        truth = open_labelled(root, "full").joints_cam
        np.testing.assert_allclose(found["joints_cam"][2:COUNT], truth[2:], atol=1e-4)
    sheet = cv2.imread(str(tmp_path / "out/overlays.jpg"))
    assert sheet.shape[0] == 2 * 192 and (tmp_path / "out/config.yaml").exists()


def test_a_public_dataset_is_measured_where_it_lies(tmp_path, tiny_net):
    """A reader's path in place of a name, no root, fewer images than there are, and FreiHAND's own metrics."""
    (tmp_path / "data").mkdir()
    freihand(tmp_path / "data")
    save_network(tmp_path / "net.safetensors", tiny_net, {})
    given = [f"checkpoint={tmp_path}/net.safetensors", f"dataset=freihand:{tmp_path}/data", f"out={tmp_path}/out"]
    assert main([*given, "split=train", "max_images=1", "bootstrap=0"]) == 0
    told = json.loads((tmp_path / "out/metrics.json").read_text())["freihand"]
    assert told["num_images"] == 1 and "MANO" in told["definition"] and told["handedness_accuracy"] in (0, 1)
    scores = told["freihand"]
    assert set(scores) == {"mpjpe_mm", "auc_0_50", "pa_mpjpe_mm", "pa_auc_0_50"}
    assert scores["mpjpe_mm"] > scores["pa_mpjpe_mm"] > 0
    assert scores["pa_mpjpe_mm"] <= told["pa_mpjpe_mm"] + 1e-3  # the official alignment may mirror besides


@pytest.mark.parametrize(
    ("override", "told"),
    [
        ("dataset=freehand:x", "there is no reader freehand"),
        ("dataset=freihand:/nowhere", "freihand:/nowhere is no folder"),
        ("dataset=full,full", "one entry of each name"),
        ("max_images=-1", "max_images=-1"),
        ("crop_margin=0.4", "crop_margin=0.4 is not legal: it must be 0.5 to 10, or left out"),
        ("crop_margin=nan", "crop_margin=nan"),
        ("handedness=left", "handedness=left"),
        ("bootstrap=-1", "bootstrap=-1"),
        ("dataset=nothing", "dataset=nothing is not in root"),
        ("root=/nowhere", "root=/nowhere does not exist"),
        ("checkpoint=/nowhere.safetensors", "checkpoint=/nowhere.safetensors does not exist"),
    ],
)
def test_errors_are_one_line(root, tmp_path, capsys, override, told):
    checkpoint = tmp_path / "model.safetensors"
    checkpoint.touch()
    given = [f"checkpoint={checkpoint}", "dataset=full", f"root={root}", f"out={tmp_path / 'out'}"]
    given = [g for g in given if g.split("=")[0] != override.split("=")[0]]
    assert main([*given, override]) == 1
    error = capsys.readouterr().err
    assert error.startswith("handbridge evaluate: ") and error.count("\n") == 1 and told in error
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("preset", ["demo", "laptop", "paper"])
def test_presets_compose(preset):
    given = ["checkpoint=a", "dataset=b", "root=c", "out=d", f"preset={preset}"]
    assert compose_config("evaluate", EvaluateConfig, given).bootstrap > 0
