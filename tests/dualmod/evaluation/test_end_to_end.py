"""Whole photos: a hand that is found counts as it was predicted, and one that is not found is wrong."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from dualmod.data.image_collections import LabelledImages
from dualmod.detection.detector import HandBox
from dualmod.evaluate import EvaluateConfig, evaluate_network
from dualmod.evaluation.end_to_end import WholePhotoPredictor, whole_photo_extras
from dualmod.inference.predictor import Predictor


class Finds:
    """Finds what it was told to for each photo, in their order."""

    def __init__(self, finds: list[list[HandBox]]) -> None:
        self.finds = iter(finds)

    def find(self, images):
        assert len(images) == 1
        return [next(self.finds)]


def box(x0: float, score: float) -> HandBox:
    return HandBox(np.array([x0, 10.0, x0 + 30, 40.0]), score, 0.5)


@pytest.fixture
def labelled(tmp_path) -> LabelledImages:
    joints_px = np.tile(np.stack([np.linspace(10, 40, 21), np.linspace(10, 40, 21)], 1), (4, 1, 1))
    visible = np.ones((4, 21), bool)
    visible[3, 1:] = False
    nothing = np.full((4, 21, 3), np.nan)
    boxes = np.tile([10.0, 10.0, 40.0, 40.0], (4, 1))
    K = np.full((4, 3, 3), np.nan)
    files = tuple("abcd")
    return LabelledImages(
        "set", tmp_path, files, joints_px, visible, nothing, K, ("right",) * 4, boxes, "gt2d", "as drawn", np.arange(4)
    )


def test_the_surest_hand_is_predicted_in_its_own_box_and_the_labelled_one_is_not_looked_at(tiny_net):
    predictor = Predictor(tiny_net, torch.device("cpu"))
    images = list(np.random.default_rng(0).integers(0, 255, (3, 60, 90, 3), dtype=np.uint8))
    whole = WholePhotoPredictor(predictor, Finds([[box(5, 0.2), box(50, 0.9)], [], [box(5, 0.4)]]))
    found = whole.predict(images, np.full((3, 4), np.nan), ["right"] * 3)
    boxes = np.stack([box(50, 0).box_px, box(5, 0).box_px])
    alone = predictor.predict([images[0], images[2]], boxes, ["right"] * 2)
    np.testing.assert_allclose(found.joints_px[[0, 2]], alone.joints_px, atol=1e-3)
    assert np.isnan(found.joints_px[1]).all()


def test_near_and_missed_are_counted_over_all_photos(labelled):
    joints_px = labelled.joints_px.copy()
    joints_px[0] += 4.0  # 5.7 px of a box of 30: below 0.2
    joints_px[1] += 5.0  # 7.1 px: above
    joints_px[2] = np.nan
    joints_px[3, 1:] += 100.0  # not labelled
    told = whole_photo_extras(labelled, joints_px, bootstrap=500, seed=0)
    assert (told["missed"], told["photos_near@0.2"], told["boxes"]) == (1, 0.5, "found")
    low, high = told["photos_near@0.2_interval_95"]
    assert 0.0 <= low < 0.5 < high <= 1.0
    assert whole_photo_extras(labelled, joints_px, bootstrap=0, seed=0)["photos_near@0.2_interval_95"] is None


def test_the_interval_is_over_blocks(labelled):
    joints_px = labelled.joints_px.copy()
    joints_px[2:] += 100.0
    drawn = np.random.default_rng(0).multinomial(2, [0.5, 0.5], size=500)[:, 0] / 2
    blocks = replace(labelled, blocks=np.array([0, 0, 1, 1]))
    told = whole_photo_extras(blocks, joints_px, bootstrap=500, seed=0)["photos_near@0.2_interval_95"]
    assert told == np.percentile(drawn, [2.5, 97.5]).tolist() == [0, 1]
    one = replace(labelled, blocks=np.zeros(4, int))
    assert whole_photo_extras(one, joints_px, bootstrap=500, seed=0)["photos_near@0.2_interval_95"] is None


def test_a_missed_hand_is_wrong_in_every_2d_metric(labelled, tiny_net, monkeypatch):
    class Knows(WholePhotoPredictor):
        def predict(self, images, boxes_px, handedness=None):
            joints_px = labelled.joints_px.copy()
            joints_px[2] = np.nan
            return replace(super().predict(images, boxes_px, handedness), joints_px=joints_px)

    image = np.zeros((60, 90, 3), np.uint8)
    monkeypatch.setattr(LabelledImages, "image", lambda self, row: image)
    whole = Knows(Predictor(tiny_net, torch.device("cpu")), Finds([[box(5, 1.0)]] * 8))
    metrics = evaluate_network(whole, labelled, bootstrap=0).metrics.to_json()
    assert metrics["pck_box@0.1"] == pytest.approx(43 / 64, abs=1e-5) and metrics["missed"] == 1
    assert metrics["given"]["pck_box@0.1"] == pytest.approx(43 / 64, abs=1e-5)


def test_saved_predictions_take_no_detector():
    with pytest.raises(ValueError, match="detector=released is not legal: it must be empty with predictions"):
        EvaluateConfig(dataset="a", out="b", predictions="c", detector="released")
