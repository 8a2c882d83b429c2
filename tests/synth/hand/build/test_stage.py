"""The whole build: against the shipped hand where Anny is installed, and one line where it is not."""

import json
from dataclasses import replace
from importlib.util import find_spec

import numpy as np
import pytest
from scipy.spatial import KDTree

from synth.hand import load_hand
from synth.hand.build import main
from synth.hand.build.comparison import differences
from synth.scene.arm.wrist_boundary import find_wrist_ring
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
def test_few_bodies_give_a_hand_like_the_shipped_one(tmp_path, capsys):
    options = ["num_bodies=40", "num_poses=120", "num_skins=1", "skin_px=128"]
    assert main([f"out={tmp_path / 'hand'}", *options]) == 0
    hand, shipped = load_hand(tmp_path / "hand" / "open_hand_right.npz"), load_hand("open")
    away_m = KDTree(shipped.v_template).query(hand.v_template)[0]
    assert np.percentile(away_m, 95) < 0.003 and away_m.max() < 0.012
    assert np.linalg.norm(hand.rest_joints() - shipped.rest_joints(), axis=1).max() < 0.004
    assert find_wrist_ring(hand.faces, hand.v_template)[0].sum() < len(hand.faces)  # a cap that can be cut off
    assert hand.licence == shipped.licence and hand.uv is not None
    assert [f.name for f in (tmp_path / "hand" / "skins").iterdir()] == ["proc_00.webp"]
    same_mesh = np.array_equal(hand.faces, shipped.faces)
    rows = json.loads((tmp_path / "hand" / "comparison.json").read_text())
    assert bool(rows) == same_mesh == ("not compared" not in capsys.readouterr().out)


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
