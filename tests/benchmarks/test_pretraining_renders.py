"""Renders of a comparison: told from others by what made them, and neighbours that differ in named options alone."""

import json
import shutil
from pathlib import Path

import pytest

from benchmarks.pretraining.renders import derived, facts


@pytest.fixture
def folder(tmp_path, tiny_data) -> Path:
    return Path(shutil.copytree(tiny_data, tmp_path / "renders"))


def test_renders_are_the_same_when_an_option_came_later_with_a_default_that_changes_nothing(folder):
    found, manifest = facts(folder), folder / "manifest.json"
    content = json.loads(manifest.read_text())
    del content["config"]["scene"]["view"]["uniform"]
    manifest.write_text(json.dumps(content))
    assert facts(folder) == found
    content["config"]["scene"]["view"]["uniform"] = 0.5
    manifest.write_text(json.dumps(content))
    assert facts(folder)["digest"] != found["digest"]


def test_only_options_by_their_full_key_make_other_renders(folder):
    for option in ("rgb=ideal", "rgb.noize=0.1", "noise"):
        with pytest.raises(ValueError, match="it must be one option by its full key"):
            derived(folder, [option], folder.with_name("new"), workers=1)
    assert not folder.with_name("new").exists()
