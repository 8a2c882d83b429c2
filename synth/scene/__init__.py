"""Scenes: camera, view, arm, skin, light, background and what stands in front, drawn from one generator."""

from synth.scene.camera import Camera

__all__ = ["Camera"]
