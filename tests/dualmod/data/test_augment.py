"""Paired augmentation: shared geometry, labels that stay true, depth inputs, mirrors."""

from dataclasses import replace

import cv2
import numpy as np
import pytest
import torch

from dualmod.data.augment import (
    AugmentConfig,
    augment_pair,
    augment_single,
    disturb_depth,
    draw_warp,
    plain_crops,
)
from dualmod.geometry.crop import apply_affine, box_longer_side, joints_box


def test_both_views_share_geometry_and_labels(hands, rng):
    view, plus = augment_pair(hands, AugmentConfig(), rng)
    for name in ("mask", "joints_uv", "joints_depth", "joint_weight"):
        torch.testing.assert_close(getattr(view, name), getattr(plus, name), rtol=0, atol=0)
    assert not torch.equal(view.rgb, plus.rgb)
    assert torch.equal(view.depth, plus.depth) and not torch.equal(view.depth, plus.sensed)


def test_without_texture_the_views_show_the_same_image(hands, rng):
    config = AugmentConfig(view_strength=0, view_plus_strength=0)
    view, plus = augment_pair(hands, config, rng)
    torch.testing.assert_close(view.rgb, plus.rgb, rtol=0, atol=0)


def test_shapes_ranges_and_weights(hands, rng):
    view, _ = augment_pair(hands, AugmentConfig(crop_px=64), rng)
    assert view.rgb.shape == (6, 3, 64, 64) and view.depth.shape == view.mask.shape == (6, 1, 64, 64)
    assert view.rgb.dtype == torch.float32 and view.rgb.min() >= 0 and view.rgb.max() <= 1
    inside = ((view.joints_uv >= 0) & (view.joints_uv <= 1)).all(-1)
    torch.testing.assert_close(view.joint_weight, inside.float())


def test_image_and_joints_go_through_the_same_warp(hands, rng):
    """A disc drawn at a joint is found at the joint's place in the crop, in RGB, mask and depth."""
    config = AugmentConfig(view_strength=0, max_scale=1.15, centre_jitter=0)
    discs = []
    for hand in hands:
        mask = np.zeros((128, 128), np.uint8)
        cv2.circle(mask, tuple(np.rint(hand.joints_px[9]).astype(int).tolist()), 4, 255, -1)
        joints = np.round(hand.joints_px)
        rgb, near = np.repeat(mask[..., None], 3, -1), mask.astype(np.uint16) * 128
        discs.append(replace(hand, rgb=rgb, mask=mask, closeness=near, joints_px=joints))
    view, _ = augment_pair(discs, config, rng)
    v, u = torch.meshgrid(torch.arange(96.0), torch.arange(96.0), indexing="ij")
    for row in range(len(discs)):
        for image in (view.mask[row, 0], view.depth[row, 0], view.rgb[row, 1]):
            weight = image * (image > 0.3 * image.max())
            found = torch.stack([(weight * u).sum(), (weight * v).sum()]) / weight.sum()
            expected = view.joints_uv[row, 9] * 96 - 0.5
            assert (found - expected).abs().max() < 0.5


def test_margin_is_measured_on_the_turned_joints(hands, rng):
    config = AugmentConfig(centre_jitter=0, stretch=0, any_rotation=1, geometric_share=1)
    for _ in range(50):
        joints = apply_affine(draw_warp(hands[0].joints_px, config, rng), hands[0].joints_px)
        margin = config.crop_px / box_longer_side(joints_box(joints))
        assert config.min_scale - 1e-6 <= margin / config.crop_margin <= config.max_scale + 1e-6
        np.testing.assert_allclose(joints.min(0) + joints.max(0), [95, 95], atol=1e-6)


def test_share_without_geometric_change_stays_upright(hands, rng):
    config = AugmentConfig(geometric_share=0)
    A = draw_warp(hands[0].joints_px, config, rng)
    assert A[0, 1] == A[1, 0] == 0 and A[0, 0] == A[1, 1]


def test_same_generator_same_views(hands):
    first = augment_pair(hands, AugmentConfig(), np.random.default_rng(5))
    again = augment_pair(hands, AugmentConfig(), np.random.default_rng(5))
    other = augment_pair(hands, AugmentConfig(), np.random.default_rng(6))
    assert all(torch.equal(a.rgb, b.rgb) and torch.equal(a.depth, b.depth) for a, b in zip(first, again, strict=True))
    assert not torch.equal(first[0].rgb, other[0].rgb)


def test_a_single_view_is_that_of_a_pair_and_half_of_its_rows_sense_faults(hands):
    many = hands * 20
    pair, plus = augment_pair(many, AugmentConfig(), np.random.default_rng(5))
    assert torch.equal(pair.sensed, pair.depth) and torch.equal(plus.depth, pair.depth)
    assert not torch.equal(plus.sensed, pair.depth)
    exact = augment_single(many, AugmentConfig(), np.random.default_rng(5), senses_depth=False)
    assert torch.equal(exact.sensed, exact.depth)
    view = augment_single(many, AugmentConfig(), np.random.default_rng(5), senses_depth=True)
    torch.testing.assert_close(view.joints_uv, pair.joints_uv)
    assert torch.equal(view.depth, pair.depth)
    faulty = (view.sensed != view.depth).flatten(1).any(1).float().mean()
    assert 0.3 < faulty < 0.7


def test_depth_jitter_moves_the_hand_and_not_the_background(rng):
    config = AugmentConfig(depth_noise_bones=0, depth_dropout=0, depth_smooth=0)
    closeness = np.zeros((96, 96), np.float32)
    closeness[20:60, 20:60] = 0.5
    moved = [disturb_depth(closeness, config, rng) for _ in range(400)]
    assert all((m[closeness == 0] == 0).all() and np.ptp(m[closeness > 0]) < 1e-6 for m in moved)
    shifts = np.array([m[30, 30] - 0.5 for m in moved])
    assert np.std(shifts) == pytest.approx(0.1 / 3, rel=0.15)


def test_depth_dropout_makes_holes(rng):
    config = AugmentConfig(depth_noise_bones=0, depth_jitter_bones=0, depth_dropout=1, depth_smooth=0)
    closeness = np.full((96, 96), 0.5, np.float32)
    holes = disturb_depth(closeness, config, rng)
    assert 0 < (holes == 0).mean() < 0.3 and (holes[holes > 0] == 0.5).all()


def test_mirror_twice_is_the_same_and_once_flips(hands):
    batch = plain_crops(hands, 96, 1.6)
    once, twice = batch.mirrored(), batch.mirrored().mirrored()
    torch.testing.assert_close(twice.joints_uv, batch.joints_uv)
    assert torch.equal(twice.rgb, batch.rgb) and torch.equal(once.rgb[..., 0], batch.rgb[..., -1])
    torch.testing.assert_close(once.joints_uv[..., 0], 1 - batch.joints_uv[..., 0])
    assert torch.equal(once.joints_depth, batch.joints_depth)


def test_mirror_of_some_rows(hands):
    batch = plain_crops(hands, 96, 1.6)
    rows = torch.tensor([True, False, False, True, False, False])
    mixed = batch.mirrored(rows)
    assert torch.equal(mixed.mask[rows], batch.mirrored().mask[rows])
    assert torch.equal(mixed.rgb[~rows], batch.rgb[~rows])
    assert torch.equal(mixed.sensed[rows], batch.sensed[rows].flip(-1))


def test_plain_crops_centre_the_box(hands):
    batch = plain_crops(hands, 96, 1.6)
    box_middle = (batch.joints_uv.amin(1) + batch.joints_uv.amax(1)) / 2
    torch.testing.assert_close(box_middle, torch.full((6, 2), 0.5))
    longer = (batch.joints_uv.amax(1) - batch.joints_uv.amin(1)).amax(1)
    torch.testing.assert_close(longer, torch.full((6,), 1 / 1.6))


@pytest.mark.parametrize(
    "wrong", [{"crop_px": 0}, {"min_scale": 3.0}, {"geometric_share": 1.5}, {"depth_dropout": -0.1}]
)
def test_illegal_options_name_their_key(wrong):
    with pytest.raises(ValueError, match=f"augment.{next(iter(wrong))}"):
        AugmentConfig(**wrong)
