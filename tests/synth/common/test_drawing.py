import numpy as np
import pytest

from synth.common.drawing import FINGER_COLOURS, contact_sheet, draw_skeleton


def joints() -> np.ndarray:
    return np.stack([np.linspace(5, 58, 21), np.full(21, 30.0)], -1)


def test_fingers_have_their_colours_at_their_joints():
    image = np.zeros((64, 64, 3), np.uint8)
    drawn = draw_skeleton(image, joints(), as_points=True)
    assert (image == 0).all()
    for finger, colour in enumerate(FINGER_COLOURS):
        x, y = np.rint(joints()[2 + 4 * finger]).astype(int)
        assert tuple(drawn[y, x]) == colour


def test_joints_that_are_not_known_are_left_out():
    unknown = np.full((21, 2), np.nan)
    assert (draw_skeleton(np.zeros((64, 64, 3), np.uint8), unknown) == 0).all()


def test_hidden_joints_are_hollow():
    image = np.zeros((64, 64, 3), np.uint8)
    alone = np.full((21, 2), np.nan)
    alone[8] = (30, 30)
    hollow = draw_skeleton(image, alone, visible=np.zeros(21, bool), thickness=3)
    filled = draw_skeleton(image, alone, visible=np.ones(21, bool), thickness=3)
    assert (hollow[30, 30] == 0).all() and (filled[30, 30] > 0).any()


def test_scale_keeps_pixel_centres():
    image = np.zeros((64, 64, 3), np.uint8)
    alone = np.full((21, 2), np.nan)
    alone[0] = (20, 40)
    rows, columns = np.nonzero(draw_skeleton(image, alone, scale=4).any(2))
    assert abs(columns.mean() - (20.5 * 4 - 0.5)) < 0.6 and abs(rows.mean() - (40.5 * 4 - 0.5)) < 0.6


def test_a_contact_sheet_has_its_tiles_in_rows():
    tiles = [np.full((10, 10, 3), v, np.uint8) for v in (50, 100, 150)]
    sheet = contact_sheet(tiles, columns=2, tile_px=20)
    assert sheet.shape == (40, 40, 3)
    assert sheet[5, 5, 0] == 50 and sheet[5, 25, 0] == 100 and sheet[25, 5, 0] == 150
    with pytest.raises(ValueError, match="at least one"):
        contact_sheet([], columns=2, tile_px=20)
