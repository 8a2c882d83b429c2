"""Jitter of motions whose acceleration is known."""

import numpy as np
import pytest

from dualmod.inference.acceleration import Jitter


def jitter_of(path: np.ndarray, side_px: float = 50.0) -> Jitter:
    jitter = Jitter()
    for x in path:
        jitter.add(np.tile([x, 0.0], (21, 1)), side_px)
    return jitter


def test_even_motion_has_none_and_acceleration_is_measured():
    frames = np.arange(10.0)
    assert jitter_of(7 * frames).to_json()["px_per_frame2"] == 0
    told = jitter_of(1.5 * frames**2).to_json()
    assert told == {"frames": 8, "px_per_frame2": 3.0, "box_sides_per_frame2": 0.06}


def test_a_new_track_has_no_past_and_tracks_add_up():
    one = jitter_of(np.array([0.0, 0, 4]))
    one.end_of_track()
    for x in (100.0, 100.0):
        one.add(np.tile([x, 0.0], (21, 1)), 50.0)
    assert one.frames == 1 and one.sum_px == pytest.approx(4)
    both = one + jitter_of(np.array([0.0, 0, 8]))
    assert both.to_json()["px_per_frame2"] == 6.0


def test_too_few_frames_have_no_number():
    assert jitter_of(np.array([1.0, 2.0])).to_json() == {
        "frames": 0, "px_per_frame2": None, "box_sides_per_frame2": None
    }  # fmt: skip
