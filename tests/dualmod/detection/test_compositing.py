"""A pasted cutout lies where its box says, at any scale, turn and mirror."""

import cv2
import numpy as np
import pytest

from dualmod.detection.compositing import Placing, blend, placed
from tests.dualmod.detection.conftest import MAGENTA, make_box_hand


@pytest.mark.parametrize("scale", [0.3, 0.8, 1.0, 1.7])
@pytest.mark.parametrize("turn", [0.0, 0.5, 2.6])
@pytest.mark.parametrize("mirror", [False, True])
def test_joints_move_with_the_pixels(scale, turn, mirror):
    grid = np.stack(np.meshgrid(np.arange(10, 90, 20), np.arange(10, 110, 18)), -1).reshape(-1, 2)[:21]
    joints = np.concatenate([grid, grid[:1].repeat(21 - len(grid), 0)]).astype(float)
    dots = np.zeros((120, 90), np.uint8)
    for x, y in grid:
        cv2.circle(dots, (int(x), int(y)), 3, 255, -1)
    hand = make_box_hand(rgb=np.zeros((120, 90, 3), np.uint8), hand=dots, front=dots, arm=dots * 0, joints_px=joints)
    layer = placed(hand, Placing(np.array([140.0, 120.0]), scale, turn, mirror), 280)
    _, _, _, centroids = cv2.connectedComponentsWithStats((layer.cover > 90).astype(np.uint8))
    centres = centroids[1:]
    assert len(centres) == len(grid)
    assert np.concatenate([centres.min(0), centres.max(0)]) == pytest.approx(layer.box_px, abs=0.6)
    assert (layer.box_px[:2] + layer.box_px[2:]) / 2 == pytest.approx([140, 120])
    assert layer.is_right != mirror and layer.depth_m == pytest.approx(0.5 / scale)
    assert layer.hand.sum() / 255 == pytest.approx(layer.hand_area_px, rel=0.1)


def test_an_arm_goes_on_to_the_scenes_border_and_nothing_else_does(box_hand):
    arm = np.zeros_like(box_hand.hand)
    arm[80:, 40:60] = 255
    hand = make_box_hand(arm=arm, front=box_hand.hand | cv2.flip(box_hand.hand, 0))
    layer = placed(hand, Placing(np.array([100.0, 60.0]), 0.5), 200)
    assert layer.cover[199, 100] == 255 and layer.cover[120:199, 100].min() == 255
    assert layer.cover[:40].max() == 0 and layer.cover[:, :85].max() == 0


def test_an_arm_in_a_corner_does_not_fill_a_quadrant(box_hand):
    hand = make_box_hand(arm=np.full_like(box_hand.hand, 255))
    layer = placed(hand, Placing(np.array([100.0, 100.0]), 0.5), 200)
    assert layer.cover[199, 100] == 255 and layer.cover[:60, :60].max() == 0


def test_an_arm_alone_has_no_hand(box_hand):
    layer = placed(box_hand, Placing(np.array([100.0, 100.0]), 1.0), 200, arm_only=True)
    assert layer.cover.max() == 0


def test_blending_mixes_at_the_soft_edge_alone(box_hand):
    layer = placed(box_hand, Placing(np.array([100.0, 100.0]), 1.0), 200)
    scene = np.full((200, 200, 3), 60, np.uint8)
    mixed = blend(scene, layer)
    assert mixed[100, 100].tolist() == list(MAGENTA) and mixed[5, 5].tolist() == [60, 60, 60]
    edge = mixed[100, :, 0].astype(int)
    assert ((edge > 70) & (edge < 245)).sum() in (2, 3, 4)
