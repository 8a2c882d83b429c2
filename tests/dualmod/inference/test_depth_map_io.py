"""Depth maps: their units, their place beside the photo, and what is refused."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from dualmod.inference.depth_map_io import depth_file_of, read_depth

DEPTH_M = np.array([[0.3, 0.0, 1.25], [2.0, 0.5, 0.001]])
SIZE = (3, 2)


def test_steps_become_metres_and_nothing_measured_is_zero(tmp_path):
    cv2.imwrite(str(tmp_path / "a.png"), np.round(DEPTH_M * 8000).astype(np.uint16))
    np.testing.assert_allclose(read_depth(tmp_path / "a.png", 1 / 8000, SIZE), DEPTH_M)
    metres = DEPTH_M.astype(np.float32)
    metres[0, 1], metres[1, 2] = np.nan, -1
    np.save(tmp_path / "a.npy", metres)
    found = read_depth(tmp_path / "a.npy", 1 / 8000, SIZE)  # the scale is a PNG's
    assert found[0, 1] == found[1, 2] == 0
    np.testing.assert_allclose(found[:, 0], DEPTH_M[:, 0], rtol=1e-6)


def test_a_folder_holds_the_map_of_each_name(tmp_path):
    (tmp_path / "in").mkdir()
    for name in ("b.npy", "in/b.png"):
        (tmp_path / name).touch()
    assert depth_file_of(Path("b.jpg"), tmp_path) == tmp_path / "b.npy"
    assert depth_file_of(Path("in/b.jpg"), tmp_path) == tmp_path / "in" / "b.png"
    assert depth_file_of(Path("c.jpg"), tmp_path / "b.npy") == tmp_path / "b.npy"
    with pytest.raises(FileNotFoundError, match=r"neither other/b.png nor other/b.npy"):
        depth_file_of(Path("other/b.jpg"), tmp_path)


def test_what_is_no_depth_map_is_refused(tmp_path):
    cv2.imwrite(str(tmp_path / "eight.png"), np.zeros((2, 3), np.uint8))
    cv2.imwrite(str(tmp_path / "colour.png"), np.zeros((2, 3, 3), np.uint16))
    (tmp_path / "text.png").write_text("no image")
    (tmp_path / "text.npy").write_text("no array")
    np.save(tmp_path / "whole.npy", np.zeros((2, 3), int))
    cv2.imwrite(str(tmp_path / "large.png"), np.ones((4, 6), np.uint16))
    for name, told in {
        "eight.png": "no 16-bit grey PNG", "colour.png": "3", "text.png": "no image", "text.npy": "cannot be read",
        "whole.npy": "save metres as float32", "large.png": "6 x 4 px, its photo 3 x 2", "gone.png": "No such file",
    }.items():  # fmt: skip
        with pytest.raises(ValueError, match=told):
            read_depth(tmp_path / name, 0.001, SIZE)
