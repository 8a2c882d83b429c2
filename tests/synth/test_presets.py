"""The named choices of ``handbridge generate``: each composes, and means what its name says."""

import numpy as np
import pytest

from synth.common.config import compose_config
from synth.generate import GenerateConfig
from synth.scene.gesture_views import load_gesture_views
from synth.scene.view import sample_view

VIEWS = {
    "egocentric": {"egocentric"},
    "selfie": {"selfie_palm", "selfie_back"},
    "table": {"table"},
    "any": {"uniform"},
    "mixed": {"selfie_palm", "selfie_back", "egocentric", "side", "uniform", "table"},
    "shown": {"selfie_palm", "selfie_back", "egocentric", "side", "uniform", "table"},
}


def composed(*overrides: str) -> GenerateConfig:
    return compose_config("generate", GenerateConfig, ["out=x", *overrides])


@pytest.mark.parametrize("name", VIEWS)
def test_a_named_mixture_draws_its_kinds_of_view(name: str) -> None:
    options, rng = composed(f"scene.view={name}").scene.view, np.random.default_rng(0)
    assert {sample_view(rng, options).kind for _ in range(300)} == VIEWS[name]


@pytest.mark.parametrize("name", VIEWS)
def test_views_go_with_gestures_in_shown_alone(name: str) -> None:
    options, rng = composed(f"scene.view={name}").scene.view, np.random.default_rng(0)
    mixture = load_gesture_views(options).of_pose("gesture:thumbs_up")
    kinds = {sample_view(rng, options, mixture).kind for _ in range(300)}
    assert any(kind.startswith("gesture:") for kind in kinds) == (name == "shown")


def test_the_command_line_and_python_have_the_same_defaults() -> None:
    assert composed() == GenerateConfig(out="x")


def test_a_named_mixture_can_be_changed() -> None:
    view = composed("scene.view=table", "scene.view.egocentric=0.5").scene.view
    assert view.weights() | {"table": 0, "egocentric": 0} == dict.fromkeys(view.weights(), 0)
    assert (view.table, view.egocentric) == (1, 0.5)
