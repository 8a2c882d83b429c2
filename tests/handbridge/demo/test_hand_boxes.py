"""Boxes that a user types or clicks, and the detector that needs the pose network alone."""

import numpy as np
import pytest

from dualmod.checkpoints.checkpoint import choose_device
from dualmod.detection.detector import HandBox
from dualmod.inference.predictor import Predictor
from dualmod.network.model import DualModalityNet
from handbridge.demo.hand_boxes import box_from_text, box_text, sure_hands


@pytest.mark.parametrize("text", ["10, 20, 110, 90", "110 90 10 20", "[10; 20; 110; 90]", "(110.0, 20) (10, 90)"])
def test_a_box_is_read_in_any_order_of_its_corners(text: str) -> None:
    box = box_from_text(text, 200, 100)
    assert box is not None and box.tolist() == [10, 20, 110, 90]


def test_no_text_is_no_box() -> None:
    assert box_from_text("  \n", 200, 100) is None


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("10, 20, 30", "is not four numbers"),
        ("10, 20, 30, 40, 50", "is not four numbers"),
        ("left, 2, 3, 4, 5", "is not four numbers"),
        ("1, 2, 3, 4px", "is not four numbers"),
        ("300, 20, 400, 90", "which has 200 x 100: x goes from 0 to 199, y from 0 to 99"),
        ("10, 20, 12, 90", "less than 4 x 4 pixels"),
    ],
)
def test_what_is_no_box_in_the_photo_is_refused(text: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        box_from_text(text, 200, 100)


def test_two_clicks_are_a_box_that_can_be_read_back() -> None:
    text = box_text((150.2, 12), (20, 80.7))
    box = box_from_text(text, 200, 100)
    assert box is not None and box.tolist() == [20, 12, 150, 81]


def test_hands_are_those_of_the_detector_rated_by_their_joints(tiny_net: DualModalityNet) -> None:
    predictor = Predictor(tiny_net, choose_device("cpu"))
    photo = np.random.default_rng(0).integers(0, 255, (90, 140, 3), dtype=np.uint8)
    boxes = [HandBox(np.array(box, float), 0.5, 0.5) for box in ([10, 10, 60, 60], [70, 20, 120, 80], [0, 0, 30, 30])]

    class Told:
        def find(self, images):
            return [boxes for _ in images]

    found = sure_hands(predictor, Told())(photo)
    confidence = predictor.predict([photo] * 3, np.stack([box.box_px for box in boxes])).confidence.mean(1)
    assert [hand.score for hand in found] == pytest.approx(sorted(confidence, reverse=True))
    assert np.array_equal(found[0].box_px, boxes[int(confidence.argmax())].box_px)
    boxes.clear()
    assert sure_hands(predictor, Told())(photo) == []
