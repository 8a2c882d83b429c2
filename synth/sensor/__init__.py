"""Sensors: what cameras do to colours and to depth."""

from synth.sensor.depth import DEPTH_SENSORS, sense_depth
from synth.sensor.depth_faults import DepthView
from synth.sensor.rgb import FAULTS, RgbOptions, Shot, sense_rgb

__all__ = ["DEPTH_SENSORS", "FAULTS", "DepthView", "RgbOptions", "Shot", "sense_depth", "sense_rgb"]
