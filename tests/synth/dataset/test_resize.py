import dataclasses

import numpy as np
import pytest

from synth.dataset.resize import resized


def test_resizing_up_and_down_again_is_the_identity_on_parts_depth_and_joints(sample):
    back = resized(resized(sample, 96), 32)
    assert (back.segmentation == sample.segmentation).all() and (back.depth_m == sample.depth_m).all()
    assert np.allclose(back.K, sample.K) and np.allclose(back.joints_px, sample.joints_px)


def test_a_bright_pixel_and_its_part_stay_under_the_joint(sample):
    rgb, segmentation = np.zeros((32, 32, 3), np.uint8), np.zeros((32, 32), np.uint8)
    rgb[20, 11], segmentation[20, 11] = 255, 5
    joints_cam = sample.joints_cam.copy()
    joints_cam[0] = np.linalg.inv(sample.K) @ [11, 20, 1] * 0.5
    marked = resized(dataclasses.replace(sample, rgb=rgb, segmentation=segmentation, joints_cam=joints_cam), 160)
    for image in (marked.rgb[..., 0].astype(float), (marked.segmentation == 5).astype(float)):
        rows, columns = np.mgrid[:160, :160]
        centre = [(columns * image).sum() / image.sum(), (rows * image).sum() / image.sum()]
        assert np.abs(centre - marked.joints_px[0]).max() < 1e-6


def test_only_squares_are_resized(sample):
    with pytest.raises(ValueError, match="32 x 16 px; only square"):
        resized(dataclasses.replace(sample, rgb=sample.rgb[:16]), 64)
