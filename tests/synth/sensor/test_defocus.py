import cv2
import numpy as np
import pytest

from synth.generate import GenerateConfig, maker_settings
from synth.generation.sample_maker import SampleMaker
from synth.sensor import RgbOptions
from synth.sensor.defocus import (
    MAX_SIGMA_SHARE,
    Focus,
    confusion_px,
    defocus_background,
    defocus_surface,
    sample_focus,
)

WIDE = Focus(aperture_m=0.02, distance_m=0.5)


def checks(size: int = 96) -> np.ndarray:
    board = (np.add.outer(np.arange(size) // 4, np.arange(size) // 4) % 2 * 200 + 20).astype(np.uint8)
    return np.stack([board] * 3, -1)


def contrast(image: np.ndarray) -> float:
    return float(image[..., 0].std())


def test_the_disc_is_that_of_two_rays_from_the_rim_of_a_thin_lens():
    """A lens of focal length f images z_f at v = f z_f / (z_f - f); rays from z cross at v' and are a disc at v."""
    f, z_f, z, aperture_m, pixel_m = 0.035, 0.6, 1.7, 0.012, 4e-6
    v, v_other = (f * d / (d - f) for d in (z_f, z))
    expected = aperture_m * abs(v - v_other) / v_other / pixel_m
    assert np.isclose(confusion_px(Focus(aperture_m, z_f), np.array(z), v / pixel_m), expected)


def test_what_is_in_focus_stays_and_what_is_far_off_blurs_more():
    sharp = defocus_background(checks(), WIDE, 0.5, 200)
    near, far = (defocus_background(checks(), WIDE, z, 200) for z in (0.7, 3.0))
    assert (sharp == checks()).all() and contrast(far) < contrast(near) < contrast(checks())


def test_blur_is_bounded():
    huge = defocus_background(checks(), Focus(0.1, 0.3), 6.0, 900)
    assert (huge == cv2.GaussianBlur(checks(), (0, 0), MAX_SIGMA_SHARE * 96)).all()


def test_each_part_of_the_hand_blurs_by_its_own_depth():
    depth_m = np.full((96, 96), 0.5, np.float32)
    depth_m[:, 48:] = 0.4
    seen = defocus_surface(checks(), np.zeros((96, 96, 3), np.uint8), depth_m, WIDE, 300)
    assert np.abs(seen[:, :36].astype(int) - checks()[:, :36]).max() <= 1
    expected = cv2.GaussianBlur(checks(), (0, 0), min(300 * 0.02 * abs(1 / 0.4 - 1 / 0.5) / 4, MAX_SIGMA_SHARE * 96))
    assert np.abs(seen[20:76, 64:84].astype(int) - expected[20:76, 64:84]).max() <= 3


def test_a_blurred_hand_gets_a_soft_outline_before_a_background_that_stays():
    background, depth_m = np.minimum(checks(), 60), np.zeros((96, 96), np.float32)
    image = background.copy()
    image[30:66, 30:66], depth_m[30:66, 30:66] = 255, 0.3
    seen = defocus_surface(image, background, depth_m, WIDE, 250).astype(int)
    assert (seen[48, 48] == 255).all() and (seen[:15] == background[:15]).all()
    outside, inside = seen[48, 24:30, 0], seen[48, 30:36, 0]
    assert outside[-1] > 100 > outside[0] and inside[0] < 200 and (np.diff(inside) >= 0).all()


def test_no_surface_and_a_small_aperture_change_nothing():
    image, nothing = checks(), np.zeros((96, 96), np.float32)
    assert (defocus_surface(image, image, nothing, WIDE, 300) == image).all()
    flat = np.full((96, 96), 0.45, np.float32)
    assert (defocus_surface(image, image, flat, Focus(0.002, 0.5), 300) == image).all()


def test_lenses_are_mostly_focused_on_the_hand():
    rng = np.random.default_rng(0)
    focuses = [sample_focus(rng, 0.04, 0.5, 3.0) for _ in range(400)]
    on_hand = [abs(f.distance_m - 0.5) < 0.1 for f in focuses]
    assert 0.88 < np.mean(on_hand) < 0.97
    assert all(0.002 <= f.aperture_m <= 0.04 for f in focuses)


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_samples_say_whether_the_depth_of_field_was_limited(share):
    settings = maker_settings(GenerateConfig(out="x", image_size=48, rgb=RgbOptions(defocus_share=share)))
    samples = list(SampleMaker(settings, 0).samples(0, 4))
    assert all(sample.scene["camera_defocus"] == bool(share) for sample in samples)
