"""Views of unlabelled photos: the map between the views is true, and batches are a function of the step."""

import numpy as np
import torch

from distill.target import TargetBatch, TargetBatches
from dualmod.data.augment import AugmentConfig
from dualmod.data.texture import TextureConfig

SIDE = 64


def batches(images, *, augment=None) -> TargetBatches:
    boxes = np.tile([60.0, 50.0, 140.0, 130.0], (len(images), 1))
    return TargetBatches(images, boxes, augment or AugmentConfig(crop_px=SIDE), batch_size=3, seed=4)


def dot_photo(x: int, y: int) -> np.ndarray:
    """A black photo with a bright disc, whose centre both views have to show."""
    rows, columns = np.mgrid[:200, :200]
    disc = (columns - x) ** 2 + (rows - y) ** 2 < 36
    return np.repeat((disc * 255).astype(np.uint8)[..., None], 3, 2)


def disc_centre(image: torch.Tensor) -> np.ndarray:
    weight = image.mean(0).numpy()
    rows, columns = np.mgrid[: weight.shape[0], : weight.shape[1]]
    return np.array([(columns * weight).sum(), (rows * weight).sum()]) / weight.sum()


UNTOUCHED = AugmentConfig(crop_px=SIDE, view_strength=0.0, texture=TextureConfig())


def assert_views_agree(batch: TargetBatch) -> None:
    for weak, strong, matrix in zip(batch.weak, batch.strong, batch.A_strong_weak.numpy(), strict=True):
        weak_uv = (disc_centre(weak) + 0.5) / SIDE
        strong_uv = (disc_centre(strong) + 0.5) / SIDE
        np.testing.assert_allclose(matrix[:, :2] @ weak_uv + matrix[:, 2], strong_uv, atol=0.02)


def test_the_map_between_views_takes_a_disc_to_itself():
    assert_views_agree(batches([dot_photo(100, 90)], augment=UNTOUCHED)(0))


def test_mirrored_rows_are_flipped_in_both_views_and_the_map_follows():
    batch = batches([dot_photo(110, 80)], augment=UNTOUCHED)(0)
    rows = torch.tensor([True, False, True])
    mirrored = batch.mirrored(rows)
    assert_views_agree(mirrored)
    torch.testing.assert_close(mirrored.weak[rows], batch.weak[rows].flip(-1))
    torch.testing.assert_close(mirrored.strong[rows], batch.strong[rows].flip(-1))
    for name in ("weak", "strong", "A_strong_weak"):
        assert torch.equal(getattr(mirrored, name)[1], getattr(batch, name)[1])
    twice = mirrored.mirrored(rows)
    torch.testing.assert_close(twice.A_strong_weak, batch.A_strong_weak)


def test_a_step_always_gives_the_same_batch_and_another_step_another():
    rng = np.random.default_rng(1)
    images = [rng.integers(0, 255, (200, 200, 3), dtype=np.uint8) for _ in range(4)]
    source = batches(images)
    assert torch.equal(source(3).strong, source(3).strong)
    assert not torch.equal(source(3).strong, source(4).strong)


def test_focal_is_in_sides_of_the_weak_crop():
    focal = batches([dot_photo(100, 90)])(0).focal
    assert ((focal > 1.2 * 200 / (1.75 * 80) - 0.01) & (focal < 1.2 * 200 / (1.45 * 80) + 0.01)).all()
