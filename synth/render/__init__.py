"""Renderers: ``RenderScene`` in, ``RenderOutput`` out. ``get_renderer`` finds one by its name in the configs."""

import importlib
from collections.abc import Callable

from synth.render.renderer import Lights, Material, MeshTopology, Renderer, RenderOutput, RenderScene

__all__ = [
    "RENDERERS",
    "Lights",
    "Material",
    "MeshTopology",
    "RenderOutput",
    "RenderScene",
    "Renderer",
    "get_renderer",
]

RENDERERS = {
    "raster": "synth.render.raster:RasterRenderer",
    "torch": "synth.render.torch_backend.renderer:TorchRenderer",
    "pytorch3d": "synth.render.pytorch3d_backend.renderer:DifferentiableRenderer",
    "opengl": "synth.render.opengl:OpenGLRenderer",
}
"""Name to ``module:class``; the module is imported only when it is asked for."""


def get_renderer(name: str) -> Callable[..., Renderer]:
    """The class of a renderer.

    Raises:
        ValueError: for a name that is not registered; the message lists those that are.
    """
    if name not in RENDERERS:
        raise ValueError(f"renderer={name} is unknown; legal: {', '.join(sorted(RENDERERS))}")
    module, _, class_name = RENDERERS[name].partition(":")
    return getattr(importlib.import_module(module), class_name)
