"""Importing official pickles: the right arrays come out, and files of something else are refused in one line."""

import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import scipy.sparse

from synth.hand import HandModel, load_hand
from synth.hand.mano.arrays_from_pickle import as_array
from synth.hand.mano.import_mano import ImportManoConfig, import_mano, main
from synth.hand.mano.safe_pickle import read_inert
from tests.synth.hand.mano_pickle import mirrored, official_pickle, open_hand, refused


@pytest.fixture(scope="module")
def arrays() -> dict[str, np.ndarray]:
    return open_hand()


def imported(folder: Path, data: bytes, name: str = "MANO_RIGHT") -> Path:
    (folder / f"{name}.pkl").write_bytes(data)
    return import_mano(ImportManoConfig(file=str(folder / f"{name}.pkl"), out=str(folder / "out"))).path


@pytest.mark.parametrize("protocol", [0, 1, 2, 3, 4])
def test_an_official_pickle_gives_its_arrays(tmp_path, arrays, protocol):
    data = official_pickle(arrays, protocol)
    if protocol == 2:
        for path in (b"cchumpy.ch\nCh\n", b"cchumpy.reordering\nSelect\n", b"cscipy.sparse.csc\ncsc_matrix\n",
                     b"cnumpy.core.multiarray\n_reconstruct\n"):  # fmt: skip
            assert path in data
    path = imported(tmp_path, data)
    assert "chumpy" not in sys.modules
    with np.load(path, allow_pickle=False) as written:
        for key in ("v_template", "shapedirs", "posedirs", "J_regressor", "weights", "f", "kintree_table",
                    "hands_mean", "hands_components", "tip_vertex_ids"):  # fmt: skip
            np.testing.assert_array_equal(written[key], arrays[key], err_msg=key)
            assert written[key].dtype == arrays[key].dtype
        assert "non-commercial" in str(written["license"])


def test_the_imported_hand_is_the_hand(tmp_path, arrays):
    hand, open_one = load_hand(imported(tmp_path, official_pickle(arrays))), load_hand("open")
    assert hand.name == "MANO_RIGHT" and "Max-Planck" in hand.licence
    for key in ("v_template", "shapedirs", "posedirs", "J_regressor", "weights", "faces", "hands_mean"):
        np.testing.assert_array_equal(getattr(hand, key), getattr(open_one, key))


def test_big_endian_fortran_and_single_numbers_are_read(arrays):
    for array in (
        np.arange(6.0).reshape(2, 3).astype(">f8"),
        np.asfortranarray(np.arange(6, dtype=np.int16).reshape(2, 3)),
        np.array([True, False]),
        np.array(2.5),
    ):
        read = as_array(read_inert(pickle.dumps(array, protocol=2)))
        np.testing.assert_array_equal(read, array)
        assert read.dtype == array.dtype.newbyteorder("=")
    matrix = scipy.sparse.random(7, 11, 0.3, format="csc", random_state=0)
    np.testing.assert_array_equal(as_array(read_inert(pickle.dumps(matrix, protocol=2))), matrix.toarray())


@pytest.mark.parametrize("faulty", [True, False])
def test_a_left_hand_is_mended_and_becomes_the_mirror_image(tmp_path, arrays, capsys, faulty):
    left = mirrored(arrays, mirror_shapes=not faulty)
    (tmp_path / "MANO_LEFT.pkl").write_bytes(official_pickle(left))
    assert main([f"file={tmp_path}/MANO_LEFT.pkl", f"out={tmp_path}/out"]) == 0
    shown = capsys.readouterr().out
    assert "a left hand of 1681 vertices" in shown
    assert ("had the right hand's sign" in shown) == faulty and ("nothing to mend" in shown) != faulty
    with np.load(tmp_path / "out" / "MANO_LEFT.npz") as written:
        np.testing.assert_array_equal(written["shapedirs"], mirrored(arrays, mirror_shapes=True)["shapedirs"])
        np.testing.assert_array_equal(written["v_template"], left["v_template"])
    hand, right = load_hand(tmp_path / "out" / "MANO_LEFT.npz"), load_hand("open")
    for key in ("v_template", "shapedirs", "posedirs", "faces", "uv_faces", "hands_mean", "hands_components"):
        np.testing.assert_array_equal(getattr(hand, key), getattr(right, key), err_msg=key)


def test_left_and_right_give_the_same_posed_hand(tmp_path, arrays):
    import torch

    left = HandModel(load_hand(imported(tmp_path, official_pickle(mirrored(arrays, mirror_shapes=False)), "MANO_LEFT")))
    right = HandModel(load_hand("open"))
    rng = np.random.default_rng(0)
    row = [torch.tensor(rng.normal(0, scale, (1, *sides)), dtype=torch.float32)
           for scale, sides in ((0.5, (16, 3)), (1.0, (10,)), (0.1, (3,)))]  # fmt: skip
    np.testing.assert_allclose(left(*row).verts.detach(), right(*row).verts.detach(), atol=1e-6)


def test_a_file_of_that_name_is_only_replaced_when_asked(tmp_path, arrays):
    first = imported(tmp_path, official_pickle(arrays)).read_bytes()
    assert imported(tmp_path, official_pickle(arrays)).read_bytes() == first
    other = official_pickle(arrays | {"v_template": arrays["v_template"] * 1.01})
    with pytest.raises(ValueError, match=r"holds another MANO_RIGHT\.npz"):
        imported(tmp_path, other)
    assert (tmp_path / "out" / "MANO_RIGHT.npz").read_bytes() == first
    import_mano(ImportManoConfig(file=str(tmp_path / "MANO_RIGHT.pkl"), out=str(tmp_path / "out"), overwrite=True))
    assert (tmp_path / "out" / "MANO_RIGHT.npz").read_bytes() != first
    assert [f.name for f in (tmp_path / "out").iterdir()] == ["MANO_RIGHT.npz"]


def test_the_verb_runs_as_a_module_without_a_word_on_stderr(tmp_path, arrays):
    (tmp_path / "MANO_RIGHT.pkl").write_bytes(official_pickle(arrays))
    command = [
        sys.executable,
        "-m",
        "synth.hand.mano.import_mano",
        f"file={tmp_path}/MANO_RIGHT.pkl",
        f"out={tmp_path}/out",
    ]
    done = subprocess.run(command, capture_output=True, text=True, cwd=Path(__file__).parents[4])
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.endswith(f"use it with hand={tmp_path}/out/MANO_RIGHT.npz\n")


@pytest.mark.parametrize(
    ("changed", "named"),
    [
        ({"hands_mean": np.zeros(44)}, "hands_mean has shape"),
        ({"weights": "x"}, "weights cannot be read: it is of type str"),
        ({"v_template": np.full((1681, 3), np.nan)}, "v_template holds values that are no finite numbers"),
        ({"kintree_table": np.zeros((2, 16), np.int64)}, "kintree_table is not that of MANO"),
    ],
)
def test_pickles_of_something_else_are_refused(tmp_path, arrays, capsys, changed, named):
    assert named in refused(tmp_path, official_pickle(arrays, **changed), capsys)


def test_a_body_model_a_list_and_downloads_gone_wrong_are_named(tmp_path, arrays, capsys):
    body = {key: array for key, array in arrays.items() if not key.startswith("hands_")}
    assert "no array hands_mean" in refused(tmp_path, official_pickle(body), capsys)
    assert "no named arrays" in refused(tmp_path, pickle.dumps([1, 2]), capsys)
    assert "unpack it" in refused(tmp_path, b"PK\x03\x04zip", capsys)
    assert "web page" in refused(tmp_path, b"\n<!DOCTYPE html>", capsys)
    assert main([f"file={tmp_path}/none.pkl", f"out={tmp_path}/out"]) == 1
    assert "none.pkl does not exist" in capsys.readouterr().err


def test_a_pickle_cut_anywhere_is_refused(tmp_path, arrays, capsys):
    data = official_pickle(arrays)
    for end in np.linspace(1, len(data) - 1, 12).astype(int):
        refused(tmp_path, data[:end], capsys)


def test_a_large_file_is_refused_unread(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("synth.hand.mano.import_mano.MAX_BYTES", 10)
    assert "has 11 bytes" in refused(tmp_path, b"x" * 11, capsys)
