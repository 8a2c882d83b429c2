"""Views of gestures that a user gives: as an option or as a table of their own, and what is wrong with one."""

import re
from collections import Counter

import numpy as np
import pytest
import yaml

from synth.common.config import compose_config
from synth.generate import GenerateConfig, main
from synth.scene.gesture_views import load_gesture_views
from synth.scene.view import ViewOptions, sample_view

VIEWS = load_gesture_views(ViewOptions(by_gesture=1))


def kinds(gesture: str, options: ViewOptions) -> Counter[str]:
    mixture, rng = load_gesture_views(options).of_pose(f"gesture:{gesture}"), np.random.default_rng(0)
    return Counter(sample_view(rng, options, mixture).kind for _ in range(1000))


def test_a_gestures_views_can_be_given_as_an_option():
    composed = compose_config(
        "generate", GenerateConfig, ["out=x", "scene.view=shown", "scene.view.of.one=lips:3,back", "scene.view.side=0"]
    )
    options = composed.scene.view
    assert set(kinds("one", options)) == {"gesture:lips", "gesture:back", "uniform"}
    assert VIEWS.shares(options)["fist"] == load_gesture_views(options).shares(options)["fist"]
    shares = load_gesture_views(options).shares(options)["one"]
    assert shares["gesture:lips"] == pytest.approx(3 * shares["gesture:back"])


def test_an_own_table_takes_the_place_of_the_shipped_one(tmp_path):
    file = tmp_path / "mine.yaml"
    file.write_text("views: {over: {towards: wrist, up: back}}\ngestures: {fist: {over: 1}}\n")
    options = ViewOptions(by_gesture=1, gesture_table=str(file), uniform=0)
    assert set(kinds("fist", options)) == {"gesture:over"}
    assert "gesture:over" not in kinds("one", options) and len(kinds("one", options)) == 5


GOOD = {"views": {"over": {"towards": "wrist", "up": "back"}}, "gestures": {"fist": {"over": 1}}}


def changed(path: str, value: object) -> str:
    table = yaml.safe_load(yaml.safe_dump(GOOD))
    *above, last = path.split(".")
    section = table
    for key in above:
        section = section[key]
    section[last] = value
    return yaml.safe_dump(table)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (changed("gestures.wave", {"over": 1}), "gestures.wave: there is no gesture wave; legal: palm, "),
        (changed("gestures.fist", {"under": 1}), "gestures.fist: there is no view under; legal: over, selfie_palm, "),
        (changed("gestures.fist", {"uniform": 1}), "gestures.fist: there is no view uniform; legal: over, "),
        (changed("gestures.fist", {"over": -1}), "weight -1 of over is not legal"),
        (changed("gestures.fist", {"over": True}), "weight True of over is not legal"),
        (changed("gestures.fist", {"over": 0}), "one of the weights must be above 0"),
        (changed("gestures.fist", 3), "must map views to weights"),
        (changed("views.over.towards", "elbow"), "elbow is no side of a hand; legal: palm, back, thumb"),
        (changed("views.over.towards", "palm+back"), "opposite sides have no middle"),
        (changed("views.over.up", "wrist"), "views.over: up=wrist is no direction in the image"),
        (changed("views.over.lean", "a bit"), "views.over.lean=.*must be a number in"),
        (changed("views.over.spread", [1, 2]), "views.over.spread=.*must be 3 numbers in"),
        (changed("views.over.spread", [1, -2, 3]), "views.over.spread=.*must be 3 numbers in"),
        (changed("views.over.roll", 3), "must have towards and up, and may have lean and spread"),
        (changed("views.table", GOOD["views"]["over"]), "table is a kind of scene.view already"),
        (changed("more", {}), "must hold the two sections views and gestures"),
        (changed("views", [1]), "views must map names"),
        ("views: {a: [", "cannot be read as YAML"),
    ],
)
def test_a_bad_table_is_one_line_that_says_where(text, message, tmp_path, capsys):
    file = tmp_path / "mine.yaml"
    file.write_text(text)
    assert main([f"out={tmp_path / 'd'}", "scene.view=shown", f"scene.view.gesture_table={file}"]) == 1
    error = capsys.readouterr().err
    assert error.count("\n") == 1 and re.search(message, error) and f"scene.view.gesture_table={file}" in error
    assert not (tmp_path / "d").exists()


@pytest.mark.parametrize("option", ["scene.view.of.one=back", "scene.view.gesture_table=mine.yaml"])
def test_what_does_nothing_by_default_says_so(option, tmp_path, capsys):
    assert main([f"out={tmp_path / 'd'}", option]) == 1
    error = capsys.readouterr().err
    assert "left out without scene.view.by_gesture above 0, or scene.view=shown" in error and error.count("\n") == 1


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ("scene.view.of.wave=palm", "scene.view.of.wave=palm: there is no gesture wave; legal: palm, flat"),
        ("scene.view.of.one=plam:2", "scene.view.of.one=plam:2: there is no view plam; legal: palm, "),
        ("scene.view.of.one=palm:much", "scene.view.of.one=palm:much cannot be read: write VIEW:WEIGHT,VIEW:WEIGHT"),
        ("scene.view.of.one=palm:-1", "weight -1.0 of palm is not legal"),
        ("scene.view.of.one=palm:nan", "weight nan of palm is not legal"),
        ("scene.view.by_gesture=1.5", "scene.view.by_gesture=1.5 is not legal: it must be in [0, 1]"),
        ("scene.view.gesture_table=/none.yaml", "scene.view.gesture_table=/none.yaml does not exist"),
        ("poses.weights.wave=1", "poses.weights.wave=1: there is no gesture wave; legal: palm, flat"),
        ("poses.weights.one=much", "poses.weights.one=much is not legal: it must be a number, at least 0"),
        ("poses.weights.one=-1", "poses.weights.one=-1 is not legal: it must be a number, at least 0"),
    ],
)
def test_a_bad_option_is_one_line(option, message, tmp_path, capsys):
    assert main([f"out={tmp_path / 'd'}", "scene.view=shown", option]) == 1
    error = capsys.readouterr().err
    assert error.count("\n") == 1 and message in error
    assert not (tmp_path / "d").exists()
