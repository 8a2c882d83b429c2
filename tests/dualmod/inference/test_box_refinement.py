"""What a detector found is looked at again: boxes fit, faces fall behind, and one hand is found once."""

from dataclasses import dataclass, replace

import numpy as np
import pytest

from dualmod.detection.detector import HandBox
from dualmod.inference.box_refinement import MIN_REFINED_SCORE, RefinedDetector
from tests.dualmod.disc_predictor import DiscPredictor, disc_image


@dataclass
class Found:
    """A detector that says what it was told to."""

    hands: list[HandBox]

    def find(self, images):
        return [list(self.hands) for _ in images]


def around(x: float, y: float, half: float, score: float = 0.5, right: float = 0.7) -> HandBox:
    return HandBox(np.array([x - half, y - half, x + half, y + half], np.float64), score, right)


@pytest.mark.parametrize(("shift", "half"), [((0, 0), 12), ((7, -5), 18), ((-6, 6), 26)])
def test_a_coarse_box_becomes_that_of_the_joints(shift, half):
    image = disc_image(160, 120, radius=12, size=(320, 240))
    coarse = around(160 + shift[0], 120 + shift[1], half)
    ((hand,),) = RefinedDetector(Found([coarse]), DiscPredictor()).find([image])
    np.testing.assert_allclose(hand.box_px, [148, 108, 172, 132], atol=1.5)
    assert 0 < hand.score < 0.5 and hand.right_probability == 0.7


def test_two_finds_of_one_hand_are_one_hand():
    image = disc_image(160, 120, radius=12, size=(320, 240))
    twice = [around(154, 116, 14, score=0.3), around(166, 124, 20, score=0.6, right=0.2)]
    ((hand,),) = RefinedDetector(Found(twice), DiscPredictor()).find([image])
    assert hand.right_probability == 0.2


def test_the_surest_comes_first_and_what_is_no_hand_is_left_out():
    class Doubting(DiscPredictor):
        """Unsure of what lies in the left half."""

        def predict(self, images, boxes_px, handedness=None):
            found = super().predict(images, boxes_px, handedness)
            left = boxes_px[:, 0] < 150
            return replace(found, confidence=np.where(left, doubt, 0.8)[:, None] * np.ones(21))

    image = disc_image(60, 60, radius=12, size=(320, 240))
    image = np.maximum(image, disc_image(250, 180, radius=12, size=(320, 240)))
    finds = Found([around(60, 60, 14, score=0.29), around(250, 180, 14, score=0.2)])
    doubt = 0.1
    (hands,) = RefinedDetector(finds, Doubting()).find([image])
    assert [hand.score for hand in hands] == pytest.approx([0.16, 0.029])
    assert hands[0].box_px[0] > 200
    doubt = MIN_REFINED_SCORE
    (hands,) = RefinedDetector(finds, Doubting()).find([image])
    assert len(hands) == 1 and hands[0].box_px[0] > 200
    assert RefinedDetector(Found(finds.hands[:1]), Doubting()).find([image]) == [[]]
    sure = Found([replace(hand, score=0.31) for hand in finds.hands[:1]])
    assert len(RefinedDetector(sure, Doubting()).find([image])[0]) == 1


def test_nothing_found_stays_nothing_and_finds_that_become_the_same_hand_are_one():
    image = disc_image(160, 120, radius=12, size=(320, 240))
    assert RefinedDetector(Found([]), DiscPredictor()).find([image, image]) == [[], []]
    many = [around(160, 120, 14, score=0.1 + 0.01 * k) for k in range(8)]
    assert len(RefinedDetector(Found(many), DiscPredictor()).find([image])[0]) == 1
