"""The predictor's geometry: mirrored hands and crops map back to the photo."""

import math
from dataclasses import replace

import numpy as np
import torch

from dualmod.inference.predictor import Predictor, right_probability


def predictor(net) -> Predictor:
    return Predictor(net, torch.device("cpu"), crop_margin=1.5, batch_size=2)


def test_a_left_hand_is_the_mirror_image_of_a_right_one(tiny_net):
    rng = np.random.default_rng(0)
    photo = rng.integers(0, 255, (80, 100, 3), dtype=np.uint8)
    box = np.array([[20.0, 10.0, 70.0, 60.0]])
    flipped_box = np.array([[99 - 70.0, 10.0, 99 - 20.0, 60.0]])
    right = predictor(tiny_net).predict([photo], box, ["right"])
    left = predictor(tiny_net).predict([np.ascontiguousarray(photo[:, ::-1])], flipped_box, ["left"])
    np.testing.assert_allclose(left.joints_px[..., 0], 99 - right.joints_px[..., 0], atol=1e-3)
    np.testing.assert_allclose(left.joints_px[..., 1], right.joints_px[..., 1], atol=1e-3)
    np.testing.assert_allclose(left.masks, right.masks[..., ::-1], atol=1e-5)
    assert left.mirrored.all()
    assert not right.mirrored.any()


def test_unknown_hands_are_judged_by_photo_and_mirror_image_alike(tiny_net):
    photo = np.random.default_rng(1).integers(0, 255, (64, 64, 3), dtype=np.uint8)
    box = np.array([[10.0, 10.0, 53.0, 53.0]])
    one = predictor(tiny_net).predict([photo], box)
    other = predictor(tiny_net).predict([np.ascontiguousarray(photo[:, ::-1])], box)
    np.testing.assert_allclose(one.right_probability, 1 - other.right_probability, atol=1e-5)
    np.testing.assert_allclose(one.joints_px[..., 0], 63 - other.joints_px[..., 0], atol=1e-3)


def test_handedness_adds_the_outputs_log_odds_to_those_of_the_pose(tiny_net):
    plain = tiny_net.eval()(torch.rand(2, 3, 64, 64))
    surer = replace(plain, confidence=plain.confidence / 2, handedness_logit=plain.handedness_logit - 3.0)
    expected = torch.sigmoid(torch.tensor(1.5 + math.log(2)))
    torch.testing.assert_close(right_probability(plain, surer), expected.expand(2))


def test_batches_do_not_change_the_result(tiny_net):
    rng = np.random.default_rng(2)
    photos = [rng.integers(0, 255, (50 + k, 60, 3), dtype=np.uint8) for k in range(3)]
    boxes = np.tile([10.0, 10.0, 40.0, 45.0], (3, 1))
    together = predictor(tiny_net).predict(photos, boxes)
    alone = [predictor(tiny_net).predict([p], boxes[:1]) for p in photos]
    np.testing.assert_allclose(together.joints_px, np.concatenate([a.joints_px for a in alone]), atol=1e-3)
    np.testing.assert_allclose(together.crop_sides_px, 52.5)


def test_joints_lie_in_the_crop(tiny_net):
    photo = np.random.default_rng(3).integers(0, 255, (200, 300, 3), dtype=np.uint8)
    box = np.array([[100.0, 50.0, 160.0, 90.0]])
    found = predictor(tiny_net).predict([photo], box).joints_px[0]
    centre, half = np.array([130.0, 70.0]), 45.0
    assert (np.abs(found - centre) <= half).all()


def test_attention_has_the_size_of_the_crop(tiny_net):
    photo = np.random.default_rng(4).integers(0, 255, (64, 64, 3), dtype=np.uint8)
    estimates = predictor(tiny_net).predict([photo], np.array([[5.0, 5.0, 58.0, 58.0]]))
    maps = predictor(tiny_net).attention(estimates.crops, estimates.mirrored)
    assert maps.shape == (1, 64, 64)
    assert np.isfinite(maps).all()
