"""The whole build: against the shipped hand where Anny is installed, and one line where it is not."""

import json
from dataclasses import replace
from importlib.util import find_spec

import numpy as np
import pytest

from synth.hand import load_hand
from synth.hand.build import main
from synth.hand.build.comparison import differences
from tests.synth.hand.build.made_up import open_hand

HAS_ANNY = find_spec("anny") is not None


@pytest.mark.skipif(HAS_ANNY, reason="anny is installed")
def test_without_anny_one_line_says_what_to_install(tmp_path, capsys):
    assert main([f"out={tmp_path / 'hand'}"]) == 1
    error = capsys.readouterr().err
    assert error.count("\n") == 1 and "needs anny" in error and "handbridge[build-hand]" in error
    assert not (tmp_path / "hand").exists()


def test_bad_options_are_one_line(tmp_path, capsys):
    assert main([f"out={tmp_path / 'hand'}", "num_bodies=3"]) == 1
    assert "num_bodies=3 is not legal: it must be at least 20" in capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.skipif(not HAS_ANNY, reason="needs the extra build-hand")
def test_few_bodies_give_the_same_mesh_and_a_hand_like_the_shipped_one(tmp_path):
    options = ["num_bodies=40", "num_poses=120", "num_skins=1", "skin_px=128"]
    assert main([f"out={tmp_path / 'hand'}", *options]) == 0
    hand, shipped = load_hand(tmp_path / "hand" / "open_hand_right.npz"), load_hand("open")
    np.testing.assert_array_equal(hand.faces, shipped.faces)
    np.testing.assert_array_equal(hand.uv_faces, shipped.uv_faces)
    np.testing.assert_allclose(hand.weights, shipped.weights, atol=1e-6)
    assert np.linalg.norm(hand.v_template - shipped.v_template, axis=1).max() < 0.004
    assert hand.licence == shipped.licence
    rows = json.loads((tmp_path / "hand" / "comparison.json").read_text())
    assert {row["array"] for row in rows} >= {"v_template", "weights", "vt"}


def test_differences_are_measured_in_millimetres_and_do_not_mind_signs():
    hand = open_hand()
    poses = np.zeros((2, 16, 3))
    poses[1, 1, 2] = 1.0
    moved = hand.v_template.copy()
    moved[0] += [0.003, 0, 0.004]
    flipped = hand.shapedirs * np.array([1, -1, *[1] * 8], np.float32)
    found = {row.array: row for row in differences(replace(hand, v_template=moved, shapedirs=flipped), hand, poses)}
    assert found["v_template"].largest == pytest.approx(5, abs=1e-3)
    assert found["v_template"].rms == pytest.approx(5 / np.sqrt(1681), abs=1e-3)
    assert found["shapedirs for one unit"].largest == 0 and found["hands_mean"].largest == 0
    without = {row.array: row for row in differences(replace(hand, posedirs=0 * hand.posedirs), hand, poses)}
    assert without["pose correctives in random poses"].largest > 0.5
    with pytest.raises(ValueError, match="other triangles"):
        differences(replace(hand, faces=hand.faces[:-1]), hand, poses)
