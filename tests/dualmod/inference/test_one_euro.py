"""The One-Euro filter beside the authors' listing written out for one number."""

import math

import numpy as np
import pytest

from dualmod.inference.one_euro import OneEuroConfig, OneEuroFilter

STEP_S = 1 / 30


def slow(values: list[float], config: OneEuroConfig, unit: float) -> list[float]:
    """Algorithm 1 of the paper for one number, with the listing's names."""

    def alpha(cutoff: float) -> float:
        tau, te = 1 / (2 * math.pi * cutoff), STEP_S
        return 1 / (1 + tau / te)

    hatxprev, dhatxprev, told = values[0], 0.0, [values[0]]
    for x in values[1:]:
        dx = (x - hatxprev) / STEP_S
        a = alpha(config.speed_cutoff_hz)
        dhatxprev = a * dx + (1 - a) * dhatxprev
        a = alpha(config.min_cutoff_hz + config.beta * abs(dhatxprev) / unit)
        hatxprev = a * x + (1 - a) * hatxprev
        told.append(hatxprev)
    return told


def test_each_row_is_the_papers_filter():
    values = np.random.default_rng(0).normal(0, 5, (40, 3)).cumsum(0)
    config = OneEuroConfig(min_cutoff_hz=0.7, beta=0.3, speed_cutoff_hz=2.0)
    smooth = OneEuroFilter(config, STEP_S)
    found = np.array([smooth(row[:, None], unit=50.0)[:, 0] for row in values])
    expected = np.array([slow(column.tolist(), config, 50.0) for column in values.T]).T
    np.testing.assert_allclose(found, expected, rtol=1e-12)


def test_both_coordinates_of_a_joint_get_one_cutoff():
    smooth = OneEuroFilter(OneEuroConfig(), STEP_S)
    smooth(np.zeros((1, 2)))
    along = smooth(np.array([[30.0, 40.0]]))
    assert along[0, 0] / along[0, 1] == pytest.approx(0.75)
    line = OneEuroFilter(OneEuroConfig(), STEP_S)
    line(np.zeros((1, 1)))
    assert np.linalg.norm(along) == pytest.approx(float(line(np.array([[50.0]]))[0, 0]))


def test_a_still_hand_trembles_less_and_a_fast_one_lags_little():
    rng = np.random.default_rng(1)
    noise = rng.normal(0, 1.0, (300, 21, 2))
    smooth = OneEuroFilter(OneEuroConfig(), STEP_S)
    still = np.array([smooth(100 + frame, unit=100.0) for frame in noise])
    assert still[30:].std(0).mean() < 0.5 * noise[30:].std(0).mean()
    fast = OneEuroFilter(OneEuroConfig(), STEP_S)
    path = np.arange(60.0)[:, None, None] * np.full((1, 1), 10.0)  # 3 boxes of 100 px a second
    told = np.array([fast(place, unit=100.0) for place in path])
    assert 0 < (path - told)[-1, 0, 0] < 10  # less than one frame behind


@pytest.mark.parametrize("wrong", [{"min_cutoff_hz": 0}, {"beta": -1}, {"speed_cutoff_hz": 0}])
def test_cutoffs_out_of_range_are_refused(wrong):
    with pytest.raises(ValueError, match=f"one_euro.{next(iter(wrong))}"):
        OneEuroConfig(**wrong)
