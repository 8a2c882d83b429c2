import numpy as np

from synth.scene.lighting.equirectangular import pixel_directions, pixel_solid_angles, pixels_of


def test_the_solid_angles_cover_the_sphere():
    assert np.isclose(pixel_solid_angles(20, 40).sum() * 40, 4 * np.pi)


def test_middle_right_and_bottom_are_forward_right_and_down():
    directions = pixel_directions(64, 128)
    assert directions[31:33, 63:65].mean((0, 1)) @ [0, 0, 1] > 0.999
    assert directions[31:33, 95:97].mean((0, 1)) @ [1, 0, 0] > 0.999
    assert directions[-1].mean(0) @ [0, 1, 0] > 0.999


def test_every_pixel_is_found_again_from_its_direction_of_any_length():
    place = pixels_of(3.0 * pixel_directions(16, 32), 16, 32)
    assert np.allclose(place[..., 0], np.arange(32)) and np.allclose(place[..., 1].T, np.arange(16))
