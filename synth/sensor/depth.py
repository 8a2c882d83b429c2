"""Depth cameras by name. A new one is one file with a class that has ``measure``, and one line here."""

from typing import Protocol

import numpy as np
from jaxtyping import Float

from synth.sensor.active_stereo import ActiveStereo
from synth.sensor.depth_faults import DepthView
from synth.sensor.structured_light import StructuredLight
from synth.sensor.time_of_flight import TimeOfFlight


class DepthSensor(Protocol):
    """A depth camera."""

    def measure(self, rng: np.random.Generator, view: DepthView) -> Float[np.ndarray, "height width"]:
        """Depth in metres as the camera gives it, 0 = no measurement; never a value where there is no surface."""
        ...


class Ideal:
    """Measures what is there."""

    def measure(self, rng: np.random.Generator, view: DepthView) -> Float[np.ndarray, "height width"]:
        """The true depth."""
        return view.depth_m.astype(np.float32)


DEPTH_SENSORS: dict[str, DepthSensor] = {
    "ideal": Ideal(),
    "structured_light": StructuredLight(),
    "time_of_flight": TimeOfFlight(),
    "active_stereo": ActiveStereo(),
}


def sense_depth(rng: np.random.Generator, view: DepthView, sensor: str) -> Float[np.ndarray, "height width"]:
    """Depth in metres as the camera ``sensor`` gives it."""
    return DEPTH_SENSORS[sensor].measure(rng, view)
