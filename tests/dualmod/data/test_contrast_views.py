"""Views for equivariant contrast: what they say they did is what they did, and a step is a function of the seed."""

import math

import cv2
import numpy as np
import pytest
import torch

from dualmod.data.augment import AugmentConfig
from dualmod.data.contrast_views import ContrastBatches, PhotoPictures, RenderedPictures, whole_box
from dualmod.data.image_sets import UnlabelledImages
from dualmod.data.synthetic import SyntheticHands

AUGMENT = AugmentConfig(crop_px=48)


@pytest.fixture
def hands(tiny_data) -> SyntheticHands:
    return SyntheticHands(tiny_data)


@pytest.fixture
def photos(tmp_path) -> UnlabelledImages:
    rng = np.random.default_rng(0)
    paths = [tmp_path / f"{k}.png" for k in range(3)]
    for path in paths:
        cv2.imwrite(str(path), rng.integers(0, 256, (40, 60, 3), dtype=np.uint8))
    return UnlabelledImages(paths)


def batches(*sources, **changes) -> ContrastBatches:
    return ContrastBatches(list(sources), AUGMENT, **{"turn_rad": 0.8, "shift": 0.12, "seed": 3, **changes})


def test_joints_of_two_views_of_a_hand_differ_by_turn_shift_and_scale_alone(hands):
    first, second = batches((RenderedPictures(hands), 4))(0)
    for row in range(4):
        undone = []
        for view in (first, second):
            turn, shift = -float(view.turn_rad[row]), view.shift[row]
            R = torch.tensor([[math.cos(turn), -math.sin(turn)], [math.sin(turn), math.cos(turn)]])
            centred = (view.joints_uv[row] - 0.5 - shift) @ R.T
            undone.append(centred / (centred.amax(0) - centred.amin(0)).amax())
        torch.testing.assert_close(undone[0], undone[1], atol=1e-4, rtol=0)
        box = (undone[0].amax(0) + undone[0].amin(0)) / 2
        torch.testing.assert_close(box, torch.zeros(2), atol=1e-4, rtol=0)  # the hand's centre is that of the crop


def test_views_differ_in_turn_shift_and_texture_and_stay_in_range(hands):
    first, second = batches((RenderedPictures(hands), 6))(1)
    for view in (first, second):
        assert view.turn_rad.abs().max() <= 0.8 and view.shift.abs().max() <= 0.12 and len(view) == 6
        assert view.rgb.shape == (6, 3, 48, 48) and view.rgb.min() >= 0 and view.rgb.max() <= 1
    assert not torch.equal(first.turn_rad, second.turn_rad) and not torch.equal(first.rgb, second.rgb)


def test_a_step_is_a_pure_function_of_the_seed(hands, photos):
    sources = (RenderedPictures(hands), 2), (PhotoPictures(photos, 1.3), 2)
    once, again, other = batches(*sources)(5), batches(*sources)(5), batches(*sources, seed=4)(5)
    assert torch.equal(once[0].rgb, again[0].rgb) and torch.equal(once[1].shift, again[1].shift)
    assert not torch.equal(once[0].rgb, other[0].rgb)


def test_partners_are_the_similar_hands(hands):
    similar = {index: (index + 1) % len(hands) for index in range(len(hands))}
    source = RenderedPictures(hands, similar)
    indices = source.draw(0, 3, 3)
    _, second = batches((source, 3), turn_rad=0.0, shift=0.0)(0)
    for row, index in enumerate(indices):
        joints = torch.from_numpy(hands[similar[index]].joints_px)
        centred, wanted = second.joints_uv[row] - 0.5, joints - (joints.amax(0) + joints.amin(0)) / 2
        torch.testing.assert_close(centred / centred.norm(), wanted / wanted.norm(), atol=1e-4, rtol=0)


def test_photos_are_shown_whole_without_joints_and_mirrored_where_asked(photos):
    plain = PhotoPictures(photos, 1.3)
    (picture,) = plain.pictures([1])
    assert np.isnan(picture.joints_px).all() and np.array_equal(picture.rgb, photos[1])
    width = picture.box_px[2] - picture.box_px[0]
    assert 1.3 * width == pytest.approx(60) and (whole_box(photos[1], 1.3) == picture.box_px).all()
    joints = np.random.default_rng(1).uniform(5, 35, (3, 21, 2))
    found = PhotoPictures(photos, 1.3, joints, np.array([True, False, False]), np.array([2, 0, 1]))
    left, right = found.pictures([0, 1])
    assert np.array_equal(left.rgb, photos[0][:, ::-1]) and np.array_equal(right.rgb, photos[1])
    assert found.partners([0, 1, 2]) == [2, 0, 1] and plain.partners([0, 1]) == [0, 1]
    assert all(0 <= index < 3 for index in found.draw(7, 20, 0))
