"""Views of unlabelled photos: the map between the views is true, and batches are a function of the step."""

import numpy as np
import torch

from distill.target import LocatedHands, TargetBatches
from dualmod.data.augment import AugmentConfig
from dualmod.data.texture import TextureConfig

SIDE = 64


def batches(images, *, mirrored=False, augment=None) -> TargetBatches:
    count = len(images)
    boxes, ones = np.tile([60.0, 50.0, 140.0, 130.0], (count, 1)), np.ones(count)
    hands = LocatedHands(boxes, np.full(count, mirrored), ones, ones)
    return TargetBatches(images, hands, augment or AugmentConfig(crop_px=SIDE), batch_size=3, seed=4)


def dot_photo(x: int, y: int) -> np.ndarray:
    """A black photo with a bright disc, whose centre both views have to show."""
    rows, columns = np.mgrid[:200, :200]
    disc = (columns - x) ** 2 + (rows - y) ** 2 < 36
    return np.repeat((disc * 255).astype(np.uint8)[..., None], 3, 2)


def disc_centre(image: torch.Tensor) -> np.ndarray:
    weight = image.mean(0).numpy()
    rows, columns = np.mgrid[: weight.shape[0], : weight.shape[1]]
    return np.array([(columns * weight).sum(), (rows * weight).sum()]) / weight.sum()


def test_the_map_between_views_takes_a_disc_to_itself():
    untouched = AugmentConfig(crop_px=SIDE, view_strength=0.0, texture=TextureConfig())
    batch = batches([dot_photo(100, 90)], augment=untouched)(0)
    for weak, strong, matrix in zip(batch.weak, batch.strong, batch.A_strong_weak.numpy(), strict=True):
        weak_uv = (disc_centre(weak) + 0.5) / SIDE
        strong_uv = (disc_centre(strong) + 0.5) / SIDE
        np.testing.assert_allclose(matrix[:, :2] @ weak_uv + matrix[:, 2], strong_uv, atol=0.02)


def test_mirrored_hands_are_shown_as_right_hands():
    box_centre_mirrored = dot_photo(199 - 110, 90)
    plain, mirrored = batches([dot_photo(110, 90)])(0), batches([box_centre_mirrored], mirrored=True)(0)
    torch.testing.assert_close(plain.weak, mirrored.weak)


def test_a_step_always_gives_the_same_batch_and_another_step_another():
    rng = np.random.default_rng(1)
    images = [rng.integers(0, 255, (200, 200, 3), dtype=np.uint8) for _ in range(4)]
    source = batches(images)
    assert torch.equal(source(3).strong, source(3).strong)
    assert not torch.equal(source(3).strong, source(4).strong)


def test_focal_is_in_sides_of_the_weak_crop():
    focal = batches([dot_photo(100, 90)])(0).focal
    assert ((focal > 1.2 * 200 / (1.75 * 80) - 0.01) & (focal < 1.2 * 200 / (1.45 * 80) + 0.01)).all()


def test_photos_of_an_unsure_hand_are_left_out():
    certainty = np.array([0.9, 0.1, 0.8, 0.2])
    hands = LocatedHands(np.tile([60.0, 50.0, 140.0, 130.0], (4, 1)), np.zeros(4, bool), np.ones(4), certainty)
    images = [np.full((200, 200, 3), 50 * k, np.uint8) for k in range(4)]
    plain = AugmentConfig(crop_px=SIDE, view_strength=0.0)
    source = TargetBatches(images, hands, plain, batch_size=8, seed=0, sure_share=0.5)
    seen = {round(float(v) * 255) for step in range(3) for v in source(step).weak.mean((1, 2, 3))}
    assert seen == {0, 100}
