import numpy as np
import pytest

from synth.geometry.camera import Camera

CAMERA = Camera(np.array([[300.0, 0, 60.0], [0, 310.0, 70.0], [0, 0, 1]]), 128, 128)


def test_a_point_on_the_axis_projects_to_the_principal_point():
    assert np.allclose(CAMERA.project(np.array([0.0, 0.0, 0.7])), [60, 70])


def test_project_and_unproject_are_inverse():
    rng = np.random.default_rng(0)
    points = rng.uniform([-0.2, -0.2, 0.3], [0.2, 0.2, 0.9], size=(50, 3))
    assert np.allclose(CAMERA.unproject(CAMERA.project(points), points[:, 2]), points)


def test_a_crop_projects_to_the_cropped_pixel():
    A = np.array([[0.5, 0, -3.0], [0, 0.25, 7.0]])
    point = np.array([0.03, -0.02, 0.5])
    u, v = CAMERA.project(point)
    assert np.allclose(CAMERA.crop(A, 40, 40).project(point), [0.5 * u - 3, 0.25 * v + 7])


def test_a_rotating_crop_is_refused():
    with pytest.raises(ValueError, match="rotates"):
        CAMERA.crop(np.array([[0.7, 0.7, 0], [-0.7, 0.7, 0]]), 40, 40)
