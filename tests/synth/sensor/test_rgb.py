import numpy as np
import pytest

from synth.common.config import compose_config
from synth.generate import GenerateConfig
from synth.sensor import FAULTS, RgbOptions, sense_rgb
from synth.sensor.noise import noise_window
from synth.sensor.rgb import add_noise


def photo(size: int = 64) -> np.ndarray:
    ramp = np.linspace(0, 255, size)
    return np.stack(np.broadcast_arrays(ramp[:, None], ramp[None], np.full((size, size), 90.0)), -1).astype(np.uint8)


def test_the_ideal_camera_changes_nothing():
    ideal = compose_config("generate", GenerateConfig, ["out=x", "rgb=ideal"]).rgb
    shot = sense_rgb(np.random.default_rng(0), photo(), ideal)
    assert (shot.image == photo()).all() and shot.faults == [] and ideal.defocus_share == 0


def test_the_default_camera_changes_the_image_a_little_and_says_how():
    faults = set()
    for seed in range(40):
        shot = sense_rgb(np.random.default_rng(seed), photo(), RgbOptions())
        assert shot.image.shape == photo().shape and shot.image.dtype == np.uint8
        assert 0 < np.abs(shot.image.astype(int) - photo()).mean() < 45
        faults |= set(shot.faults)
    assert faults | {"defocus"} == set(FAULTS)


def test_noise_grows_with_brightness_and_keeps_the_mean():
    rng = np.random.default_rng(0)
    dark, bright = (add_noise(rng, np.full((200, 200, 3), v, np.uint8), 0.01).astype(float) for v in (60, 230))
    assert abs(dark.mean() - 60) < 0.3 and abs(bright.mean() - 230) < 0.3
    expected = 2 * 255 * 0.01 * np.sqrt(0.25 + 0.75 * np.array([60, 230]) / 255)
    assert np.allclose([dark.std(), bright.std()], expected, rtol=0.06)


def test_noise_windows_are_standard_normal_and_bounded():
    noise = noise_window(np.random.default_rng(0), 300, 300)
    assert abs(noise.mean()) < 0.02 and abs(noise.std() - 1) < 0.02
    assert 0.5 < np.corrcoef(noise[..., 0].ravel(), noise[..., 1].ravel())[0, 1] < 0.75
    with pytest.raises(ValueError, match="larger than the tile"):
        noise_window(np.random.default_rng(0), 2000, 10)


@pytest.mark.parametrize("bad", [{"noise": -1}, {"jpeg_share": 2}, {"min_jpeg_quality": 0}, {"max_aperture_mm": 0}])
def test_rgb_options_out_of_range(bad):
    with pytest.raises(ValueError, match=f"rgb.{next(iter(bad))}="):
        RgbOptions(**bad)
