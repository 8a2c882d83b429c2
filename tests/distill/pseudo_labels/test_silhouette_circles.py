"""Circles of the hand: places and radii of the flat hand, distances against a loop, ends of the mask terms."""

import pytest
import torch

from distill.pseudo_labels.silhouette_circles import (
    circle_centres,
    circle_radii,
    circles,
    edge_distance,
    mask_disagreement,
)


def test_there_are_55_circles_on_the_bones():
    joints = torch.rand(1, 21, 3)
    centres = circle_centres(joints)[0]
    assert centres.shape == (55, 3)
    torch.testing.assert_close(centres[0], (5 * joints[0, 1] + joints[0, 2]) / 6)
    torch.testing.assert_close(centres[17], (joints[0, 7] + 5 * joints[0, 8]) / 6)
    torch.testing.assert_close(centres[54], (joints[0, 0] + 2 * joints[0, 17]) / 3)


def test_radii_are_those_of_a_hand():
    """In reference bones, of about 95 mm: a finger is 12 to 26 mm thick, a palm wider."""
    radii = 95 * circle_radii()
    fingers, palm = radii[9:45], radii[45:]
    assert fingers.min() > 3 and fingers.median() < 12 and palm.max() > 15
    little, thumb = radii[44], radii[0]
    assert little < thumb


def test_scale_follows_depth_and_focal_length():
    uv = torch.rand(2, 21, 2, generator=torch.Generator().manual_seed(0)) * 0.5 + 0.25
    depth = torch.zeros(2, 21)
    near, far = (circles(uv * s + 0.5 * (1 - s), depth, torch.full((2,), 2.0))[1] for s in (1.0, 0.5))
    torch.testing.assert_close(far, near / 2, rtol=0.02, atol=1e-4)


def test_edge_distance_equals_a_loop():
    centres, radii = torch.rand(1, 55, 2), 0.1 * torch.rand(1, 55)
    found = edge_distance(centres, radii, (4, 6))[0]
    for y in range(4):
        for x in range(6):
            cell = torch.tensor([(x + 0.5) / 6, (y + 0.5) / 4])
            nearest = min(float((cell - c).norm() - r) for c, r in zip(centres[0], radii[0], strict=True))
            assert found[y, x].item() == pytest.approx(nearest, abs=1e-5)


def test_mask_terms_vanish_on_the_circles_themselves_and_pull_them_towards_a_mask():
    centres = (0.3 + 0.1 * torch.rand(1, 55, 2)).requires_grad_()
    radii = torch.full((1, 55), 0.08)
    edge = edge_distance(centres, radii, (24, 24))
    soft = torch.sigmoid(-edge.detach() * 24 / 0.5)
    outline, away = mask_disagreement(edge, soft)
    assert outline.item() == 0 and away.item() == 0
    elsewhere = torch.zeros(1, 24, 24)
    elsewhere[:, :, 16:] = 1
    outline, away = mask_disagreement(edge, elsewhere)
    assert outline > 0 and away > 0
    away.backward()
    assert centres.grad[..., 0].sum() < 0  # descent moves them to larger u
