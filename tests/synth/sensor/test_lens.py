import numpy as np

from synth.sensor.lens import chromatic_shift, motion_kernel, optical_centre, vignette

CENTRE = np.array([31.5, 31.5])


def test_light_falls_off_by_the_fourth_power_of_the_cosine():
    image = vignette(np.full((64, 64, 3), 200, np.uint8), CENTRE, 0.2)
    for pixel in ((31, 31), (5, 31), (10, 50), (0, 0)):
        offset = (np.array(pixel) - 31.5) / 32
        cosine = np.cos(np.arctan(np.sqrt(0.2 * (offset @ offset))))
        assert np.abs(image[pixel] - 200 * cosine ** (4 / 2.2)).max() < 1.5
    assert (vignette(np.full((64, 64, 3), 200, np.uint8), CENTRE, 0.0) == 200).all()


def test_red_grows_and_blue_shrinks_about_the_axis_and_green_stays():
    image = np.zeros((64, 64, 3), np.uint8)
    image[31:33, 51:53] = 255  # 20 px right of the axis
    shifted = chromatic_shift(image, CENTRE, 0.05).astype(float)
    columns = (shifted * np.arange(64)[None, :, None]).sum((0, 1)) / shifted.sum((0, 1))
    assert np.allclose(columns, [31.5 + 20 * 1.05, 51.5, 31.5 + 20 * 0.95], atol=0.1)
    assert (shifted[..., 1] == image[..., 1]).all()


def test_motion_blur_keeps_brightness_and_goes_one_way():
    kernel = motion_kernel(0.0, 6)
    assert np.isclose(kernel.sum(), 1) and kernel.sum(1).argmax() == len(kernel) // 2
    assert np.count_nonzero(kernel.sum(1) > 0.05) == 1


def test_the_axis_is_near_the_middle_on_average():
    rng = np.random.default_rng(0)
    assert np.abs(np.mean([optical_centre(rng, 64) for _ in range(500)], axis=0) - CENTRE).max() < 3
