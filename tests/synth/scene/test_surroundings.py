from dataclasses import replace

import cv2
import numpy as np
import pytest

from synth.common.conventions import PART_NAMES
from synth.geometry.camera import Camera
from synth.hand import skin_files
from synth.render.renderer import RenderOutput
from synth.scene.arm.skin import albedo_at, flat_skins, load_skins, sample_tint
from synth.scene.backgrounds.background import BackgroundOptions, Backgrounds, Setting
from synth.scene.backgrounds.people import paint_person
from synth.scene.backgrounds.photos import Photos, check_photos, list_photos
from synth.scene.backgrounds.procedural import PAINTERS, random_colour
from synth.scene.lighting.environment_map import Surroundings
from synth.scene.lighting.light import EXPOSURE, sample_light, sample_material
from synth.scene.lighting.panorama import prepare_panorama
from synth.scene.objects.flat_occluder import Occluder, put_in_front, sample_occluder
from synth.scene.view import about


@pytest.mark.parametrize("kind", list(PAINTERS))
@pytest.mark.parametrize("size_px", [32, 128])
def test_painters_paint_images_that_differ(kind, size_px):
    rng = np.random.default_rng(0)
    first, second = PAINTERS[kind](rng, size_px), PAINTERS[kind](rng, size_px)
    assert first.shape == (size_px, size_px, 3) and first.dtype == np.uint8
    assert np.abs(first.astype(int) - second).mean() > 2


def setting(size_px: int = 64, light: float = 1.0, surroundings: Surroundings | None = None) -> Setting:
    K = np.array([[size_px, 0, size_px / 2], [0, size_px, size_px / 2], [0, 0, 1.0]])
    return Setting(np.full(3, light), Camera(K, size_px, size_px), np.eye(3), np.zeros((1, 3)), surroundings)


def test_the_same_generator_state_gives_the_same_background():
    backgrounds = Backgrounds(BackgroundOptions())
    first, again = (backgrounds.sample(np.random.default_rng(5), setting(160)) for _ in range(2))
    assert (first.image == again.image).all() and first.kind == again.kind
    assert first.distance_m == again.distance_m and first.image.shape == (160, 160, 3)


def test_dim_light_darkens_the_background():
    backgrounds = Backgrounds(BackgroundOptions())
    bright, dim = (backgrounds.sample(np.random.default_rng(6), setting(light=light)).image for light in (1.0, 0.2))
    assert dim.mean() < 0.8 * bright.mean()


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_people_and_panoramas_stand_behind_as_many_hands_as_asked_for(share):
    panorama = prepare_panorama("x", np.ones((16, 32, 3), np.float32))
    backgrounds = Backgrounds(BackgroundOptions(hdr_share=share, person_share=1 - share))
    around = setting(surroundings=Surroundings(panorama, np.eye(3), 0.5))
    kinds = [backgrounds.sample(np.random.default_rng(i), around).kind for i in range(20)]
    assert all(kind == "hdr" if share else kind.endswith("+person") for kind in kinds)


def test_a_camera_that_looks_down_sees_no_people_and_no_rooms():
    backgrounds = Backgrounds(BackgroundOptions(person_share=1.0))
    down = replace(setting(), R_cam_world=about(0, 1.2))
    kinds = {backgrounds.sample(np.random.default_rng(i), down).kind for i in range(40)}
    assert kinds == {"wall", "noise", "pattern", "clutter"}


def test_backgrounds_stand_behind_the_hand():
    at_one_metre = replace(setting(), points_cam=np.array([[0.0, 0.0, 1.0]]))
    distances = [Backgrounds(BackgroundOptions()).sample(np.random.default_rng(i), at_one_metre).distance_m
                 for i in range(50)]  # fmt: skip
    assert 1.25 < min(distances) < 1.6 and 3 < max(distances) < 7.1


def test_a_person_changes_the_image():
    image = np.full((128, 128, 3), 128, np.uint8)
    paint_person(np.random.default_rng(1), image)
    assert (image != 128).any(2).mean() > 0.1


def test_colours_of_things_are_mostly_pale():
    rng = np.random.default_rng(0)
    colours = np.stack([random_colour(rng) for _ in range(500)])
    assert colours.min() >= 0 and colours.max() <= 255
    assert np.median(np.ptp(colours, axis=1) / colours.max(1)) < 0.4


def test_photo_crops_come_from_the_photo(tmp_path):
    cv2.imwrite(str(tmp_path / "blue.png"), np.full((80, 60, 3), (200, 20, 20), np.uint8))
    crop = Photos(list_photos(str(tmp_path))).sample(np.random.default_rng(0), 48)
    assert crop.shape == (48, 48, 3)
    assert crop[..., 2].mean() > 2 * crop[..., 0].mean()


def test_missing_empty_and_broken_photo_folders_are_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"background_dir=.*does not exist"):
        list_photos(str(tmp_path / "none"))
    with pytest.raises(FileNotFoundError, match="holds no picture"):
        list_photos(str(tmp_path))
    (tmp_path / "broken.jpg").write_bytes(b"no picture")
    with pytest.raises(ValueError, match=r"broken\.jpg cannot be read"):
        check_photos(list_photos(str(tmp_path)))


def test_all_shipped_skins_load_as_squares():
    skins = load_skins()
    assert len(skins) == len(skin_files()) >= 20
    assert all(s.texture.shape == (512, 512, 3) for s in skins)


def test_albedo_reads_the_texture_with_v_up():
    skin = load_skins()[0]
    skin.texture[:256] = 255
    skin.texture[256:] = 0
    assert np.allclose(albedo_at(skin, np.array([[0.5, 0.9]])), 1) and np.allclose(
        albedo_at(skin, np.array([[0.5, 0.1]])), 0
    )


def test_flat_skins_have_one_colour():
    flat = flat_skins(load_skins()[:2])
    assert all((s.texture == s.texture[0, 0]).all() for s in flat)


def test_tints_keep_skin_in_range_and_make_it_paler():
    rng = np.random.default_rng(0)
    dark = np.array([0.12, 0.03, 0.015])
    tinted = np.stack([sample_tint(rng, dark) * dark for _ in range(300)])
    assert 1.5 < np.median(tinted[:, 0] / tinted[:, 1]) < 4
    assert tinted.max() < 0.5


def test_light_has_the_drawn_exposure_towards_the_camera():
    rng = np.random.default_rng(0)
    for _ in range(50):
        light = sample_light(rng)
        low, high = EXPOSURE[light.kind]
        assert low <= light.exposure <= high
        assert np.allclose(np.linalg.norm(light.lights.directions, axis=1), 1, atol=1e-5)
        facing = np.clip(-light.lights.directions[:, 2], 0.15, 1)[:, None]
        total = light.lights.ambient_sh[0].mean() + (light.lights.colours * facing).sum(0).mean()
        assert np.isclose(total, light.exposure, rtol=1e-4)


def test_dark_skin_is_less_glossy():
    rng = np.random.default_rng(0)
    dark = max(sample_material(rng, 0.05).specular for _ in range(200))
    assert dark <= 0.13 < max(sample_material(rng, 0.5).specular for _ in range(200))


def empty_output(size: int = 40) -> RenderOutput:
    shape = (size, size)
    return RenderOutput(np.zeros((*shape, 3), np.uint8), np.full(shape, 0.6, np.float32), np.ones(shape, np.uint8))


def test_an_occluder_changes_colour_depth_and_parts_together():
    square = np.array([[10.0, 10], [20, 10], [20, 20], [10, 20]])
    out = put_in_front(empty_output(), Occluder(square, 0.5, np.full((40, 40, 3), 200, np.uint8)))
    hidden = out.segmentation == PART_NAMES.index("occluder")
    assert hidden[15, 15] and not hidden[5, 5] and 100 <= hidden.sum() <= 144
    assert (out.depth_m[hidden] == np.float32(0.5)).all() and (out.depth_m[~hidden] == np.float32(0.6)).all()
    assert (out.rgb[12:19, 12:19] == 200).all() and (out.rgb[:8] == 0).all()


def test_occluders_lie_before_the_hand_and_leave_most_of_it():
    rng = np.random.default_rng(0)
    joints_px = rng.uniform(10, 30, size=(21, 2))
    covers = []
    for _ in range(60):
        occluder = sample_occluder(rng, joints_px, 0.5, 40)
        assert 0.1 <= occluder.depth_m < 0.5
        covers.append((put_in_front(empty_output(), occluder).segmentation == 19)[10:30, 10:30].mean())
    assert 0.02 < np.mean(covers) < 0.35
