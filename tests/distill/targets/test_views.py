"""Views of unlabelled photos: the map between the views is true, and batches are a function of the step."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from distill.targets.photos import SET, TargetPhotos, neighbours
from distill.targets.start_boxes import LocatedHands
from distill.targets.views import TargetBatch, TargetBatches, ViewsConfig
from dualmod.data.appearance import TextureConfig
from dualmod.data.augment import AugmentConfig
from dualmod.data.video import Video, VideoFrame

SIDE = 64


def batches(images, *, augment=None, views=None, neighbours=None, crop_margin=1.6) -> TargetBatches:
    count = len(images)
    hands = LocatedHands(np.tile([60.0, 50.0, 140.0, 130.0], (count, 1)), np.linspace(0, 1, count))
    alone = np.full((count, 2), -1)
    photos = TargetPhotos(images, np.zeros(count, int), alone if neighbours is None else neighbours)
    augment = replace(augment or AugmentConfig(crop_px=SIDE), crop_margin=crop_margin)
    return TargetBatches(photos, hands, augment, batch_size=3, seed=4, views=views)


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


def test_photos_shrink_without_aliasing():
    board = (np.indices((200, 200)).sum(0) % 2 * 255).astype(np.uint8)
    batch = batches([np.repeat(board[..., None], 3, 2)], augment=UNTOUCHED, views=ViewsConfig(num_views=1))(0)
    for seen in (batch.weak, batch.strong, batch.views[:, 0]):
        assert seen[:, :, 24:40, 24:40].std() < 0.1, "fields of one pixel average to grey"


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


@pytest.mark.parametrize("margin", [1.6, 1.2])
def test_focal_is_in_sides_of_the_weak_crop_which_is_about_that_at_test(margin):
    source = batches([dot_photo(100, 90)], crop_margin=margin)
    focal = torch.cat([source(step).focal for step in range(20)])
    sides_px = 1.2 * 200 / focal / 80  # of a box of 80 px
    assert sides_px.min() > margin * (1 - 3 / 32) - 1e-4 and sides_px.max() < margin * (1 + 3 / 32) + 1e-4
    assert sides_px.min() < margin * 0.93 and sides_px.max() > margin * 1.07, "its side is varied"


@pytest.mark.parametrize("margin", [1.6, 1.2])
def test_further_views_are_about_as_large_as_the_crop_at_test(margin):
    source = batches([dot_photo(100, 90)], crop_margin=margin, views=ViewsConfig(num_views=4))
    seen = [source(step) for step in range(20)]
    zoom = torch.cat([torch.linalg.det(b.A_weak_views[..., :2]).sqrt() / b.focal[:, None] for b in seen])
    sides = zoom * 1.2 * 200 / 80
    assert sides.min() > margin * (1 - 5 / 32) - 1e-3 and sides.max() < margin * (1 + 5 / 32) + 1e-3
    assert sides.min() < margin * 0.87 and sides.max() > margin * 1.13


def test_further_views_map_to_the_weak_one_and_change_nothing_else():
    plain = batches([dot_photo(105, 92)], augment=UNTOUCHED)(0)
    batch = batches([dot_photo(105, 92)], augment=UNTOUCHED, views=ViewsConfig(num_views=2))(0)
    assert torch.equal(batch.weak, plain.weak) and torch.equal(batch.strong, plain.strong)
    for seen in (batch, batch.mirrored(torch.tensor([True, False, True]))):
        for row in range(3):
            weak_uv = (disc_centre(seen.weak[row]) + 0.5) / SIDE
            for view, matrix in zip(seen.views[row], seen.A_weak_views[row].numpy(), strict=True):
                view_uv = (disc_centre(view) + 0.5) / SIDE
                np.testing.assert_allclose(matrix[:, :2] @ view_uv + matrix[:, 2], weak_uv, atol=0.02)


def test_frames_show_the_weak_crop_in_the_photos_beside_it():
    images = [dot_photo(90 + 10 * k, 90) for k in range(3)]
    beside = np.array([[-1, 1], [0, 2], [1, -1]])
    source = batches(images, augment=UNTOUCHED, views=ViewsConfig(frames=True), neighbours=beside)
    batch = next(b for b in map(source, range(50)) if b.has_frames.any())
    row = int(batch.has_frames.nonzero()[0])
    before, here, after = (
        disc_centre(image) for image in (batch.frames[row, 0], batch.weak[row], batch.frames[row, 1])
    )
    np.testing.assert_allclose((before + after) / 2, here, atol=0.3)
    assert after[0] - before[0] > 5
    assert torch.equal(batch.frames[~batch.has_frames][:, 0].isnan().any(), torch.tensor(False))


def test_neighbours_are_numbered_files_of_one_folder():
    names = ["a/f_01.png", "a/f_02.png", "a/f_03.png", "b/f_04.png", "a/g_04.png", "a/f_07.png", "a/cat.png"]
    found = neighbours([Path(name) for name in names])
    assert found.tolist() == [[-1, 1], [0, 2], [1, -1], [-1, -1], [-1, -1], [-1, -1], [-1, -1]]


def test_neighbours_of_a_videos_frames_are_those_of_the_same_video():
    first, second = Video(Path("a.mp4")), Video(Path("b.mp4"))
    frames = [VideoFrame(first, 0), VideoFrame(first, 1), VideoFrame(second, 2), VideoFrame(first, 2)]
    assert neighbours(frames).tolist() == [[-1, 1], [0, 3], [-1, -1], [1, -1]]
    assert neighbours([*frames, Path("a_3.png"), Path("a_4.png")]).tolist()[4:] == [[-1, 5], [4, -1]]


def test_sets_are_balanced_on_demand():
    sets = np.repeat([0, 1, 2], [80, 15, 5])
    photos = TargetPhotos([None] * 100, sets, np.full((100, 2), -1))
    rng = np.random.default_rng(0)
    by_set = np.bincount(sets[photos.draw(6000, SET, rng)]) / 6000
    np.testing.assert_allclose(by_set, 1 / 3, atol=0.03)
    by_photo = np.bincount(sets[photos.draw(6000, "photo", rng)]) / 6000
    np.testing.assert_allclose(by_photo, [0.8, 0.15, 0.05], atol=0.03)
    within = np.bincount(photos.draw(6000, SET, rng), minlength=100)[95:]
    assert within.min() > 300


@pytest.mark.parametrize("balance", ["photo", SET])
def test_one_set_is_drawn_alike_whatever_the_balance(balance):
    photos = TargetPhotos([None] * 7, np.zeros(7, int), np.full((7, 2), -1))
    drawn = photos.draw(5, balance, np.random.default_rng(3))
    assert drawn.tolist() == np.random.default_rng(3).integers(7, size=5).tolist()
