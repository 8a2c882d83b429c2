"""Hands that are easy to find again in a scene: a magenta rectangle whose corners are joints."""

import numpy as np
import pytest
import torch

from dualmod.detection.cutouts import Cutout
from dualmod.detection.network import DetectorNet, DetectorNetConfig

MAGENTA = (255, 0, 255)
TINY = DetectorNetConfig(image_size=64, backbone="mobilenetv3_small_050", width=16)


@pytest.fixture
def tiny_detector() -> DetectorNet:
    torch.manual_seed(0)
    return DetectorNet(TINY)


@pytest.fixture
def box_hand() -> Cutout:
    """A right hand that fills columns 30 to 69 and rows 20 to 79 of a green render, without an arm."""
    return make_box_hand()


def make_box_hand(**changes) -> Cutout:
    rgb = np.full((100, 90, 3), (0, 200, 0), np.uint8)
    hand = np.zeros((100, 90), np.uint8)
    hand[20:80, 30:70] = 255
    rgb[hand > 0] = MAGENTA
    corners = np.array([[29.5, 19.5], [69.5, 79.5]])
    joints = np.concatenate([corners, np.random.default_rng(0).uniform(*corners, (19, 2))])
    parts = {"rgb": rgb, "hand": hand, "front": hand, "arm": np.zeros_like(hand), "joints_px": joints}
    return Cutout(**{**parts, "is_right": True, "depth_m": 0.5, "is_alone": True, **changes})


def is_magenta(rgb: np.ndarray) -> np.ndarray:
    return (rgb[..., 0] > 140) & (rgb[..., 1] < 115) & (rgb[..., 2] > 140)
