"""The One-Euro filter for joints in video (Casiez, Roussel and Vogel, CHI 2012), on whole arrays.

A low-pass filter of first order whose cutoff rises with speed: still hands don't tremble, fast ones don't lag.

    alpha(f_c, T) = 1 / (1 + 1 / (2 pi f_c T))                      smoothing of a cutoff f_c at a time step T
    dx_t = alpha(f_d, T) (x_t - y_{t-1}) / T + (1 - alpha) dx_{t-1}  speed, smoothed with its own cutoff f_d
    f_c  = f_min + beta |dx_t|
    y_t  = alpha(f_c, T) x_t + (1 - alpha) y_{t-1}

The speed of a joint is the length of its vector, so that x and y get one cutoff; as in the authors' code, it is
taken from the last filtered value.
"""

import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from synth.common.config import check, option


@dataclass
class OneEuroConfig:
    """Smoothing of video."""

    min_cutoff_hz: float = option(1.5, "cutoff of a still hand in Hz; lower trembles less and lags more")
    beta: float = option(4.0, "Hz that the cutoff rises by at a speed of one hand's box a second; higher lags less")
    speed_cutoff_hz: float = option(1.0, "cutoff of the speed in Hz")

    def __post_init__(self) -> None:
        check(self.min_cutoff_hz > 0, "one_euro.min_cutoff_hz", self.min_cutoff_hz, "positive")
        check(self.beta >= 0, "one_euro.beta", self.beta, "0 or more")
        check(self.speed_cutoff_hz > 0, "one_euro.speed_cutoff_hz", self.speed_cutoff_hz, "positive")


class OneEuroFilter:
    """One filter for each row of an array."""

    def __init__(self, config: OneEuroConfig, step_s: float) -> None:
        """A filter without a past.

        Args:
            config: Cutoffs.
            step_s: Seconds between two values.
        """
        self.config, self.step_s = config, step_s
        self._value: np.ndarray | None = None
        self._speed: np.ndarray | None = None

    def __call__(self, value: Float[np.ndarray, "rows dims"], unit: float = 1.0) -> Float[np.ndarray, "rows dims"]:
        """The next filtered value.

        Args:
            value: The next measured value.
            unit: What a speed is measured in, in units of ``value`` (the side of the hand's box in pixels).
        """
        if self._value is None or self._speed is None:
            filtered, self._speed = value.astype(np.float64), np.zeros(value.shape)
        else:
            keep = self._alpha(self.config.speed_cutoff_hz)
            self._speed = keep * (value - self._value) / self.step_s + (1 - keep) * self._speed
            length = np.linalg.norm(self._speed, axis=1, keepdims=True) / unit
            keep = self._alpha(self.config.min_cutoff_hz + self.config.beta * length)
            filtered = keep * value + (1 - keep) * self._value
        self._value = filtered
        return filtered

    def _alpha(self, cutoff_hz):  # type: ignore[no-untyped-def]
        return 1 / (1 + 1 / (2 * math.pi * cutoff_hz * self.step_s))
