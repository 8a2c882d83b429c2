import numpy as np
import pytest

from dualmod.data.augment import AugmentConfig, augment_pair, disturb_depth
from dualmod.data.batch import CLOSENESS_RANGE, closeness
from dualmod.data.depth_sensor import BONE_M, CROP_M, sense_closeness
from synth.sensor import DEPTH_SENSORS, DepthView, sense_depth

CAMERAS = [name for name in DEPTH_SENSORS if name != "ideal"]
ONLY_SENSOR = dict(depth_jitter_bones=0, depth_noise_bones=0, depth_dropout=0, depth_smooth=0)


def stairs() -> np.ndarray:
    """Two flat steps of a hand before nothing."""
    near = np.zeros((96, 96), np.float32)
    near[20:80, 20:50], near[20:80, 50:80] = 0.45, 0.6
    return near


@pytest.mark.parametrize("sensor", DEPTH_SENSORS)
def test_closeness_stays_close_and_off_the_hand_there_is_nothing(sensor):
    for seed in range(5):
        seen = sense_closeness(stairs(), sensor, np.random.default_rng(seed))
        assert (seen[stairs() == 0] == 0).all() and seen.dtype == np.float32
        kept = seen > 0
        assert kept.sum() > 0.7 * (stairs() > 0).sum()
        assert np.median(np.abs(seen - stairs())[kept]) * CLOSENESS_RANGE * BONE_M < 0.003


def test_it_is_the_camera_at_the_drawn_distance():
    rng = np.random.default_rng(7)
    root_m = rng.uniform(0.3, 0.9)
    depth_m = np.where(stairs() > 0, root_m + (0.5 - stairs()) * 3 * BONE_M, 0).astype(np.float32)
    measured = sense_depth(rng, DepthView(depth_m, 96 * root_m / CROP_M), "active_stereo")
    expected = closeness(measured, root_m, BONE_M)
    assert (sense_closeness(stairs(), "active_stereo", np.random.default_rng(7)) == expected).all()


def test_the_ideal_camera_is_the_default_and_draws_nothing(hands):
    rng, again = np.random.default_rng(0), np.random.default_rng(0)
    assert (disturb_depth(stairs(), AugmentConfig(**ONLY_SENSOR), rng) == np.float32(stairs())).all()
    disturb_depth(stairs(), AugmentConfig(depth_sensor="ideal", **ONLY_SENSOR), again)
    assert rng.random() == again.random()


@pytest.mark.parametrize("sensor", CAMERAS)
def test_the_second_view_is_measured_and_the_target_is_not(hands, sensor):
    plain = augment_pair(hands, AugmentConfig(**ONLY_SENSOR), np.random.default_rng(1))
    seen = augment_pair(hands, AugmentConfig(depth_sensor=sensor, **ONLY_SENSOR), np.random.default_rng(1))
    assert (seen[0].depth == plain[0].depth).all()
    inside = plain[0].depth > 0.02  # anything nearer to the background than this is clipped to it
    assert (plain[1].sensed == plain[0].depth)[inside].all() and not (seen[1].sensed == seen[0].depth)[inside].all()
    assert ((seen[1].sensed == 0) & (seen[0].depth > 0)).any()


def test_an_unknown_camera_is_refused():
    with pytest.raises(
        ValueError, match=r"augment\.depth_sensor=lidar is not legal: it must be one of ideal, structured"
    ):
        AugmentConfig(depth_sensor="lidar")
