"""Texture layout, noise and painting: geometry that can be checked, and the skins that ship as the reference."""

from dataclasses import replace

import cv2
import numpy as np
import pytest

from synth.hand import skin_files
from synth.hand.build.noise import value_noise
from synth.hand.build.skin_fields import SkinFields, skin_fields, smooth_step
from synth.hand.build.skins import Complexion, complexions, padded, painted_skin
from synth.hand.build.surface_maps import SurfaceMaps, surface_maps, texels_of
from synth.hand.build.texture import TextureLayout, nail_faces, packed, texture_layout
from tests.synth.hand.build.made_up import hands_of, open_hand

ARRAYS = open_hand()
SIZE = 256


@pytest.fixture(scope="module")
def maps() -> SurfaceMaps:
    return surface_maps(ARRAYS, len(ARRAYS.faces) - 60, SIZE)


@pytest.fixture(scope="module")
def fields(maps: SurfaceMaps) -> SkinFields:
    """Without nails: their mask is MakeHuman's."""
    no_nails = np.zeros((8, 8), np.uint8)
    return skin_fields(maps, no_nails, np.full((len(maps.points), 2), 0.5))


def test_triangles_find_their_place_in_the_base_meshs_layout():
    hands = hands_of(ARRAYS, np.zeros((1, 10)))
    two = replace(
        hands, faces=np.array([[0, 1, 2], [0, 2, 3], [5, 6, 7]]), num_skin_faces=2, base_ids=np.arange(8) + 10
    )
    coordinates = np.random.default_rng(0).random((30, 2))
    layout = texture_layout(two, coordinates, [([13, 10, 11, 12], [23, 20, 21, 22]), ([10, 99, 98, 97], [1, 2, 3, 4])])
    np.testing.assert_array_equal(layout.source_uv[layout.uv_faces[:2]], coordinates[[[20, 21, 22], [20, 22, 23]]])
    assert len(set(layout.uv_faces[2])) == 1  # the cap
    with pytest.raises(ValueError, match="lies in none of its quads"):
        texture_layout(two, coordinates, [([10, 11, 12, 14], [20, 21, 22, 23])])


def test_the_hands_chart_fills_the_picture_and_keeps_its_form():
    rng = np.random.default_rng(1)
    points, is_hand = rng.random((50, 2)) * [0.2, 0.1] + 0.4, np.arange(50) < 40
    uv = packed(points, is_hand)
    assert uv.min() >= 0 and uv.max() <= 1
    assert np.ptp(uv[is_hand], axis=0).max() == pytest.approx(0.965)
    was, now = (np.linalg.norm(x[is_hand][1:] - x[is_hand][:-1], axis=1) for x in (points, uv))
    np.testing.assert_allclose(now / was, (now / was)[0])
    assert (uv[~is_hand] >= [0.6, 0.9]).all()


def test_nails_are_where_the_picture_is_white():
    layout = TextureLayout(
        np.zeros((4, 2)), np.array([[0, 1, 2], [1, 2, 3]]), np.array([[0, 0], [1, 0], [0, 1], [1, 1.0]])
    )
    mask = np.zeros((10, 10), np.uint8)
    mask[:5, 5:] = 255  # right and up
    assert nail_faces(layout, mask).tolist() == [1]


def test_texels_lie_in_their_triangles():
    uv = np.random.default_rng(2).random((6, 2))
    faces = np.array([[0, 1, 2], [3, 4, 5]])
    texels = texels_of(uv, faces, 64)
    row, column = np.nonzero(texels.inside)
    middles = np.stack([(column + 0.5) / 64, 1 - (row + 0.5) / 64], axis=1)
    np.testing.assert_allclose(texels.spread(uv, faces), middles, atol=1e-9)
    assert texels.shares.min() > -1e-6
    in_first = cv2.fillPoly(np.zeros((64, 64), np.uint8), [np.rint(uv[:3] * [64, -64] + [-0.5, 63.5]).astype(int)], 1)
    drawn = texels.picture((texels.faces == 0).astype(float))
    assert abs(in_first.sum() - drawn.sum()) < 0.15 * in_first.sum() + 15


def test_maps_know_palm_and_back(maps):
    assert maps.texels.inside.mean() == pytest.approx(0.37, abs=0.02)
    assert np.abs(maps.points.min(0) - ARRAYS.v_template.min(0)).max() < 0.006
    np.testing.assert_allclose(maps.weights.sum(1), 1, atol=1e-5)
    of_palm = maps.weights[:, 0] > 0.9
    assert np.corrcoef(maps.backness[of_palm], maps.points[of_palm, 1])[0, 1] > 0.5
    along, across = maps.along(5)
    on_finger = maps.weights[:, 5] > 0.99
    assert along[on_finger].min() > -0.005 and along[on_finger].max() < 0.035 and across[on_finger].max() < 0.014


def test_noise_is_smooth_repeatable_and_bounded():
    rng = np.random.default_rng(3)
    points = rng.random((2000, 3)) * 0.1 - 0.05
    noise = value_noise(points, 0.01, 7, 3)
    np.testing.assert_array_equal(noise, value_noise(points, 0.01, 7, 3))
    assert np.abs(noise).max() <= 1 and abs(noise.mean()) < 0.05 and noise.std() > 0.2
    assert np.abs(value_noise(points + 1e-6, 0.01, 7, 3) - noise).max() < 5e-3
    assert abs(np.corrcoef(noise, value_noise(points, 0.01, 8, 3))[0, 1]) < 0.1
    corner, middle = np.array([[0.02, 0.03, 0.04]]), np.array([[0.025, 0.03, 0.04]])
    ends = [value_noise(corner + np.array([0.01 * step, 0, 0]), 0.01, 7)[0] for step in (0, 1)]
    assert value_noise(middle, 0.01, 7)[0] == pytest.approx(np.mean(ends))


def test_smooth_steps_run_both_ways():
    np.testing.assert_allclose(smooth_step(0.0, 2.0, np.array([-1, 0, 1, 2, 3.0])), [0, 0, 0.5, 1, 1])
    np.testing.assert_allclose(smooth_step(0.1, -0.4, np.array([0.2, -0.15, -1])), [0, 0.5, 1])


def test_creases_lie_on_the_inside_of_joints_and_knuckles_on_the_back(maps, fields):
    deep = fields.crease < -0.6
    assert deep.any() and np.percentile(maps.backness[deep], 80) < 0
    assert maps.backness[fields.knuckle > 0.6].min() > 0.2
    along = np.abs(np.stack([maps.along(joint)[0] for joint in range(1, 16)], axis=1)).min(1)
    assert along[fields.knuckle > 0.6].max() < 0.009
    assert fields.palm[maps.backness > 0.5].max() < 0.01 and (fields.nail == 0).all()
    assert (fields.vein[maps.backness < 0.4] < 1e-6).all() and fields.vein.max() > 0.9


def test_painted_skins_are_those_that_ship(maps, fields):
    """At a quarter of the size and without nails: the same to a few levels."""
    people = complexions(24, np.random.default_rng(3))
    nailed = np.zeros((SIZE, SIZE), np.uint8)
    for tip in ARRAYS.tip_vertex_ids:
        near = np.linalg.norm(maps.points - ARRAYS.v_template[tip], axis=1) < 0.02
        nailed |= maps.texels.picture(near.astype(float)).astype(np.uint8)
    plain = cv2.erode(maps.texels.inside.astype(np.uint8) & (1 - nailed), np.ones((5, 5), np.uint8)).astype(bool)
    for number in (0, 12, 23):
        shipped = cv2.imread(str(skin_files()[number]))
        assert shipped is not None
        shipped = cv2.resize(shipped, (SIZE, SIZE), interpolation=cv2.INTER_AREA)[..., ::-1]
        gap = painted_skin(fields, maps, people[number]).astype(float) - shipped
        assert np.abs(gap[plain]).mean() < 4 and np.abs(gap[plain].mean(0)).max() < 1.5


def test_melanin_darkens_blood_reddens_and_palms_stay_pale(maps, fields):
    pale, dark, flushed = (
        painted_skin(fields, maps, Complexion(melanin, blood, 0.3, 0)).astype(float)[maps.texels.inside]
        for melanin, blood in ((0.1, 0.4), (0.9, 0.4), (0.1, 0.9))
    )
    assert dark.mean() < 0.7 * pale.mean()
    assert (flushed[:, 1] / flushed[:, 0]).mean() < 0.95 * (pale[:, 1] / pale[:, 0]).mean()
    assert dark[fields.palm > 0.9].mean() > 1.3 * dark[maps.backness > 0.8].mean()


def test_nails_are_painted_where_the_mask_is_white(maps, fields):
    index_tip = ARRAYS.v_template[ARRAYS.tip_vertex_ids[1]]
    near = np.linalg.norm(maps.points - index_tip, axis=1) < 0.01
    source_uv = np.where(near[:, None], [0.9, 0.9], [0.1, 0.1])
    mask = np.zeros((16, 16), np.uint8)
    mask[:8, 8:] = 255
    nailed = skin_fields(maps, mask, source_uv)
    np.testing.assert_array_equal(nailed.nail > 0.99, near)
    dark = Complexion(0.9, 0.4, 0.3, 0)
    with_nail, without = (painted_skin(f, maps, dark).astype(float)[maps.texels.inside] for f in (nailed, fields))
    assert with_nail[near].mean() > 1.2 * without[near].mean()
    assert np.abs(with_nail - without)[np.linalg.norm(maps.points - index_tip, axis=1) > 0.04].max() == 0


def test_colours_spread_over_borders():
    inside = np.zeros((64, 64), bool)
    inside[20:24, 20:24] = True
    picture = np.where(inside[..., None], np.uint8(200), np.uint8(0)).repeat(3, axis=2)
    wide = padded(picture, inside)
    assert (wide > 200 - 16).all() and (wide <= 200).all()  # a level is lost by rounding down in some of 16 steps
