"""The upper bound: labels in the frame of their crops, and no photo predicted by a network that has seen it."""

import json
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from distill.report.run_facts import noted_facts
from distill.targets.cross_fitting import FoldPredictor, fold_of_rows
from distill.targets.labelled import LabelledBatches, left_hands
from distill.upper_bound import UpperBoundConfig, UpperBoundModule, main, upper_bound
from dualmod.checkpoints.checkpoint import read_notes, save_network
from dualmod.data.augment import AugmentConfig
from dualmod.data.image_sets import LabelledImages, open_labelled
from dualmod.data.synthetic import PairedBatches, SyntheticHands
from dualmod.inference.predictor import Predictor
from dualmod.losses.supervision import SupervisionConfig
from dualmod.pretraining.objective import MethodConfig
from synth.common.conventions import LEFT, REFERENCE_BONE, RIGHT, UNKNOWN
from tests.distill.conftest import NUM_IMAGES

MARKED = 8


@pytest.fixture
def config(tiny_net, tiny_data, toy_root: Path, tmp_path: Path) -> UpperBoundConfig:
    tiny_net.config.crop_margin = 1.45
    save_network(tmp_path / "start.safetensors", tiny_net, {"stage": "pretrain"})
    return UpperBoundConfig(
        checkpoint=str(tmp_path / "start.safetensors"), source=str(tiny_data), dataset="toy", out=str(tmp_path / "out"),
        root=str(toy_root), max_steps=2, source_batch_size=2, target_batch_size=4, loader_workers=0, threads=1,
        device="cpu", method=MethodConfig(
            depth_branch=False, fused_branch=False, contrast=[],
            supervision=SupervisionConfig(heatmap_weight=0.2),  # the entropy of a target is what no learning takes away
        ),
    )  # fmt: skip


@pytest.fixture
def marked(tmp_path: Path) -> LabelledImages:
    """Two black photos, of a left and of an unknown hand, with a dot on one joint; the second has no 3D labels."""
    joints_px = np.stack([np.linspace([20, 30], [70, 60], 21), np.linspace([60, 20], [30, 70], 21)])
    visible = np.ones((2, 21), bool)
    visible[1, 3] = False
    joints_px[1, 3] = np.nan
    for row in range(2):
        image = np.zeros((90, 100, 3), np.uint8)
        x, y = joints_px[row, MARKED].round().astype(int)
        image[y - 1 : y + 2, x - 1 : x + 2] = 255
        cv2.imwrite(str(tmp_path / f"{row}.png"), image)
    joints_cam = np.random.default_rng(0).normal(0, 0.03, (2, 21, 3)) + np.array([0, 0, 0.5])
    joints_cam[1] = np.nan
    boxes = np.stack([np.concatenate([np.nanmin(j, 0), np.nanmax(j, 0)]) for j in joints_px])
    K = np.full((2, 3, 3), np.nan)
    return LabelledImages(
        "marked", tmp_path, ("0.png", "1.png"), joints_px, visible, joints_cam, K, (LEFT, UNKNOWN), boxes, "gt2d", "",
        np.arange(2),
    )  # fmt: skip


def test_labels_lie_where_the_crop_shows_them(marked):
    augment = AugmentConfig(crop_px=96, view_strength=0.0)
    batches = LabelledBatches([marked], [np.arange(2)], [np.array([True, False])], augment, batch_size=40, seed=0)
    batch = batches(3)
    shown = [row for row in range(40) if batch.joint_weight[row, MARKED] and batch.rgb[row].max() > 0.3]
    assert len(shown) > 30
    for row in shown:
        place = np.argwhere(batch.rgb[row, 0].numpy() > 0.5 * batch.rgb[row].max().item()).mean(0)[::-1]
        assert np.abs(place - (batch.joints_uv[row, MARKED].numpy() * 96 - 0.5)).max() < 1.5
    left = batch.has_side.numpy()
    assert 0 < left.sum() < 40 and (left == batch.has_depth.numpy()).all()
    # the left hand's wrist lies left of its dot in the photo, and right of it after mirroring
    upright = np.array([row for row in shown if left[row]])
    assert (batch.joints_uv[upright, 0, 0] > batch.joints_uv[upright, MARKED, 0]).float().mean() > 0.9
    start, end = REFERENCE_BONE
    labels = marked.joints_cam[0]
    depth = (labels[:, 2] - labels[9, 2]) / np.linalg.norm(labels[end] - labels[start])
    np.testing.assert_allclose(batch.joints_depth[left], np.tile(depth, (left.sum(), 1)), rtol=1e-5)
    assert not batch.joints_depth[~left].any() and not batch.joint_weight[~left, 3].any()
    assert torch.isfinite(batch.joints_uv).all()
    again = batches(3)
    assert torch.equal(again.rgb, batch.rgb) and not torch.equal(batches(4).rgb, batch.rgb)


def test_a_hand_without_a_label_is_what_the_start_network_sees(marked):
    labelled = replace(marked, handedness=(RIGHT, UNKNOWN))
    assert left_hands(labelled, np.array([0.1, 0.1])).tolist() == [False, True]
    assert left_hands(labelled, np.array([0.1, 0.9])).tolist() == [False, False]


def test_folds_are_blocks_and_only_chosen_rows_are_learned_from(marked):
    assert fold_of_rows(7, 3).tolist() == [0, 0, 0, 1, 1, 2, 2]
    sides = [np.array([True, False])]
    batch = LabelledBatches([marked], [np.array([1])], sides, AugmentConfig(crop_px=32), batch_size=8, seed=0)(0)
    assert not batch.has_side.any(), "row 0, of the left hand, is not among the rows"


class Constant:
    """Predicts its own number for every joint, and notes what it was asked."""

    def __init__(self, tiny_predictor, number: float) -> None:
        self.inner, self.number, self.asked = tiny_predictor, number, []

    def predict(self, images, boxes_px, handedness=None):
        self.asked.append((len(images), handedness))
        found = self.inner.predict(images, boxes_px, handedness)
        return replace(found, joints_px=np.full_like(found.joints_px, self.number))


def test_each_photo_is_predicted_by_the_network_of_its_fold(tiny_net, toy_root):
    labelled = open_labelled(toy_root, "toy")
    inner = Predictor(tiny_net, torch.device("cpu"))
    two = [Constant(inner, 0.0), Constant(inner, 1.0)]
    sides = list(labelled.handedness)
    found = FoldPredictor(two, fold_of_rows(NUM_IMAGES, 2)).predict(labelled.images, labelled.boxes_px, sides)
    assert found.joints_px[:, 0, 0].tolist() == [0.0] * 6 + [1.0] * 6
    assert two[0].asked == [(6, sides[:6])] and two[1].asked == [(6, sides[6:])]
    plain = inner.predict(labelled.images, labelled.boxes_px, sides)
    np.testing.assert_allclose(found.joints_depth, plain.joints_depth, atol=1e-5)


def test_labels_of_photos_are_learned(config, tiny_net, tiny_data, toy_root):
    module = UpperBoundModule(tiny_net, replace(config, frozen_statistics=False))
    labelled = open_labelled(toy_root, "toy")
    augment = AugmentConfig(crop_px=64)
    batches = LabelledBatches([labelled], [np.arange(8)], [np.zeros(NUM_IMAGES, bool)], augment, batch_size=8, seed=0)
    pair = PairedBatches(SyntheticHands(tiny_data), augment, steps=1, batch_size=2, seed=0)[0]
    module.on_train_start()
    optimizer = torch.optim.Adam(tiny_net.parameters(), 3e-3)
    values = []
    for step in range(40):
        terms = module.losses((pair, batches(0)), step)
        values.append(terms["photos"].item())
        optimizer.zero_grad()
        torch.stack(list(terms.values())).sum().backward()
        optimizer.step()
    assert values[-1] < 0.7 * values[0]
    assert terms["photos_handedness"] > 0


def test_a_run_leaves_a_network_for_each_fold_and_one_evaluation(config):
    metrics = upper_bound(config)
    out = Path(config.out)
    told = json.loads(metrics.read_text())
    assert told["toy"]["crop_margin"] == 1.45, "of the start, which the networks of the folds keep"
    with np.load(out / "evaluation" / "predictions.npz") as found:
        boxes_px = found["boxes_px"]
        sides_px = (boxes_px[:, 2:] - boxes_px[:, :2]).max(1)
        np.testing.assert_allclose(found["crop_sides_px"], np.maximum(8, 1.45 * sides_px))
    assert told["toy"]["num_images"] == NUM_IMAGES and "given" in told["toy"] and "epe_mm" in told["toy"]
    models = [out / f"fold-{k}" / "model.safetensors" for k in range(2)]
    assert models[0].read_bytes() != models[1].read_bytes()
    facts = noted_facts(read_notes(models[0]))
    assert (facts.steps, facts.photos) == (config.max_steps, NUM_IMAGES // 2) and facts.seconds
    before = [model.stat().st_mtime_ns for model in models]
    metrics.unlink()
    assert json.loads(upper_bound(config).read_text()) == told
    assert [model.stat().st_mtime_ns for model in models] == before


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ("folds=1", "folds=1"),
        ("folds=13", "at most 12, the rows of toy"),
        ("dataset=other", "dataset=other is not in root"),
        ("split=adapt", "split=adapt of dataset=toy has no labelled image"),
    ],
)
def test_bad_options_end_in_one_line(config, option, message, capsys):
    given = [f"{key}={getattr(config, key)}" for key in ("checkpoint", "source", "dataset", "out", "root")]
    assert main([*given, option]) == 1
    told = capsys.readouterr().err
    assert message in told and len(told.splitlines()) == 1 and not Path(config.out).exists()
