"""Crops: where points land, that images and points agree, and the way back."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dualmod.geometry.crop import (
    apply_affine,
    box_crop_matrix,
    crop_image,
    crop_matrix,
    crop_side_px,
    invert_affine,
    joints_box,
    px_from_uv,
    uv_from_px,
    warp,
)

floats = st.floats(-50, 50)


def test_outer_corners_of_the_square_become_outer_corners_of_the_crop():
    A = box_crop_matrix(np.array([10.0, 20.0, 30.0, 30.0]), margin=2.0, out_px=80)
    square = np.array([[0.0, 5.0], [40.0, 45.0]])  # centre (20, 25), side 2 * 20
    np.testing.assert_allclose(uv_from_px(apply_affine(A, square), 80), [[0, 0], [1, 1]], atol=1e-12)
    assert crop_side_px(np.array([10.0, 20.0, 30.0, 30.0]), 2.0) == 40.0


def test_quarter_turn_takes_x_to_y():
    A = crop_matrix(np.array([5.0, 5.0]), 11.0, out_px=11, rotation_rad=math.pi / 2)
    np.testing.assert_allclose(apply_affine(A, np.array([[8.0, 5.0]])), [[5.0, 8.0]], atol=1e-12)


def test_stretch_keeps_the_area_and_widens():
    A = crop_matrix(np.zeros(2), 10.0, out_px=20, stretch=1.21)
    assert np.linalg.det(A[:, :2]) == pytest.approx(4.0)
    assert A[0, 0] / A[1, 1] == pytest.approx(1.21)


@given(floats, floats, st.floats(1, 300), st.floats(-7, 7), st.floats(0.7, 1.4))
def test_inverse_undoes_the_crop(x, y, side, rotation, stretch):
    A = crop_matrix(np.array([x, y]), side, out_px=96, rotation_rad=rotation, stretch=stretch)
    points = np.array([[0.0, 0.0], [x, y], [13.0, -4.0]])
    np.testing.assert_allclose(apply_affine(invert_affine(A), apply_affine(A, points)), points, atol=1e-6)
    np.testing.assert_allclose(apply_affine(A, np.array([x, y])), [47.5, 47.5], atol=1e-6)


def test_uv_and_pixels_are_inverse():
    points = np.array([[0.0, 95.0], [-0.5, 95.5]])
    np.testing.assert_allclose(px_from_uv(uv_from_px(points, 96), 96), points)
    np.testing.assert_allclose(uv_from_px(points[1], 96), [0, 1])


def test_identity_crop_returns_the_image(rng):
    image = rng.integers(0, 256, (32, 32, 3), dtype=np.uint8)
    A = crop_matrix(np.array([15.5, 15.5]), 32.0, out_px=32)
    np.testing.assert_array_equal(warp(image, A, 32), image)
    np.testing.assert_array_equal(crop_image(image, A, 32), image)


def test_a_blob_lands_where_its_point_lands():
    y, x = np.mgrid[:64, :64].astype(np.float32)
    blob = np.exp(-((x - 40) ** 2 + (y - 22) ** 2) / 18).astype(np.float32)
    A = crop_matrix(np.array([36.0, 26.0]), 40.0, out_px=96, rotation_rad=0.6, stretch=1.1)
    crop = warp(blob, A, 96)
    v, u = np.mgrid[:96, :96]
    centroid = np.array([(u * crop).sum(), (v * crop).sum()]) / crop.sum()
    np.testing.assert_allclose(centroid, apply_affine(A, np.array([40.0, 22.0])), atol=0.05)


def test_shrinking_averages_blocks(rng):
    image = rng.integers(0, 256, (64, 64, 3), dtype=np.uint8)
    A = crop_matrix(np.array([31.5, 31.5]), 64.0, out_px=16)
    blocks = image.reshape(16, 4, 16, 4, 3).astype(float).mean((1, 3))
    assert np.abs(crop_image(image, A, 16) - blocks).max() <= 1


@pytest.mark.parametrize(("border", "expected"), [("black", 0), ("replicate", 200), ("mean", 100)])
def test_borders(border, expected):
    image = np.zeros((10, 10, 3), np.uint8)
    image[:, 5:] = 200
    A = crop_matrix(np.array([14.5, 4.5]), 10.0, out_px=10)
    assert warp(image, A, 10, border)[5, 8, 0] == expected


def test_box_of_visible_joints_only():
    joints = np.array([[1.0, 2.0], [5.0, 9.0], [100.0, 100.0], [np.nan, 0.0]])
    np.testing.assert_allclose(joints_box(joints, np.array([1, 1, 0, 1])), [1, 2, 5, 9])
    with pytest.raises(ValueError, match="no joint is visible"):
        joints_box(joints, np.zeros(4))


@pytest.mark.parametrize("side", [0.0, -1.0])
def test_no_crop_without_size(side):
    with pytest.raises(ValueError, match="positive sizes"):
        crop_matrix(np.zeros(2), side, out_px=10)
