"""Texture changes: what each keeps and what it changes."""

import cv2
import numpy as np
import pytest

from dualmod.data.appearance import (
    LUMA,
    TextureConfig,
    add_noise,
    black_frame,
    change_amplitudes,
    change_texture,
    colour_matrix,
    cut_and_paste,
    jpeg_artefacts,
    resample,
)


@pytest.fixture
def image(rng):
    smooth = cv2.resize(rng.integers(40, 216, (12, 12, 3), dtype=np.uint8), (96, 96), interpolation=cv2.INTER_CUBIC)
    return np.clip(smooth, 40, 215)


def test_strength_zero_changes_nothing(image, rng):
    np.testing.assert_array_equal(change_texture(image, image[::-1], TextureConfig(), rng, strength=0.0), image)


def test_input_stays_as_it_is(image, rng):
    before = image.copy()
    every = TextureConfig(blur=1, resample=1, noise=1, jpeg=1, cut=1, amplitude=1, frame=1)
    changed = change_texture(image, image[::-1].copy(), every, rng)
    np.testing.assert_array_equal(image, before)
    assert changed.shape == image.shape and changed.dtype == np.uint8 and (changed != image).mean() > 0.5


def test_amplitudes_change_and_phases_stay(image, rng):
    """Compared where rounding is not felt: without clipping, at frequencies that carry much."""
    image = image // 3 + 85
    changed = change_amplitudes(image, 0.3, rng)
    old, new = (np.fft.rfft2(i.astype(float), axes=(0, 1)) for i in (image, changed))
    strong = np.abs(old) > 1e-3 * np.abs(old).max()
    turn = np.angle(new[strong] / old[strong])
    assert strong.sum() > 60 and np.abs(turn).max() < 0.1
    assert np.abs(np.log(np.abs(new[strong]) / np.abs(old[strong])))[1:].max() > 0.1
    np.testing.assert_allclose(changed.mean((0, 1)), image.mean((0, 1)), atol=0.6)


def test_no_saturation_is_luma_in_every_channel():
    colour = np.array([0.2, 0.5, 0.9])
    np.testing.assert_allclose(colour_matrix(0.0, 0.7) @ colour, np.full(3, LUMA @ colour))


def test_hue_keeps_grey_and_full_turn_is_nothing():
    np.testing.assert_allclose(colour_matrix(1.0, 0.8) @ np.ones(3), np.ones(3), atol=1e-9)
    np.testing.assert_allclose(colour_matrix(1.0, 2 * np.pi), np.eye(3), atol=1e-9)


def test_noise_has_the_given_spread(rng):
    flat = np.full((96, 96, 3), 128, np.uint8)
    noisy = add_noise(flat, 0.05, rng).astype(float)
    assert noisy.std() == pytest.approx(255 * 0.05, rel=0.05)
    assert noisy.mean() == pytest.approx(128, abs=0.5)


def test_cut_pastes_pixels_of_the_other_image(rng):
    black, white = np.zeros((96, 96, 3), np.uint8), np.full((96, 96, 3), 255, np.uint8)
    shares = [(cut_and_paste(black, white, 0.3, rng) > 0).any(-1).mean() for _ in range(30)]
    assert min(shares) > 0 and max(shares) < 3 * 0.3**2 + 1e-6
    assert not black.any()


def test_resample_keeps_a_flat_image_and_the_mean(image):
    flat = np.full((96, 96, 3), 77, np.uint8)
    np.testing.assert_array_equal(resample(flat, 0.3), flat)
    coarse = resample(image, 0.25)
    assert abs(coarse.mean() - image.mean()) < 1.5 and coarse.std() < image.std()


def test_jpeg_is_close_at_high_and_far_at_low_quality(image):
    high, low = (np.abs(jpeg_artefacts(image, q).astype(int) - image).mean() for q in (95, 10))
    assert high < 3 < low


def test_frame_is_black_at_some_borders_and_leaves_the_middle(image, rng):
    sides = []
    for _ in range(40):
        framed = black_frame(image, rng)
        black = (framed == 0).all(-1)
        sides.append(sum([black[0].all(), black[-1].all(), black[:, 0].all(), black[:, -1].all()]))
        np.testing.assert_array_equal(framed[12:-12, 12:-12], image[12:-12, 12:-12])
    assert len(set(sides)) >= 4 and not (image == 0).any()


@pytest.mark.parametrize("wrong", [{"blur": 2.0}, {"max_cut": 0.0}, {"min_jpeg_quality": 0}])
def test_illegal_options_name_their_key(wrong):
    with pytest.raises(ValueError, match=f"texture.{next(iter(wrong))}"):
        TextureConfig(**wrong)
