import cv2
import numpy as np
import pytest

from synth.generate import main
from synth.geometry.camera import Camera
from synth.scene.arm.skin import LUMINANCE
from synth.scene.lighting.environment_map import EXPOSURE, light_from_panorama
from synth.scene.lighting.equirectangular import pixel_directions, pixel_solid_angles
from synth.scene.lighting.panorama import Panoramas, check_panoramas, list_panoramas, prepare_panorama, read_radiance
from synth.scene.lighting.spherical_harmonics import irradiance_at
from synth.scene.view import about

KEY = "scene.light.hdr_dir"


def lamp_to_the_right() -> np.ndarray:
    """Grey all round, blue ahead of the camera, and a lamp 90 degrees to the right, 30 up."""
    radiance = np.full((64, 128, 3), 0.3, np.float32)
    radiance[:, 56:72] = [0.1, 0.1, 0.6]
    radiance[20:23, 95:97] = 200.0
    return radiance


def save(folder, radiance, name="room.npz"):
    np.savez(folder / name, rgb=radiance)
    return folder / name


def camera(size: int = 32) -> Camera:
    return Camera(np.array([[size, 0, (size - 1) / 2], [0, size, (size - 1) / 2], [0, 0, 1.0]]), size, size)


def test_npz_and_hdr_files_give_the_same_light(tmp_path):
    radiance = np.random.default_rng(0).uniform(0.2, 2, size=(16, 32, 3)).astype(np.float32)
    save(tmp_path, radiance)
    cv2.imwrite(str(tmp_path / "other.hdr"), radiance[..., ::-1])
    files = list_panoramas(str(tmp_path), KEY)
    check_panoramas(files, KEY)
    from_hdr, from_npz = (read_radiance(file, KEY) for file in files)
    assert np.allclose(from_npz, radiance) and np.abs(from_hdr - radiance).max() < 0.01


def test_brightness_of_the_file_makes_no_difference():
    one, other = (prepare_panorama("x", factor * lamp_to_the_right()) for factor in (1, 50))
    assert np.allclose(one.ambient_sh, other.ambient_sh, rtol=1e-4) and (one.codes == other.codes).all()


def test_the_light_comes_from_where_the_picture_shows_it():
    panorama = prepare_panorama("x", lamp_to_the_right())
    ahead, wide = camera(), Camera(np.array([[8, 0, 15.5], [0, 8, 15.5], [0, 0, 1.0]]), 32, 32)
    for heading in (0.0, 0.8, 1.57):
        light, surroundings = light_from_panorama(np.random.default_rng(0), panorama, about(1, -heading))
        direction = light.lights.directions[0]
        assert direction @ [np.cos(0.51) * np.cos(heading), -np.sin(0.51), np.cos(0.51) * np.sin(heading)] > 0.995
        if direction[2] > 0.3:
            column, row = np.rint(wide.project(direction)).astype(int)
            assert (surroundings.picture(wide)[row, column] == 255).all()
        if heading == 0:
            blue = surroundings.picture(ahead)[16, 16].astype(int)
            assert blue[2] > blue[0] + 40


def test_the_picture_is_what_a_ray_through_each_pixel_meets():
    rng = np.random.default_rng(4)
    smooth = cv2.GaussianBlur(rng.uniform(0, 1, size=(64, 128, 3)).astype(np.float32), (0, 0), 4)
    panorama = prepare_panorama("x", smooth)
    R, view = about(2, 0.2) @ about(0, 0.4) @ about(1, 1.1), camera()
    seen = panorama.picture(view, R, 0.9)
    directions = pixel_directions(64, 128).reshape(-1, 3)
    luminance = (smooth @ LUMINANCE * pixel_solid_angles(64, 128)).sum() / (4 * np.pi)
    scaled = 0.9 * smooth.reshape(-1, 3) / luminance
    for u, v in ((3, 5), (16, 16), (30, 9)):
        ray = R.T @ view.unproject(np.array([u, v], float), np.array(1.0))
        nearest = (directions @ ray).argmax()
        expected = np.clip(scaled[nearest], 0, 1)
        srgb = 255 * np.where(expected < 0.0031308, 12.92 * expected, 1.055 * expected ** (1 / 2.4) - 0.055)
        assert np.abs(seen[v, u] - srgb).max() < 4


def test_hand_and_background_share_one_exposure():
    panorama = prepare_panorama("x", np.full((32, 64, 3), 5.0, np.float32))
    light, surroundings = light_from_panorama(np.random.default_rng(1), panorama, np.eye(3))
    assert EXPOSURE[0] <= light.exposure <= EXPOSURE[1]
    white = irradiance_at(light.lights.ambient_sh.astype(float), np.array([0.3, -0.6, -0.742]))
    assert np.allclose(white, light.exposure, rtol=0.01) and np.isclose(surroundings.scale, light.exposure, rtol=0.01)


def test_negative_rings_about_a_sun_are_mended_and_a_lost_channel_too(tmp_path):
    radiance = lamp_to_the_right()
    radiance[20, 94] = -3.0
    radiance[22, 95] = [0.0, 0.0, 300.0]
    mended = read_radiance(save(tmp_path, radiance.astype(np.float16)), KEY)
    assert mended.min() >= 0 and (mended[22, 95] == 300).all() and mended[20, 94].min() > 0.1


def test_each_panorama_is_prepared_once(tmp_path):
    panoramas = Panoramas([save(tmp_path, lamp_to_the_right())])
    first = panoramas.sample(np.random.default_rng(0))
    assert first is panoramas.sample(np.random.default_rng(1)) and first.name == "room"


def with_one(value: float) -> np.ndarray:
    radiance = np.ones((16, 32, 3), np.float32)
    radiance[3, 4, 1] = value
    return radiance


@pytest.mark.parametrize(
    ("radiance", "message"),
    [
        (np.ones((16, 16, 3), np.float32), r"room\.npz has the shape \(16, 16, 3\); a panorama is H x 2H x 3"),
        (np.ones((16, 32), np.float32), r"has the shape \(16, 32\)"),
        (with_one(np.nan), "holds values that are not finite"),
        (with_one(np.inf), "holds values that are not finite"),
        (with_one(-1e5), "holds negative light"),
        (np.zeros((16, 32, 3), np.float32), "is black"),
        (np.ones((16, 32, 3), np.uint8), "holds uint8"),
    ],
)
def test_panoramas_that_cannot_light_a_scene_are_refused_in_one_line(tmp_path, capsys, radiance, message):
    save(tmp_path, radiance)
    with pytest.raises(ValueError, match=message):
        check_panoramas(list_panoramas(str(tmp_path), KEY), KEY)
    assert main([f"out={tmp_path / 'd'}", f"{KEY}={tmp_path}"]) == 1
    error = capsys.readouterr().err
    assert error.count("\n") == 1 and f"{KEY}: " in error and not (tmp_path / "d").exists()


@pytest.mark.parametrize("name", ["broken.npz", "broken.hdr"])
def test_files_that_are_no_panorama_are_named(tmp_path, name):
    (tmp_path / name).write_bytes(b"nothing of use")
    with pytest.raises(ValueError, match=f"{name} cannot be read as a panorama"):
        check_panoramas(list_panoramas(str(tmp_path), KEY), KEY)


def test_missing_and_empty_folders_are_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"hdr_dir=.*does not exist"):
        list_panoramas(str(tmp_path / "none"), KEY)
    with pytest.raises(FileNotFoundError, match=r"holds no panorama \(\.npz, \.hdr"):
        list_panoramas(str(tmp_path), KEY)
