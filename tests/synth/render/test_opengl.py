"""The OpenGL context and what is particular to pyrender; what the renderer shares with the others is in
``test_backends``."""

import gc
import os
import re
import subprocess
import sys
import weakref

import numpy as np
import pytest

from synth.common.optional import MissingPartError
from synth.generate import main
from synth.render import Lights, Material
from synth.render.gl_context import GlContext
from synth.render.opengl import OpenGLRenderer, gl_roughness, sky_light
from tests.synth.render import backends, scenes


def test_renderers_share_one_context_which_goes_with_the_last():
    first = backends.make("opengl")
    second = OpenGLRenderer()
    scene = scenes.hand_scene(0, 32)
    expected = first.render(scene)
    context = weakref.ref(first._context)
    assert second._context is first._context
    del first
    gc.collect()
    np.testing.assert_array_equal(second.render(scene).rgb, expected.rgb)
    del second
    gc.collect()
    if context() is None:  # else another test's fixture holds it
        np.testing.assert_array_equal(OpenGLRenderer().render(scene).rgb, expected.rgb)


def run_apart(code: str, **environment: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=os.environ | environment, timeout=300
    )


def test_the_context_is_released_before_the_next_and_at_the_end_of_a_process():
    backends.make("opengl")
    done = run_apart(
        "import weakref\n"
        "from synth.render.gl_context import shared_context\n"
        "context = shared_context()\n"
        "first = weakref.ref(context)\n"
        "del context\n"
        "assert first() is None\n"
        "context = shared_context()\n"
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_an_unknown_platform_is_refused(monkeypatch):
    monkeypatch.setenv("PYOPENGL_PLATFORM", "glx")
    with pytest.raises(ValueError, match="PYOPENGL_PLATFORM=glx is not legal: it must be one of egl, osmesa"):
        GlContext()


def test_without_a_driver_the_error_is_one_line_with_the_packages():
    backends.make("opengl")
    code = (
        "from synth.render.gl_context import shared_context\n"
        "try:\n"
        "    shared_context()\n"
        "except ValueError as error:\n"
        "    print(error)\n"
    )
    done = run_apart(code, PYOPENGL_PLATFORM="egl", __EGL_VENDOR_LIBRARY_FILENAMES=os.devnull)
    assert re.fullmatch("renderer=opengl needs OpenGL on egl, .*; apt-get install -y libegl1 libgl1\n", done.stdout)


def test_a_renderer_that_cannot_work_ends_generate_before_anything_is_written(tmp_path, monkeypatch, capsys):
    def fail():
        raise MissingPartError("renderer=opengl needs libEGL; apt-get install -y libegl1")

    monkeypatch.setattr("synth.render.opengl.shared_context", fail)
    assert main([f"out={tmp_path / 'd'}", "renderer=opengl"]) == 1
    assert capsys.readouterr().err == "handbridge generate: renderer=opengl needs libEGL; apt-get install -y libegl1\n"
    assert not (tmp_path / "d").exists()


def test_the_sky_as_ambient_light_and_lamp_gives_its_irradiance():
    rng = np.random.default_rng(0)
    sh = np.zeros((9, 3))
    sh[0], sh[1:4] = 1.0, rng.normal(size=(3, 1)) * [0.25, 0.2, 0.3]
    sky = sky_light(Lights(sh, np.zeros((3, 3)), np.zeros((3, 3))))
    normals = rng.normal(size=(4000, 3))
    normals[:, 2] = -np.abs(normals[:, 2])
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    expected = 1.0 + normals[:, [1, 2, 0]] @ sh[1:4]
    found = sky.mean + np.maximum(normals @ sky.direction, 0)[:, None] * sky.colour
    weights = -normals[:, 2]
    np.testing.assert_allclose(np.average(found, 0, weights), np.average(expected, 0, weights), atol=0.02)
    for side in (sky.direction, -sky.direction):
        there = normals @ side > 0.5
        np.testing.assert_allclose(found[there].mean(0), expected[there].mean(0), atol=0.12)


def test_roughness_keeps_the_height_of_the_highlight():
    material = Material(bump=0.0, roughness=0.3, specular=0.2)
    found = gl_roughness(material)
    assert 0.04 / found**4 == pytest.approx(0.08 * 0.2 / 0.3**4)
    assert gl_roughness(Material(bump=0.0, roughness=0.6, specular=0.0)) == 1.0
