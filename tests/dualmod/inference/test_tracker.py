"""Hands followed through made-up videos: boxes from the last frame, searches only when needed, one side for a hand."""

import numpy as np
import pytest

from dualmod.detection.detector import HandBox
from dualmod.geometry.crop import joints_box
from dualmod.inference.one_euro import OneEuroConfig
from dualmod.inference.timings import PartTimings
from dualmod.inference.top_down import TopDownEstimator
from dualmod.inference.tracker import LOCATE_EVERY, HandTracker, iou
from tests.dualmod.disc_predictor import DiscPredictor, disc_image


class KnownDetector:
    """Tells the discs that it was told, and counts how often it is asked."""

    def __init__(self, *discs: tuple[float, float, float]) -> None:
        self.discs, self.asked = list(discs), 0

    def find(self, images):
        self.asked += 1
        boxes = [np.array([x - r, y - r, x + r, y + r]) for x, y, r in self.discs]
        return [[HandBox(box, 0.9, 0.5) for box in boxes] for _ in images]


def tracker(detector, *, hands=1, one_euro=None, predictor=None) -> HandTracker:
    estimator = TopDownEstimator(predictor or DiscPredictor(), detector, "detector", most_hands=hands)  # type: ignore[arg-type]
    return HandTracker(estimator, one_euro, 1 / 30, PartTimings("localize", "network"))


def test_a_moving_hand_is_searched_once_and_followed():
    detector = KnownDetector((40, 60, 20))
    tracked = tracker(detector)
    for k in range(15):
        (hand,) = tracked.next(disc_image(40 + 5 * k, 60))
        np.testing.assert_allclose(hand.hand.joints_px.mean(0), [40 + 5 * k, 60], atol=1)
        assert hand.number == 0 and hand.hand.box_source == ("tracked" if k else "detector")
    tracked.end()
    assert detector.asked == tracked.num_searches == tracked.num_tracks == 1
    assert tracked.raw.frames == 13 and tracked.timings.seconds["network"] > 0


def test_a_hand_that_is_gone_is_searched_at_once_and_gets_a_new_number():
    detector = KnownDetector((40, 60, 20))
    tracked = tracker(detector)
    tracked.next(disc_image(40, 60))
    detector.discs = []
    assert tracked.next(np.zeros((120, 160, 3), np.uint8)) == [] and detector.asked == 2
    assert tracked.next(np.zeros((120, 160, 3), np.uint8)) == [] and detector.asked == 3
    detector.discs = [(120, 30, 20)]
    (hand,) = tracked.next(disc_image(120, 30))
    assert hand.number == 1 and tracked.num_tracks == 2


def test_a_hand_that_leaves_the_image_is_lost():
    detector = KnownDetector((130, 60, 20))
    tracked = tracker(detector)
    tracked.next(disc_image(130, 60))
    detector.discs = []
    seen = [len(tracked.next(disc_image(130 + 8 * k, 60))) for k in range(1, 8)]
    assert seen[0] == 1 and seen[-1] == 0


def test_two_hands_and_a_third_look_only_now_and_then():
    detector = KnownDetector((40, 60, 15), (120, 60, 15))
    both = np.maximum(disc_image(40, 60, 15), disc_image(120, 60, 15))
    tracked = tracker(detector, hands=3)
    for _ in range(2 * LOCATE_EVERY):
        assert [hand.number for hand in tracked.next(both)] == [0, 1]
    assert detector.asked == 2


def test_tracks_that_meet_on_one_hand_become_one():
    detector = KnownDetector((40, 60, 15), (100, 60, 15))
    tracked = tracker(detector, hands=2)
    assert len(tracked.next(np.maximum(disc_image(40, 60, 15), disc_image(100, 60, 15)))) == 2
    detector.discs = []
    for x in range(95, 40, -5):
        found = tracked.next(np.maximum(disc_image(40, 60, 15), disc_image(x, 60, 15)))
    assert len(found) == 1


def test_a_hand_keeps_its_side_while_the_network_wavers():
    """The predictor says left in the right half of the image; the hand was a right one for many frames."""
    predictor = DiscPredictor()
    tracked = tracker(KnownDetector((40, 60, 20)), predictor=predictor)
    sides = [tracked.next(disc_image(40 + 4 * k, 60))[0].hand for k in range(14)]
    assert [hand.handedness for hand in sides] == ["right"] * 14
    assert sides[-1].right_probability == 0.1 and predictor.handedness[0] == ["unknown"]
    later = [tracked.next(disc_image(100, 60))[0].hand.handedness for _ in range(20)]
    assert later[-1] == "left"


def test_smoothing_trembles_less_and_raw_joints_stand_beside():
    rng = np.random.default_rng(0)
    tracked = tracker(KnownDetector((80, 60, 20)), one_euro=OneEuroConfig())
    for x, y in rng.normal([80, 60], 2, (60, 2)):
        (hand,) = tracked.next(disc_image(x, y))
        np.testing.assert_allclose(hand.joints_px_raw.mean(0), [x, y], atol=0.6)
    tracked.end()
    raw, smooth = tracked.raw.to_json(), tracked.smoothed.to_json()
    assert raw["frames"] == smooth["frames"] == 58
    assert smooth["px_per_frame2"] < 0.6 * raw["px_per_frame2"]
    assert raw["box_sides_per_frame2"] == pytest.approx(raw["px_per_frame2"] / 40, rel=0.05)
    box = joints_box(hand.joints_px_raw)
    assert hand.hand.joints_px.shape == (21, 2) and iou(box, joints_box(hand.hand.joints_px)) > 0.7


def test_intersection_over_union():
    a = np.array([0.0, 0, 4, 2])
    assert iou(a, a) == 1 and iou(a, a + 10) == 0 and iou(a, np.array([2.0, 0, 6, 2])) == pytest.approx(1 / 3)
    assert iou(np.zeros(4), np.zeros(4)) == 0
