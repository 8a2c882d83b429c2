"""Scenes: camera, view, arm, skin, light, background and what stands in front, drawn from one generator."""

from synth.geometry.camera import Camera

__all__ = ["Camera"]
