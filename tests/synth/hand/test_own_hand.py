"""The worked example of docs/own_hand.md runs as it stands and makes what it says."""

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from synth.common.conventions import MANO_JOINT_NAMES, MANO_PARENTS
from synth.dataset import SampleStore, read_manifest
from synth.dataset.verify import verify
from synth.generate import main
from synth.hand import HandModel, PoseOptions, load_hand, load_pose_file, save_hand
from synth.hand.validate import NEEDED, OPTIONAL

PAGE = Path(__file__).parents[3] / "docs" / "own_hand.md"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the page's Python has been run, block by block."""
    place = tmp_path_factory.mktemp("own_hand")
    names: dict[str, object] = {"__name__": "own_hand"}
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(place)
        for block in re.findall(r"^```python\n(.*?)^```", PAGE.read_text(), re.S | re.M):
            exec(compile(block, str(PAGE), "exec"), names)
    return place


def test_the_fingers_are_longer_and_thinner_and_the_rest_is_as_it_was(folder):
    puppet, hand = load_hand(folder / "puppet.npz"), load_hand("open")
    for finger, tip in (("index", 1), ("middle", 2), ("little", 4), ("ring", 3)):
        base = MANO_JOINT_NAMES.index(f"{finger}1")
        length, was = (np.linalg.norm(h.rest_tips()[tip] - h.rest_joints()[base]) for h in (puppet, hand))
        assert length / was == pytest.approx(1.4, abs=0.02)
    palm = hand.weights[:, 1:13].sum(1) == 0
    np.testing.assert_array_equal(puppet.v_template[palm], hand.v_template[palm])
    assert puppet.licence == hand.licence
    assert HandModel(puppet).name == "puppet"


def test_four_samples_of_it_are_sound(folder):
    assert verify(folder / "puppets").faults == []
    manifest = read_manifest(folder / "puppets")
    assert manifest.num_samples == 4 and manifest.hand_model == "puppet"
    assert {SampleStore(folder / "puppets")[i].hand_model for i in range(4)} == {"puppet"}


def test_its_poses_can_be_read(folder):
    poses = load_pose_file(PoseOptions(file=str(folder / "my_poses.npz")), load_hand("open"))
    assert poses is not None and poses.poses_aa.shape == (3, 16, 3)
    assert poses.poses_aa[2, MANO_JOINT_NAMES.index("ring3"), 2] == 1.0
    assert (poses.poses_aa[:, MANO_JOINT_NAMES.index("thumb1") :] == 0).all()


def test_the_page_lists_every_array_that_is_read():
    table = PAGE.read_text()
    assert [name for name in (*NEEDED, *OPTIONAL) if f"`{name}`" not in table] == ["hands_coeffs"]


def test_a_hand_is_the_same_after_writing_and_reading(tmp_path):
    hand = load_hand("open")
    again = load_hand(save_hand(hand, tmp_path / "again.npz"))
    for key, value in vars(hand).items():
        np.testing.assert_array_equal(getattr(again, key), "again" if key == "name" else value)


def test_nothing_is_written_of_what_is_no_hand(tmp_path):
    hand = load_hand("open")
    with pytest.raises(ValueError, match=r"bad\.npz: v_template holds values that are no finite numbers"):
        save_hand(replace(hand, v_template=hand.v_template * np.nan), tmp_path / "bad.npz")
    with pytest.raises(ValueError, match=r"must end in \.npz"):
        save_hand(hand, tmp_path / "hand.pkl")
    assert list(tmp_path.iterdir()) == []


def spindle() -> dict[str, np.ndarray]:
    """Arrays of a hand's form on a long octahedron, which has no end at the wrist."""
    verts = np.array([[-0.2, 0, 0], [0.2, 0, 0], [0, -0.02, 0], [0, 0.02, 0], [0, 0, -0.02], [0, 0, 0.02]])
    faces = [(x, y, z) if (x + y + z) % 2 else (x, z, y) for x in (0, 1) for y in (2, 3) for z in (4, 5)]
    regressor = np.zeros((16, 6))
    regressor[:, 1] = 1
    kintree = np.stack([np.array(MANO_PARENTS), np.arange(16)])
    zeros = {"shapedirs": np.zeros((6, 3, 10)), "posedirs": np.zeros((6, 3, 135)), "hands_mean": np.zeros(45)}
    return zeros | {
        "v_template": verts, "f": np.array(faces), "weights": np.eye(16)[[0] * 6], "J_regressor": regressor,
        "kintree_table": kintree, "hands_components": np.eye(45), "tip_vertex_ids": np.zeros(5, int),
    }  # fmt: skip


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({}, "has no flat cap at the wrist (+x); give a mesh with a cap or an open end"),
        ({"v_template": np.full((6, 3), np.nan)}, "v_template holds values that are no finite numbers"),
        ({"f": np.zeros((0, 3), int)}, "f has shape (0, 3), and it must be any number above 0 x 3"),
        ({"weights": np.eye(15)[[0] * 6]}, "weights has shape (6, 15), and it must be 6 x 16"),
        ({"J_regressor": np.full((21, 6), 1 / 6)}, "J_regressor has shape (21, 6), and it must be 16 x 6"),
        ({"vt": np.zeros((4, 2))}, "has no array ft"),
    ],
)
def test_a_mesh_that_cannot_be_used_is_one_line_before_anything_is_written(tmp_path, capsys, change, named):
    np.savez(tmp_path / "own.npz", **(spindle() | change))  # type: ignore[arg-type]
    assert main([f"out={tmp_path / 'd'}", f"hand={tmp_path}/own.npz"]) == 1
    error = capsys.readouterr().err
    assert error.count("\n") == 1 and named in error
    assert not (tmp_path / "d").exists()
