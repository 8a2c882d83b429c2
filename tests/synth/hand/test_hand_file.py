"""Reading hands: the shipped one, and every way a user's file can be wrong."""

from pathlib import Path

import numpy as np
import pytest

from synth.hand import load_hand, skin_files
from synth.hand.hand_file import OPEN_HAND_FOLDER
from synth.hand.validate import MANO_TIP_VERTEX_IDS
from tests.synth.hand.mano_pickle import mirrored, open_hand


@pytest.fixture
def contents() -> dict[str, np.ndarray]:
    with np.load(OPEN_HAND_FOLDER / "open_hand_right.npz") as archive:
        return dict(archive)


def saved(folder: Path, contents: dict[str, np.ndarray], name: str = "MANO_RIGHT.npz") -> Path:
    np.savez(folder / name, **contents)  # type: ignore[arg-type]
    return folder / name


def test_open_hand_has_manos_layout():
    hand = load_hand("open")
    verts = len(hand.v_template)
    assert hand.name == "open" and "CC0" in hand.licence
    assert hand.shapedirs.shape == (verts, 3, 10) and hand.posedirs.shape == (verts, 3, 135)
    assert hand.parents.tolist() == [-1, 0, 1, 2, 0, 4, 5, 0, 7, 8, 0, 10, 11, 0, 13, 14]
    np.testing.assert_allclose(hand.weights.sum(1), 1, atol=1e-5)
    np.testing.assert_allclose(hand.J_regressor.sum(1), 1, atol=1e-4)
    assert hand.faces.max() == verts - 1


def test_open_hand_is_a_right_hand_of_human_size():
    hand = load_hand("open")
    joints, tips = hand.rest_joints(), hand.rest_tips()
    assert tips[2, 0] < joints[4, 0] < joints[0, 0]  # fingers along -x
    assert tips[0, 2] > tips[4, 2]  # thumb side +z
    assert 0.16 < np.linalg.norm(tips[2] - joints[0]) < 0.21


def test_open_hand_is_closed_and_faces_outwards():
    hand = load_hand("open")
    corners = hand.v_template[hand.faces].astype(np.float64)
    volume = np.einsum("fi,fi->", corners[:, 0], np.cross(corners[:, 1], corners[:, 2])) / 6
    assert 2e-4 < volume < 6e-4  # cubic metres, positive when counter-clockwise from outside
    edges = np.sort(hand.faces[:, [0, 1, 1, 2, 2, 0]].reshape(-1, 2), axis=1)
    assert (np.unique(edges, axis=0, return_counts=True)[1] == 2).all()


def test_texture_coordinates_and_skins():
    hand = load_hand("open")
    assert hand.uv is not None and hand.uv_faces is not None
    assert hand.uv.min() >= 0 and hand.uv.max() <= 1
    assert hand.uv_faces.shape == hand.faces.shape and hand.uv_faces.max() == len(hand.uv) - 1
    # the chart fills the unit square: the layout that the skins are painted in
    assert np.ptp(hand.uv[:, 0]) > 0.9 and np.ptp(hand.uv[:, 1]) > 0.9
    assert len(skin_files()) == 24 and all(p.stat().st_size > 5000 for p in skin_files())


def test_a_users_file_is_read_and_named(tmp_path, contents):
    hand = load_hand(saved(tmp_path, contents))
    assert hand.name == "MANO_RIGHT"
    np.testing.assert_array_equal(hand.v_template, load_hand("open").v_template)


def reduced(contents: dict[str, np.ndarray], count: int) -> dict[str, np.ndarray]:
    """The hand with ``count`` vertices, each standing for those nearest to it; tips where MANO's mesh has them."""
    verts, tips = contents["v_template"], contents["tip_vertex_ids"]
    others = np.setdiff1d(np.linspace(0, len(verts) - 1, count + 200).astype(int), tips)
    kept = np.zeros(count, int)
    kept[list(MANO_TIP_VERTEX_IDS)] = tips
    kept[np.setdiff1d(np.arange(count), MANO_TIP_VERTEX_IDS)] = others[: count - 5]
    nearest = np.linalg.norm(verts[:, None] - verts[kept], axis=2).argmin(1)
    faces = nearest[contents["f"]]
    collapsed = (faces == np.roll(faces, 1, axis=1)).any(1)
    regressor = np.zeros((16, count), np.float32)
    np.add.at(regressor.T, nearest, contents["J_regressor"].T)
    small = {key: contents[key][kept] for key in ("v_template", "shapedirs", "posedirs", "weights")}
    same = {key: contents[key] for key in ("kintree_table", "hands_mean", "hands_components")}
    return small | same | {"J_regressor": regressor, "f": faces[~collapsed]}


def test_778_vertices_need_no_tips_and_no_texture(tmp_path, contents):
    hand = load_hand(saved(tmp_path, reduced(contents, 778)))
    assert hand.tip_vertex_ids.tolist() == [744, 320, 443, 554, 671]
    assert hand.uv is None and hand.uv_faces is None


def test_a_left_hand_is_mirrored_on_reading(tmp_path):
    arrays = {key: array.astype(np.float32) if array.dtype.kind == "f" else array for key, array in open_hand().items()}
    hand = load_hand(saved(tmp_path, mirrored(arrays, mirror_shapes=True), "MANO_LEFT.npz"))
    for key in ("v_template", "shapedirs", "posedirs", "faces", "hands_mean"):
        np.testing.assert_array_equal(getattr(hand, key), getattr(load_hand("open"), key), err_msg=key)
    with pytest.raises(ValueError, match=r"left hand whose shapedirs have the right hand's x.*import-mano"):
        load_hand(saved(tmp_path, mirrored(arrays, mirror_shapes=False), "MANO_LEFT.npz"))


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (lambda c: c.pop("posedirs"), "no array posedirs"),
        (lambda c: c.update(weights=c["weights"][:, :15]), "weights has shape"),
        (lambda c: c.update(hands_mean=c["hands_mean"][:44]), "hands_mean has shape"),
        (lambda c: c.update(shapedirs=c["shapedirs"][:, :, :9]), "9 shape coefficients"),
        (lambda c: c.update(v_template=c["v_template"] * np.nan), "no finite numbers"),
        (lambda c: c.update(kintree_table=c["kintree_table"] * 0), "kintree_table"),
        (lambda c: c.pop("tip_vertex_ids"), "tip_vertex_ids"),
        (lambda c: c.update(tip_vertex_ids=c["tip_vertex_ids"] + 5000), "tip_vertex_ids"),
        (lambda c: c.update(v_template=c["v_template"] * np.array([-1, 1, 1], np.float32)), "clockwise"),
        (lambda c: c.update(f=c["f"][:0]), r"f has shape \(0, 3\), and it must be any number above 0 x 3"),
        (lambda c: c.update(v_template=c["v_template"][:0]), "v_template has shape"),
        (lambda c: c.update(f=c["f"] + 1), r"f holds ids from 1 to 1681, and they must lie in 0 to 1680"),
        (lambda c: c.update(f=c["f"].astype(float) * np.nan), "f holds values that are no finite numbers"),
        (lambda c: c.update(f=c["f"][:, ::-1]), "clockwise seen from outside; reverse the rows of f"),
        (lambda c: c.update(v_template=c["v_template"] * 1000), "no hand in metres"),
        (lambda c: c.update(weights=c["weights"] * 0), "row 0 of weights sums to 0"),
        (lambda c: c.update(J_regressor=c["J_regressor"][:15]), "J_regressor has shape"),
        (lambda c: c.update(J_regressor=c["J_regressor"] * 0.5), r"row \d+ of J_regressor sums to 0\.5"),
        (lambda c: c.pop("vt"), "no array vt"),
        (lambda c: c.pop("ft"), "no array ft"),
        (lambda c: c.update(ft=c["ft"][:-1]), "ft has shape"),
        (lambda c: c.update(ft=c["ft"] + 1), "ft holds ids from 1 to 1892"),
        (lambda c: c.update(vt=c["vt"] * 1024), "vt reaches from"),
        (lambda c: c.update(f=np.array([{"a": 1}], dtype=object)), "cannot be read"),
    ],
)
def test_wrong_arrays_are_refused_in_one_line(tmp_path, contents, change, named):
    change(contents)
    with pytest.raises(ValueError, match=named) as caught:
        load_hand(saved(tmp_path, contents))
    assert "\n" not in str(caught.value) and "MANO_RIGHT.npz" in str(caught.value)


def test_files_that_are_no_hands_are_refused(tmp_path):
    (tmp_path / "text.npz").write_text("not a zip")
    np.save(tmp_path / "one.npy", np.zeros(3))
    for name in ("text.npz", "one.npy"):
        with pytest.raises(ValueError, match="cannot be read"):
            load_hand(tmp_path / name)
    with pytest.raises(FileNotFoundError, match=r"hand=.*does not exist"):
        load_hand(tmp_path / "missing.npz")


def test_pickles_are_refused_unread(tmp_path):
    path = tmp_path / "MANO_RIGHT.pkl"
    path.write_bytes(b"cos\nsystem\n(S'false'\ntR.")
    with pytest.raises(ValueError, match=r"pickle.*handbridge import-mano file=.*MANO_RIGHT\.pkl out=DIR"):
        load_hand(path)


def test_mano_without_a_file_says_where_to_get_it():
    with pytest.raises(ValueError, match=r"MANO_RIGHT\.pkl from mano\.is\.tue.*import-mano.*hand=DIR/MANO_RIGHT"):
        load_hand("mano")
