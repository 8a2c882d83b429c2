"""Windows cover every photo, and the detector finds the disc wherever it is."""

import sys
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from dualmod.checkpoints.released import DETECTOR_FILE
from dualmod.detection.decode import DecodeConfig
from dualmod.geometry.crop import crop_side_px
from dualmod.geometry.windows import window_boxes
from dualmod.inference.box_refinement import MAX_DETECTIONS, MIN_DETECTION_SCORE, RefinedDetector
from dualmod.inference.detectors import GivenBox, SlidingWindowDetector, open_detector
from tests.dualmod.disc_predictor import DiscPredictor, disc_image


@pytest.mark.parametrize(("width", "height"), [(100, 100), (640, 480), (30, 900), (16, 16)])
def test_windows_of_each_layer_cover_the_photo(width, height):
    for share in (1.0, 0.6, 0.35):
        boxes = window_boxes((width, height), (share,), margin=1.6)
        side = share * max(width, height)
        seen = np.zeros((height, width), int)
        for box in boxes:
            assert crop_side_px(box, 1.6) == pytest.approx(max(8, side))
            low, high = (box[:2] + box[2:]) / 2 - side / 2, (box[:2] + box[2:]) / 2 + side / 2
            rows, columns = np.arange(height), np.arange(width)
            inside = ((rows >= low[1] - 1e-6) & (rows <= high[1] + 1e-6))[:, None] & (
                (columns >= low[0] - 1e-6) & (columns <= high[0] + 1e-6)
            )
            seen += inside
        assert seen.min() >= 1


def test_the_whole_photo_is_one_window():
    np.testing.assert_allclose(
        window_boxes((200, 100), (1.0,), 1.6), [[99.5 - 62.5, 49.5 - 62.5, 99.5 + 62.5, 49.5 + 62.5]]
    )


@pytest.mark.parametrize("place", [(300.0, 40.0), (20.0, 220.0), (160.0, 120.0)])
def test_a_small_hand_is_found_anywhere(place):
    image = disc_image(*place, radius=12, size=(320, 240))
    (hands,) = SlidingWindowDetector(DiscPredictor()).find([image])
    assert len(hands) == 1
    box = hands[0].box_px
    np.testing.assert_allclose((box[:2] + box[2:]) / 2, place, atol=1)
    np.testing.assert_allclose(box[2:] - box[:2], 24, atol=1.5)
    assert hands[0].right_probability == (0.9 if place[0] < 160 else 0.1)


def test_the_surest_stays_and_large_windows_have_a_bonus():
    """Two layers see the same; the layer of small windows is surer by little, then by much."""
    image, sides = np.zeros((240, 240, 3), np.uint8), []
    for surer in (1.05, 2.0):

        class Layered(DiscPredictor):
            def predict(self, images, boxes_px, handedness=None):
                found = super().predict(images, boxes_px, handedness)
                is_small = (boxes_px[:, 2] - boxes_px[:, 0]) * self.crop_margin < 200
                return replace(found, confidence=np.where(is_small, 0.1 * surer, 0.1)[:, None] * np.ones(21))  # noqa: B023

        ((hand,),) = SlidingWindowDetector(Layered(), (1.0, 0.5)).find([image])
        sides.append(hand.box_px[2] - hand.box_px[0])
        assert hand.score == pytest.approx(0.1 if surer < 1.2 else 0.2)
    assert sides[0] > 1.9 * sides[1]


def test_a_given_box_is_taken_as_it_is_and_refused_outside():
    detector = GivenBox((10.0, 20.0, 500.0, 90.0))
    (hand,) = detector.find([disc_image(5, 5)])[0]
    assert hand.box_px.tolist() == [10, 20, 500, 90] and hand.right_probability == 0.5
    with pytest.raises(ValueError, match=r"box=10,20,500,90 lies outside the photo of 160 x 20 px"):
        detector.find([disc_image(5, 5, size=(160, 20))])


def test_the_options_choose_the_detector(monkeypatch, tmp_path):
    predictor = DiscPredictor()
    loaded = []
    trained = SimpleNamespace(load=lambda path, device, config: loaded.append((path, device, config)))
    monkeypatch.setitem(sys.modules, "dualmod.detection.centernet_detector", SimpleNamespace(CenterNetDetector=trained))
    options = {"box_px": None, "detector": "windows", "device": "cpu"}
    file = tmp_path / "a.safetensors"
    file.touch()
    for given in (str(file), "released"):
        assert open_detector(predictor, **options | {"detector": given}) == (
            RefinedDetector(None, predictor),
            "detector",
        )
    finds = DecodeConfig(min_score=MIN_DETECTION_SCORE, max_hands=MAX_DETECTIONS)
    assert loaded == [(file, "cpu", finds), (DETECTOR_FILE, "cpu", finds)]
    open_detector(predictor, **options | {"detector": str(file)}, most_hands=20)
    assert loaded[-1][2].max_hands == 40
    with pytest.raises(FileNotFoundError, match="detector=gone"):
        open_detector(predictor, **options | {"detector": "gone"})
    assert open_detector(predictor, **options | {"box_px": (0, 0, 1, 1)}) == (GivenBox((0, 0, 1, 1)), "given")
    detector, name = open_detector(predictor, **options)
    assert isinstance(detector, SlidingWindowDetector) and name == "windows"
