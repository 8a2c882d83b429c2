"""Measures of a detector against hand-computed cases, and the stage on a made-up set."""

import json
from dataclasses import replace

import cv2
import numpy as np
import pytest
import torch

from dualmod.data.image_sets import open_labelled
from dualmod.detection.checkpoint import save_detector
from dualmod.detection.decode import DecodeConfig, Detections
from dualmod.detection.detector import HandBox
from dualmod.detection.metrics import _matched, photo_finds
from dualmod.evaluate_detector import EvaluateDetectorConfig, evaluate_detector, main, measured

TRUE_BOX = np.array([10.0, 10, 30, 30])


def box(shift: float, score: float, right: float = 0.9) -> HandBox:
    return HandBox(TRUE_BOX + np.array([shift, 0, shift, 0]), score, right)


def test_finds_are_compared_with_the_labelled_box():
    found = [[box(15, 0.9), box(5, 0.5)], [], [box(0, 0.4)]]
    finds = photo_finds(found, np.stack([TRUE_BOX] * 3))
    assert finds.best_iou == pytest.approx([15 / 25, 0, 1])
    assert finds.surest_iou == pytest.approx([5 / 35, 0, 1])
    assert finds.finds.tolist() == [2, 0, 1]


def test_each_find_counts_for_one_hand_and_left_out_hands_count_neither_way():
    boxes = torch.tensor([[0.0, 0, 10, 10], [40, 40, 60, 60]])
    left_out = torch.tensor([[80.0, 80, 90, 90]])
    seen = torch.tensor([[0.0, 0, 10, 9], [0, 0, 10, 8], [80, 80, 90, 90], [20, 20, 30, 30]])
    found = Detections(seen, torch.tensor([0.9, 0.8, 0.7, 0.6]), torch.tensor([0.2, 0.9, 0.9, 0.9]))
    wanted, finds, hits, overlap, right = _matched(found, boxes, torch.tensor([0.0, 1.0]), left_out)
    assert (wanted, finds, hits, right) == (2, 3, 1, 1) and overlap == pytest.approx(0.9)
    nothing = Detections(seen[:0], torch.zeros(0), torch.zeros(0))
    assert _matched(nothing, boxes, torch.zeros(2), left_out).tolist() == [2, 0, 0, 0, 0]
    assert _matched(found, boxes[:0], torch.zeros(0), boxes[:0]).tolist() == [0, 4, 0, 0, 0]


@pytest.fixture
def root(tmp_path):
    """A set ``toy`` of three photos with one labelled hand each, a right, a left and an unknown one."""
    folder = tmp_path / "real" / "toy"
    (folder / "images").mkdir(parents=True)
    files = np.array([f"images/{k}.png" for k in range(3)])
    for k, file in enumerate(files):
        cv2.imwrite(str(folder / file), np.full((40 + 10 * k, 50, 3), 90, np.uint8))
    uv = np.random.default_rng(0).uniform(10, 30, (3, 21, 2)).astype(np.float32)
    uv[:, 0], uv[:, 1] = 10, 30
    arrays = {"uv": uv, "vis": np.ones((3, 21), np.uint8), "xyz": np.full((3, 21, 3), np.nan, np.float32)}
    arrays |= {"K": np.full((3, 3, 3), np.nan), "hand": np.array(["R", "L", "?"]), "label": np.array(["gt2d"] * 3)}
    np.savez(folder / "annotations.npz", files=files, split=np.array(["test"] * 3), **arrays)
    return tmp_path / "real"


def test_shares_iou_and_sides_of_a_set(root):
    found = [[box(0, 0.9)], [box(0, 0.9, right=0.8), box(15, 0.2)], [box(15, 0.3)]]
    result = measured(open_labelled(root, "toy"), found, 100, 0)
    tied = replace(open_labelled(root, "toy"), blocks=np.zeros(len(found), int))
    assert (result["num_blocks"], measured(tied, found, 100, 0)["num_blocks"]) == (len(found), 1)
    assert result["iou"]["low"] is not None and measured(tied, found, 100, 0)["iou"]["low"] is None
    assert result["recall@0.5"]["value"] == pytest.approx(2 / 3, abs=1e-6)
    assert result["iou"]["value"] == pytest.approx((2 + 5 / 35) / 3, abs=1e-6)
    assert result["any_found"]["value"] == 1 and result["finds_per_photo"] == pytest.approx(4 / 3, abs=1e-4)
    assert result["handedness_accuracy"] == 0.5
    assert 0 <= result["recall@0.5"]["low"] <= 2 / 3 <= result["recall@0.5"]["high"] <= 1


def test_the_stage_leaves_metrics_and_overlays(root, tiny_detector, tmp_path):
    model = tmp_path / "model.safetensors"
    save_detector(model, tiny_detector, {})
    out = evaluate_detector(
        EvaluateDetectorConfig(str(model), "toy", str(tmp_path / "out"), str(root), decode=DecodeConfig(0.05))
    )
    metrics = json.loads((out / "metrics.json").read_text())
    assert metrics["toy"]["num_images"] == 3 and metrics["toy"]["ms_per_photo"] > 0
    assert cv2.imread(str(out / "overlays.jpg")).shape == (192, 8 * 192, 3)


def test_bad_input_is_one_line(root, tiny_detector, tmp_path, capsys):
    model = tmp_path / "model.safetensors"
    save_detector(model, tiny_detector, {})
    for options, said in [
        ([f"detector={tmp_path}/none", "dataset=toy"], "detector="),
        ([f"detector={model}", "dataset=toys"], "dataset=toys is not in root="),
    ]:
        assert main([*options, f"root={root}", f"out={tmp_path}/out"]) == 1
        error = capsys.readouterr().err
        assert error.startswith(f"handbridge evaluate-detector: {said}") and error.count("\n") == 1
