import cv2
import numpy as np
import pytest

from synth.generate import main
from synth.geometry.camera import Camera
from synth.scene.backgrounds.background import BackgroundOptions, Backgrounds, Setting
from synth.scene.backgrounds.photos import Photos
from synth.scene.backgrounds.textured_plane import Plane, as_tile, draw_plane, sample_plane
from synth.scene.view import about

KEY = "scene.background.texture_dir"
HAND = np.random.default_rng(0).normal(size=(40, 3)) * 0.05 + [0, 0, 0.5]


def camera(size: int = 48) -> Camera:
    return Camera(np.array([[1.5 * size, 0, size / 2], [0, 1.4 * size, size / 2 - 3], [0, 0, 1.0]]), size, size)


def smooth_tile() -> np.ndarray:
    noise = np.random.default_rng(1).uniform(0, 255, size=(64, 64, 3)).astype(np.float32)
    smooth = cv2.GaussianBlur(noise, (0, 0), 6)
    return cv2.normalize(smooth, np.zeros_like(smooth), 0, 255, cv2.NORM_MINMAX).astype(np.uint8)


def test_each_pixel_shows_the_tile_where_its_ray_meets_the_plane():
    tile, view = smooth_tile(), camera()
    normal, along = about(0, 0.5) @ [0, 0, -1.0], np.array([1.0, 0, 0])
    image = np.zeros((48, 48, 3), np.uint8)
    assert draw_plane(image, tile, Plane(normal, along, 0.8, tile_m=0.9), view).all()
    for row, column in ((5, 7), (24, 24), (40, 12), (30, 45)):
        ray = view.unproject(np.array([column, row], float), np.array(1.0))
        point = ray * -0.8 / (ray @ normal)
        texel = np.array([point @ along, point @ np.cross(normal, along)]) * 64 / 0.9
        mirrored = np.where((texel // 64).astype(int) % 2 == 0, texel % 64, 63 - texel % 64)
        x, y = np.clip(np.rint(mirrored).astype(int), 0, 63)
        assert np.abs(image[row, column].astype(int) - tile[y, x]).max() < 40
        assert point @ normal == pytest.approx(-0.8)


def test_far_away_a_pattern_is_its_mean_colour():
    stripes = np.zeros((64, 64, 3), np.uint8)
    stripes[:, ::2] = 200
    image = np.zeros((48, 48, 3), np.uint8)
    draw_plane(image, stripes, Plane(np.array([0, 0, -1.0]), np.array([1.0, 0, 0]), 5.0, tile_m=0.5), camera())
    assert np.abs(image.astype(int) - 100).max() < 25


def test_a_table_ends_and_above_the_horizon_nothing_is_drawn():
    image = np.full((48, 48, 3), 7, np.uint8)
    up = about(0, 0.2) @ [0, -1.0, 0]
    plane = Plane(up, np.array([1.0, 0, 0]), 0.3, tile_m=0.5, end_m=1.0)
    seen = draw_plane(image, np.full((16, 16, 3), 200, np.uint8), plane, camera())
    assert (image[seen] == 200).all() and (image[~seen] == 7).all()
    assert seen[-1].all() and not seen[0].any() and 0.1 < seen.mean() < 0.9


@pytest.mark.parametrize(
    ("down_rad", "expected"),
    [(0.0, {"wall", "pattern"}), (0.5, {"table", "wall", "pattern"}), (1.2, {"table"}), (1.57, {"table"})],
)
def test_planes_lie_behind_the_hand_and_tables_under_cameras_that_look_down(down_rad, expected):
    rng, R_cam_world = np.random.default_rng(0), about(0, down_rad) @ about(1, 2.0)
    kinds = []
    for _ in range(60):
        plane, kind = sample_plane(rng, R_cam_world, HAND)
        kinds.append(kind)
        assert (HAND @ plane.normal + plane.distance_m > -1e-9).all()
        assert abs(plane.along @ plane.normal) < 1e-9 and np.isclose(np.linalg.norm(plane.along), 1)
        up = R_cam_world @ [0, -1.0, 0]
        assert {"table": np.allclose(plane.normal, up), "wall": abs(plane.normal @ up) < 1e-9}.get(kind, True)
    assert set(kinds) == expected


def test_tiles_are_squares_of_a_power_of_two():
    assert as_tile(np.zeros((88, 130, 3), np.uint8)).shape == (64, 64, 3)
    assert as_tile(np.zeros((700, 900, 3), np.uint8)).shape == (256, 256, 3)


def test_backgrounds_take_their_textures_from_the_folder(tmp_path):
    cv2.imwrite(str(tmp_path / "red.png"), np.full((64, 64, 3), (10, 10, 220), np.uint8))
    options = BackgroundOptions(texture_share=1.0)
    backgrounds = Backgrounds(options, textures=Photos([tmp_path / "red.png"]))
    down = Setting(np.ones(3), camera(), about(0, 1.4), HAND)
    drawn = backgrounds.sample(np.random.default_rng(0), down)
    assert drawn.kind == "texture:table" and drawn.image[..., 0].mean() > 5 * drawn.image[..., 1].mean()
    assert 0.5 < drawn.distance_m < 1.2


def test_an_empty_folder_and_a_broken_tile_end_in_one_line(tmp_path, capsys):
    tiles = tmp_path / "tiles"
    tiles.mkdir()
    for message in ("holds no picture", "broken.jpg cannot be read"):
        assert main([f"out={tmp_path / 'd'}", f"{KEY}={tiles}"]) == 1
        error = capsys.readouterr().err
        assert error.count("\n") == 1 and KEY in error and message in error and not (tmp_path / "d").exists()
        (tiles / "broken.jpg").write_bytes(b"no picture")
