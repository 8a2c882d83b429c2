import numpy as np
import pytest

from synth.common.conventions import PART_NAMES
from synth.sensor import DEPTH_SENSORS, DepthView, sense_depth
from synth.sensor import depth_faults as faults
from synth.sensor.active_stereo import FOCAL_PX as STEREO_FOCAL_PX
from synth.sensor.active_stereo import ActiveStereo
from synth.sensor.structured_light import FOCAL_PX, StructuredLight, axial_sigma_m, lateral_sigma_px
from synth.sensor.time_of_flight import TimeOfFlight

RNG = np.random.default_rng


def plane(z: float, size: int = 200, focal_px: float = 300) -> DepthView:
    return DepthView(np.full((size, size), z, np.float32), focal_px)


def card_before_wall(focal_px: float = 300) -> DepthView:
    depth_m = np.full((80, 80), 0.7, np.float32)
    depth_m[:, :6] = 0
    depth_m[20:60, 40:60] = 0.5
    return DepthView(depth_m, focal_px)


def slanted(angle: float, size: int = 61, focal_px: float = 400) -> DepthView:
    """A plane turned by ``angle`` about the vertical; z on the ray (x, 1) solves z (1 - x tan(angle)) = 0.6."""
    x = (np.arange(size) - size // 2) / focal_px
    return DepthView(np.tile((0.6 / (1 - x * np.tan(angle))).astype(np.float32), (size, 1)), focal_px)


@pytest.mark.parametrize("sensor", DEPTH_SENSORS)
@pytest.mark.parametrize("view", [card_before_wall(), slanted(0.9), plane(0.5, 80)], ids=["card", "slanted", "plane"])
def test_no_camera_makes_depth_where_there_is_none_and_all_keep_most_of_it(sensor, view):
    before = view.depth_m.copy()
    measured = sense_depth(RNG(0), view, sensor)
    assert measured.dtype == np.float32 and measured.shape == view.depth_m.shape and (view.depth_m == before).all()
    assert (measured[view.depth_m == 0] == 0).all() and np.isfinite(measured).all() and measured.min() >= 0
    assert (measured[view.depth_m > 0] > 0).mean() > 0.75
    error = np.abs(measured - view.depth_m)[measured > 0]
    assert np.median(error) < 0.003
    assert (sensor == "ideal") == (error.max() == 0 and (measured == view.depth_m).all())


def test_the_cosine_of_incidence_is_that_of_the_plane():
    for angle in (0.0, 0.4, 1.0):
        assert np.allclose(faults.incidence_cosine(slanted(angle))[30, 30], np.cos(angle), atol=0.01)
    outline = faults.incidence_cosine(card_before_wall())
    assert np.allclose(outline[:, 6:], 1)


def test_surfaces_are_lost_between_the_two_angles():
    for angle, expected in ((60, 0.0), (77.5, 0.5), (86, 1.0)):
        cosine = np.full((100, 100), np.cos(np.radians(angle)))
        assert faults.grazing(RNG(0), cosine, 70, 85).mean() == pytest.approx(expected, abs=0.02)


def test_a_second_eye_misses_a_strip_at_the_left_as_wide_as_the_disparities_differ():
    view = card_before_wall()
    hidden = faults.unseen_by_second_eye(view, 0.075)
    width = 300 * 0.075 * (1 / 0.5 - 1 / 0.7)
    assert hidden[40, 20:60].sum() == pytest.approx(width, abs=1) and not hidden[10].any()
    assert hidden[40, 39 - int(width) + 1 : 40].all() and not hidden[40, 40:].any()


def test_the_strip_is_what_looking_through_each_pixel_from_there_finds():
    rng = RNG(2)
    depth_m = np.repeat(rng.uniform(0.4, 0.8, size=(12, 10)), 6, axis=1).astype(np.float32)
    depth_m[rng.random(depth_m.shape) < 0.1] = 0
    view = DepthView(depth_m, 150)
    expected = np.zeros(depth_m.shape, bool)
    place = np.arange(60) - np.where(depth_m > 0, 150 * 0.06 / np.maximum(depth_m, 1e-3), 0)
    for row, column in np.argwhere(depth_m > 0):
        expected[row, column] = any(place[row, other] <= place[row, column] for other in range(column + 1, 60))
    assert (faults.unseen_by_second_eye(view, 0.06) == expected).mean() > 0.995


def test_holes_cover_their_share():
    assert 0.05 < faults.holes(RNG(0), 80, 80, 0.1).mean() < 0.15


def test_steps_are_equal_in_disparity():
    depth_m = np.linspace(0.4, 0.9, 6400, dtype=np.float32)
    measured = faults.in_disparity_steps(depth_m, 0.01)
    assert np.allclose(np.abs(np.diff(1 / np.unique(measured))), 0.01, atol=1e-4)
    assert np.abs(measured - depth_m).max() < 0.5 * 0.01 * 0.9**2 * 1.1


def test_nguyens_noise_at_a_few_places():
    assert axial_sigma_m(np.array(0.4), np.array(0.0)) == pytest.approx(0.0012)
    assert axial_sigma_m(np.array(1.4), np.array(1.0)) == pytest.approx(0.0031)
    steep = 1.2
    expected = 0.0031 + 0.0001 / np.sqrt(1.4) * steep**2 / (np.pi / 2 - steep) ** 2
    assert axial_sigma_m(np.array(1.4), np.array(steep)) == pytest.approx(expected)
    assert lateral_sigma_px(np.array(0.0)) == pytest.approx(0.8)
    assert lateral_sigma_px(np.array(1.2)) == pytest.approx(0.8 + 0.035 * 1.2 / (np.pi / 2 - 1.2))


@pytest.mark.parametrize("z", [0.5, 1.5])
def test_structured_light_spreads_as_nguyen_says_in_steps_of_an_eighth_of_a_pixel(z):
    measured = StructuredLight(edge_dropout=0, hole_share=0).measure(RNG(0), plane(z))
    step = z**2 / (8 * FOCAL_PX * 0.075)
    expected = np.hypot(axial_sigma_m(np.array(z), np.array(0.0)), step / np.sqrt(12))
    assert measured[measured > 0].std() == pytest.approx(expected, rel=0.06)
    assert np.allclose(np.diff(np.unique(measured[measured > 0])), step, rtol=0.1)


def test_lateral_noise_makes_outlines_ragged():
    steady = StructuredLight(edge_dropout=0, hole_share=0)
    kept = steady.measure(RNG(0), card_before_wall(585))[:, 6:9] > 0
    assert 0.5 < kept.mean() < 0.98


def test_time_of_flight_noise_follows_distance_and_returned_light():
    clean = TimeOfFlight(step_m=1e-5)
    parts = np.full((200, 200), PART_NAMES.index("index1"), np.uint8)
    spread = {}
    for z in (0.5, 1.0):
        view = DepthView(plane(z).depth_m, 300, parts)
        reflectance = faults.infrared_reflectance(RNG(0), view)[0, 0]
        spread[z] = (clean.measure(RNG(0), view) - z).std() * np.sqrt(reflectance / 0.5)
    assert np.allclose(list(spread.values()), [0.00075, 0.0015], rtol=0.08)
    turned = np.abs(clean.measure(RNG(0), slanted(1.1)) - slanted(1.1).depth_m)[5:-5, 5:-5].mean()
    facing = np.abs(clean.measure(RNG(0), slanted(0.0)) - slanted(0.0).depth_m)[5:-5, 5:-5].mean()
    assert turned / facing == pytest.approx(1 / np.sqrt(np.cos(1.1)), rel=0.15)


def test_flying_pixels_lie_between_near_and_far_and_only_at_edges():
    view = card_before_wall()
    measured = TimeOfFlight(noise_m=0, multipath=0, step_m=1e-5, flying_share=1.0, edge_dropout=0).measure(RNG(0), view)
    edges = faults.depth_edges(view.depth_m)
    card = edges & (np.indices(view.depth_m.shape)[1] > 20)
    assert np.abs(measured - view.depth_m)[~edges].max() < 1e-4
    assert measured[card].min() >= 0.4999 and measured[card].max() <= 0.7001
    assert ((measured[card] > 0.51) & (measured[card] < 0.69)).mean() > 0.5
    outline = edges & ~card
    assert (measured[outline] > 0.7).mean() > 0.8


def test_corners_look_farther_and_ridges_do_not():
    x = np.abs(np.arange(80) - 40) / 300
    clean = TimeOfFlight(noise_m=0, step_m=1e-6)
    valley, ridge = (DepthView(np.tile((0.5 + sign * x).astype(np.float32), (80, 1)), 300) for sign in (-1, 1))
    assert (clean.measure(RNG(0), valley) - valley.depth_m)[40, 40] > 5e-4
    assert np.abs(clean.measure(RNG(0), ridge) - ridge.depth_m)[40, 40] < 1e-5


def test_weak_signals_are_not_measured():
    parts = np.zeros((40, 40), np.uint8)
    parts[:, 20:] = PART_NAMES.index("sleeve")
    far = DepthView(np.full((40, 40), 4.5, np.float32), 300, parts)
    reflectance = faults.infrared_reflectance(RNG(0), far)
    measured = TimeOfFlight(min_signal=0.05).measure(RNG(0), far)
    assert ((measured > 0) == (reflectance / 0.5 / 4.5**2 > 0.05)).all()


@pytest.mark.parametrize("z", [0.5, 1.5])
def test_stereo_noise_is_that_of_the_disparity(z):
    sensor = ActiveStereo(hole_share=0, edge_dropout=0)
    measured = sensor.measure(RNG(0), plane(z))
    expected = z**2 * np.hypot(0.08, 1 / 32 / np.sqrt(12)) / (STEREO_FOCAL_PX * 0.05)
    assert measured[measured > 0].std() == pytest.approx(expected, rel=0.1)
    fine = ActiveStereo(hole_share=0, edge_dropout=0, step_px=1e-4).measure(RNG(0), plane(z)) - z
    assert (fine[:, 1:] * fine[:, :-1]).mean() > 0.6 * fine.var()


def test_stereo_makes_near_things_fat_over_what_lies_behind():
    sensor = ActiveStereo(noise_px=0, step_px=1e-4, hole_share=0, edge_dropout=0, baseline_m=1e-3)
    view = card_before_wall(STEREO_FOCAL_PX)
    measured = sensor.measure(RNG(0), view)
    near = np.abs(measured - 0.5) < 0.01
    assert near[40].sum() == pytest.approx(20 + 2 * 4, abs=1.5) and near[19, 50] and not near[5].any()
    assert (measured[:, :6] == 0).all()
