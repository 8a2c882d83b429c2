"""Targets of the centre maps against a slow reference that goes over cells and hands one by one."""

import math

import pytest
import torch

from dualmod.detection.targets import (
    HAND,
    IGNORED,
    MIN_OVERLAP,
    NONE,
    REACH,
    SceneHands,
    centre_targets,
    gaussian_radius,
)

SIZE = (9, 11)


def random_hands(seed: int, count: int = 3) -> SceneHands:
    draw = torch.Generator().manual_seed(seed)
    low = torch.rand(2, count, 2, generator=draw) * 70 - 6
    boxes = torch.cat([low, low + 4 + torch.rand(2, count, 2, generator=draw) * 50], -1)
    kind = torch.tensor([HAND, HAND, IGNORED, NONE])[torch.randint(4, (2, count), generator=draw)]
    right = torch.tensor([0.0, 1.0, math.nan])[torch.randint(3, (2, count), generator=draw)]
    return SceneHands(boxes, right, kind)


def test_the_radius_keeps_the_overlap_and_no_larger_one_does():
    extent = torch.tensor([[4.0, 9.0], [1.0, 1.0], [20.0, 3.0]])
    for (w, h), r in zip(extent.tolist(), gaussian_radius(extent).tolist(), strict=True):
        moved = (w - r) * (h - r) / (2 * w * h - (w - r) * (h - r))
        inner, outer = (w - 2 * r) * (h - 2 * r) / (w * h), w * h / ((w + 2 * r) * (h + 2 * r))
        assert min(moved, inner, outer) == pytest.approx(MIN_OVERLAP, abs=1e-5)


@pytest.mark.parametrize("seed", range(6))
def test_targets_are_those_of_the_slow_reference(seed):
    hands = random_hands(seed)
    found = centre_targets(hands, SIZE)
    total = 0
    for image in range(2):
        rows = []
        for box, right, kind in zip(hands.boxes_px[image], hands.right[image], hands.kind[image], strict=True):
            x0, y0, x1, y1 = ((v + 0.5) / 8 for v in box.tolist())
            cx, cy = (x0 + x1) / 2, (y0 + y1) / 2
            is_inside = 0 <= math.floor(cx) < SIZE[1] and 0 <= math.floor(cy) < SIZE[0]
            if kind == HAND and not is_inside:
                kind = NONE
            total += int(kind == HAND)
            rows.append((x0, y0, x1, y1, cx, cy, float(right), int(kind)))
        for j in range(SIZE[0]):
            for i in range(SIZE[1]):
                check_cell(found, image, j, i, rows)
    assert found.count == max(1, total)


def check_cell(found, image, j, i, rows):
    heat, owner, left_out = 0.0, None, False
    for row in rows:
        x0, y0, x1, y1, cx, cy, _, kind = row
        dx, dy = i - math.floor(cx), j - math.floor(cy)
        if kind == HAND:
            radius = math.floor(float(gaussian_radius(torch.tensor([x1 - x0, y1 - y0]))))
            if max(abs(dx), abs(dy)) <= radius:
                heat = max(heat, math.exp(-(dx**2 + dy**2) / (2 * ((2 * radius + 1) / 6) ** 2)))
            area = (x1 - x0) * (y1 - y0)
            if max(abs(dx), abs(dy)) <= REACH and (owner is None or area < owner[0]):
                owner = (area, row)
        if kind == IGNORED and i + 1 > x0 and i < x1 and j + 1 > y0 and j < y1:
            left_out = True
    at = (image, slice(None), j, i)
    assert found.heat[at].item() == pytest.approx(heat, abs=1e-5)
    assert found.heat_weight[at].item() == (1 if heat == 1 or not left_out else 0)
    assert found.near[at].item() == (owner is not None)
    if owner is not None:
        x0, y0, x1, y1, cx, cy, right, _ = owner[1]
        assert found.log_size[at].tolist() == pytest.approx([math.log(x1 - x0), math.log(y1 - y0)], abs=1e-4)
        assert found.offset[at].tolist() == pytest.approx([cx - i, cy - j], abs=1e-4)
        assert found.right[at].tolist() == pytest.approx([right], nan_ok=True)


def test_an_image_without_hands_is_empty_everywhere():
    hands = SceneHands(torch.zeros(1, 2, 4), torch.full((1, 2), math.nan), torch.zeros(1, 2, dtype=torch.long))
    targets = centre_targets(hands, SIZE)
    assert targets.heat.max() == 0 and targets.near.max() == 0 and targets.count == 1
    assert targets.heat_weight.min() == 1
