"""Sensors: what cameras do to colours and to depth."""

from synth.sensor.depth import DEPTH_PRESETS, DepthOptions, sense_depth
from synth.sensor.rgb import RgbOptions, Shot, sense_rgb

__all__ = ["DEPTH_PRESETS", "DepthOptions", "RgbOptions", "Shot", "sense_depth", "sense_rgb"]
