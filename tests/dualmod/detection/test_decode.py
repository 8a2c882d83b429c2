"""Decoding: what goes into the targets comes out, and random maps give what a slow search finds."""

import math

import pytest
import torch

from dualmod.detection.decode import DecodeConfig, decode
from dualmod.detection.network import CentreMaps
from dualmod.detection.targets import HAND, SceneHands, centre_targets


def test_targets_decode_to_the_boxes_that_made_them():
    boxes = torch.tensor([[[3.0, 5, 40, 61], [70, 10, 90, 44]]])
    hands = SceneHands(boxes, torch.tensor([[1.0, 0.0]]), torch.tensor([[HAND, HAND]]))
    t = centre_targets(hands, (12, 12))
    heat = torch.logit(t.heat.clamp(1e-4, 1 - 1e-4)) - torch.tensor([0.0] * 6 + [1.0] * 6)  # the right one less sure
    maps = CentreMaps(heat, t.log_size, t.offset, 20 * (t.right.nan_to_num(0) - 0.5))
    (found,) = decode(maps, DecodeConfig())
    assert torch.allclose(found.boxes_px, boxes[0], atol=1e-3)
    assert found.score[0] > found.score[1] > 0.99 and found.right.round().tolist() == [1, 0]


def slow(maps: CentreMaps, image: int, config: DecodeConfig) -> list[tuple[float, list[float], float]]:
    _, _, height, width = maps.heat.shape
    heat = maps.heat[image, 0].sigmoid().tolist()
    peaks = []
    for j in range(height):
        for i in range(width):
            around = [heat[a][b] for a in range(j - 1, j + 2) for b in range(i - 1, i + 2)
                      if 0 <= a < height and 0 <= b < width]  # fmt: skip
            if heat[j][i] == max(around) and heat[j][i] >= config.min_score:
                w, h = (math.exp(v) for v in maps.log_size[image, :, j, i].tolist())
                x, y = i + maps.offset[image, 0, j, i].item(), j + maps.offset[image, 1, j, i].item()
                box = [8 * v - 0.5 for v in (x - w / 2, y - h / 2, x + w / 2, y + h / 2)]
                peaks.append((heat[j][i], box, 1 / (1 + math.exp(-maps.right[image, 0, j, i].item()))))
    kept: list[tuple[float, list[float], float]] = []
    for peak in sorted(peaks, reverse=True):
        if all(iou(peak[1], other[1]) <= config.nms_iou for other in kept):
            kept.append(peak)
    return kept[: config.max_hands]


def iou(a: list[float], b: list[float]) -> float:
    shared = max(0, min(a[2], b[2]) - max(a[0], b[0])) * max(0, min(a[3], b[3]) - max(a[1], b[1]))
    return shared / ((a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - shared)


@pytest.mark.parametrize("config", [DecodeConfig(), DecodeConfig(min_score=0.6, max_hands=2, nms_iou=0.2)])
def test_decode_is_the_slow_search(config):
    torch.manual_seed(1)
    shape = (3, 1, 7, 9)
    maps = CentreMaps(
        torch.randn(shape), torch.rand(3, 2, 7, 9) * 1.5, torch.rand(3, 2, 7, 9), torch.randn(shape)
    )  # fmt: skip
    for image, found in enumerate(decode(maps, config)):
        wanted = slow(maps, image, config)
        assert found.score.tolist() == pytest.approx([score for score, _, _ in wanted], abs=1e-6)
        assert torch.allclose(found.boxes_px, torch.tensor([box for _, box, _ in wanted]), atol=1e-3)
        assert found.right.tolist() == pytest.approx([right for _, _, right in wanted], abs=1e-5)


def test_empty_maps_give_no_hand_and_wild_ones_no_overflow():
    maps = CentreMaps(torch.full((1, 1, 4, 4), -20.0), torch.full((1, 2, 4, 4), 900.0), *2 * [torch.zeros(1, 2, 4, 4)])
    assert len(decode(maps, DecodeConfig())[0].score) == 0
    assert torch.isfinite(decode(maps, DecodeConfig(min_score=0))[0].boxes_px).all()
