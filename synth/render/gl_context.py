"""The OpenGL context of a process, through pyrender: EGL on a GPU or on Mesa, or OSMesa.

EGL is the default. ``PYOPENGL_PLATFORM=osmesa`` in the environment chooses OSMesa, the fallback for machines without
EGL; it needs a newer PyOpenGL than the one that pyrender pins, and its colour is not anti-aliased.
"""

import contextlib
import os
import weakref
from collections.abc import Iterator
from typing import Any

import numpy as np

from synth.common.config import check
from synth.common.optional import import_optional, install_packages, missing_part

WANTED_BY = "renderer=opengl"
MEND = {
    "egl": install_packages("libegl1", "libgl1"),
    "osmesa": install_packages("libosmesa6", "libgl1", "libxrender1") + "; pip install --no-deps 'PyOpenGL>=3.1.7'",
}
"""What each platform wants, on Debian."""
COLOUR_SAMPLES = 4

_contexts: "weakref.WeakValueDictionary[int, GlContext]" = weakref.WeakValueDictionary()


def shared_context() -> "GlContext":
    """This process's context. It is released when the last renderer that holds it is gone: two contexts of one process
    would share a display, which the first to go closes for both.

    Raises:
        MissingPartError: when OpenGL does not work here.
        ValueError: for an unknown ``PYOPENGL_PLATFORM``.
    """
    # By process, because a forked child cannot use its parent's context.
    context = _contexts.get(os.getpid())
    if context is None:
        context = _contexts[os.getpid()] = GlContext()
    return context


class GlContext:
    """An OpenGL context; take it from ``shared_context``.

    Attributes:
        pyrender: The module, to build what is drawn.
    """

    def __init__(self) -> None:
        platform = os.environ.setdefault("PYOPENGL_PLATFORM", "egl")
        check(platform in MEND, "PYOPENGL_PLATFORM", platform, f"one of {', '.join(MEND)}")
        # Mesa draws on this thread alone: workers are processes.
        os.environ.setdefault("LP_NUM_THREADS", "0")
        # pyglet, which pyrender imports for its viewer, would ask for an X display.
        os.environ.setdefault("PYGLET_HEADLESS", "1")
        # pyrender 0.1.45 knows only numpy 1's name of infinity.
        np.infty = np.inf  # type: ignore[attr-defined]  # noqa: NPY201
        wish = {"wanted_by": WANTED_BY, "mend": MEND[platform]}
        self.pyrender: Any = import_optional("pyrender", **wish)
        self._buffers: Any = import_optional("pyrender.renderer", **wish)
        errors = import_optional("OpenGL.error", **wish)
        try:
            self._screen = self.pyrender.OffscreenRenderer(1, 1)
        except (errors.Error, ImportError, OSError, AttributeError, AssertionError, ValueError) as error:
            raise missing_part(f"OpenGL on {platform}", error, **wish) from error
        self.release = weakref.finalize(self, self._screen.delete)

    def draw_colour(self, world: Any, width: int, height: int) -> np.ndarray:
        """Colour times coverage in pyrender's encoding, and coverage; height x width x 4, float64 in [0, 1]."""
        colour, depth_m = self._draw(world, width, height, COLOUR_SAMPLES, self.pyrender.RenderFlags.RGBA)
        if colour.shape[2] == 3:  # OSMesa's only buffer has no alpha
            colour = np.dstack([colour, np.where(depth_m > 0, 255, 0)])
        return colour / 255.0

    def draw_centres(self, world: Any, width: int, height: int) -> tuple[np.ndarray, np.ndarray]:
        """Depth in metres (float32) and unlit red (uint8) at pixel centres, 0 where nothing is.

        The multi-sampled buffer of pyrender would give the depth at its first sample, which lies where the driver
        wants it.
        """
        colour, depth_m = self._draw(world, width, height, 0, self.pyrender.RenderFlags.FLAT)
        return np.array(depth_m), np.array(colour[..., 0])

    def _draw(self, world: Any, width: int, height: int, samples: int, flags: int) -> Any:
        screen = self._screen
        screen.viewport_width, screen.viewport_height = width, height
        # The buffers are made anew when they are missing, with the number of samples in force at that moment.
        screen._renderer._delete_main_framebuffer()
        with self._storage_samples(samples):
            return screen.render(world, flags)

    @contextlib.contextmanager
    def _storage_samples(self, samples: int) -> Iterator[None]:
        """Let pyrender, which writes 4 into its calls, make its buffers with ``samples``."""
        original = self._buffers.glRenderbufferStorageMultisample
        self._buffers.glRenderbufferStorageMultisample = lambda target, _, *rest: original(target, samples, *rest)
        try:
            yield
        finally:
            self._buffers.glRenderbufferStorageMultisample = original
