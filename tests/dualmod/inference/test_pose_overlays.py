"""Overlays of predictions: readable at any size, left and right hands apart, joints where they are."""

from dataclasses import replace

import numpy as np
import pytest

from dualmod.detection.detector import HandBox
from dualmod.geometry.metric_root import place_hand
from dualmod.inference.pose_overlays import DARK, LIGHT, OVERLAY_SIDES_PX, hands_overlay
from dualmod.inference.top_down import EstimatedHand
from tests.dualmod.disc_predictor import PATTERN

GREY = 90


def hand(centre=(100.0, 80.0), radius=50.0, side="right") -> EstimatedHand:
    joints_px, depth = centre + radius * PATTERN, np.zeros(21)
    box = HandBox(np.array([*joints_px.min(0), *joints_px.max(0)]), 1.0, 0.5)
    placed = place_hand(joints_px, depth, size_px=(200, 160))
    return EstimatedHand(box, "given", joints_px, depth, np.full(21, 0.5), 0.5, side, placed)


def photo(width=200, height=160) -> np.ndarray:
    return np.full((height, width, 3), GREY, np.uint8)


@pytest.mark.parametrize(("size", "longer"), [((16, 20), 640), ((900, 700), 900), ((6000, 4000), 1600)])
def test_the_longer_side_stays_readable(size, longer):
    shown = hands_overlay(photo(*size), [hand()])
    assert max(shown.shape[:2]) == longer and OVERLAY_SIDES_PX == (640, 1600)
    assert shown.shape[1] / shown.shape[0] == pytest.approx(size[0] / size[1], rel=0.01)


@pytest.mark.parametrize(("side", "tone", "other"), [("left", DARK, LIGHT), ("right", LIGHT, DARK)])
def test_left_and_right_stand_on_different_tones(side, tone, other):
    shown = hands_overlay(photo(), [hand(side=side)]).astype(int)
    near = [(np.abs(shown - colour).max(-1) < 8).sum() for colour in (tone, other)]
    assert near[0] > 2 * near[1] and near[0] > 2000


def test_joints_are_drawn_where_they_are():
    one = hand()
    shown = hands_overlay(photo(), [one])
    scale = 640 / 200
    for place in (one.joints_px + 0.5) * scale - 0.5:
        column, row = np.rint(place).astype(int)
        assert np.abs(shown[row, column].astype(int) - GREY).max() > 30
    assert (shown[470:, :] == GREY).all()  # below the hand nothing is drawn


def test_unsure_joints_are_hollow_and_the_photo_is_left_alone():
    image, one = photo(), hand()
    confidence = one.confidence.copy()
    confidence[4] = 0.05
    plain, unsure = hands_overlay(image, [one]), hands_overlay(image, [replace(one, confidence=confidence)])
    column, row = np.rint((one.joints_px[4] + 0.5) * 3.2 - 0.5).astype(int)
    changed = np.argwhere((plain != unsure).any(-1))
    changed = changed[np.abs(changed - [row, column]).max(1) < 15]
    assert len(changed) > 4 and (image == GREY).all()


def test_hands_far_outside_do_no_harm():
    shown = hands_overlay(photo(), [hand(centre=(1e7, -1e7)), hand(centre=(-300.0, 80.0), side="left")])
    assert shown.shape == (512, 640, 3)
