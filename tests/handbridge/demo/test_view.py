"""What the page shows: pictures, the figure in space, words; and the pictures it offers to try."""

from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from dualmod.data.image_collections import read_image
from dualmod.detection.detector import HandBox
from dualmod.inference.predictor import HandEstimates
from handbridge.demo import messages, renderings, skeleton3d
from handbridge.demo.examples import SIDE_PX, rendered_examples
from handbridge.demo.inference import Looked
from handbridge.demo.upload import Photo
from synth.common.conventions import BONES

RNG = np.random.default_rng(0)


def estimates(joints_px: np.ndarray, *, right: float = 0.9) -> HandEstimates:
    blob = np.zeros((1, 24, 24))
    blob[0, 6:18, 6:18] = 1.0
    return HandEstimates(
        joints_px=joints_px[None],
        joints_depth=np.zeros((1, 21)),
        confidence=np.linspace(0.1, 0.3, 21)[None],
        right_probability=np.array([right]),
        mirrored=np.array([right < 0.5]),
        crops=np.full((1, 96, 96, 3), 200, np.uint8),
        masks=blob,
        depths=blob,
        crop_sides_px=np.array([90.0]),
    )


@pytest.fixture
def looked() -> Looked:
    joints_px = RNG.uniform((60, 40), (180, 140), (21, 2))
    photo = Photo(np.full((160, 256, 3), 90, np.uint8), 512, 320)
    hands = [HandBox(np.array([60.0, 40.0, 180.0, 140.0]), 0.17, 0.5)]
    seconds = {"decode": 0.004, "locate": 0.08, "network": 0.03}
    return Looked(photo, hands, estimates(joints_px), None, seconds, is_box_given=False)


def test_the_skeleton_is_drawn_at_its_joints_and_nothing_far_from_the_hand_changes(looked: Looked) -> None:
    drawn = renderings.overlay(looked, looked.after)
    assert drawn.shape == (640, 1024, 3)
    for joint in looked.after.joints_px[0]:
        u, v = ((joint + 0.5) * 4 - 0.5).round().astype(int)
        assert np.ptp(drawn[v, u].astype(int)) > 60 or drawn[v, u].min() > 200  # a finger's colour, or the white wrist
    assert (drawn[600:] == 90).all() and (drawn[:, 760:] == 90).all()


def test_the_hand_taken_is_written_on_the_picture(looked: Looked) -> None:
    as_left = replace(looked.after, mirrored=np.array([True]))
    drawn = [renderings.overlay(looked, found) for found in (looked.after, as_left)]
    differs = (drawn[0] != drawn[1]).any(-1)
    rows, columns = np.nonzero(differs)
    assert differs.any() and rows.max() <= 164 and columns.min() >= 236  # above the box's corner at 4 x (60, 40)


def test_a_box_beyond_the_photo_does_not_fail(looked: Looked) -> None:
    beyond = replace(looked, hands=[HandBox(np.array([-1e9, -50.0, 1e9, 400.0]), 0.1, 0.5)])
    assert renderings.overlay(beyond, beyond.after).shape == (640, 1024, 3)


def test_depth_is_red_where_near_and_the_mask_darkens_what_is_no_hand(looked: Looked) -> None:
    depth, mask = renderings.depth_picture(looked.after), renderings.mask_picture(looked.after)
    side = renderings.MAP_SIDE_PX
    assert depth[side // 2, side // 2, 0] > 2 * depth[side // 2, side // 2, 2]
    assert depth[5, 5, 0] < 80
    assert mask[side // 2, side // 2].tolist() == [200] * 3 and mask[5, 5].tolist() == [50] * 3
    assert (mask == 255).all(-1).any()


def points_of(trace: dict) -> np.ndarray:
    return np.array([trace["x"], trace["y"], trace["z"]]).T


def test_the_figure_shows_every_bone_once_with_x_right_y_away_z_up() -> None:
    after, before = RNG.normal(0, 5, (21, 3)), RNG.normal(0, 5, (21, 3))
    grey, *fingers = skeleton3d.figure(after, before)["data"]
    assert [t["name"] for t in fingers] == ["thumb", "index", "middle", "ring", "little"]
    for joints, traces in ((after, fingers), (before, [grey])):
        shown = joints[:, [0, 2, 1]] * (1, 1, -1)
        lines = [points_of(t) for t in traces]
        drawn = {tuple(np.concatenate(pair)) for line in lines for pair in pairwise(line)}
        for parent, child in BONES:
            assert tuple(np.concatenate([shown[parent], shown[child]]).round(2)) in drawn


def test_the_figure_holds_all_joints_in_a_cube() -> None:
    after = RNG.normal(0, 5, (21, 3)) + 7
    figure = skeleton3d.figure(after)
    scene = figure["layout"]["scene"]
    ranges = np.array([scene[f"{axis}axis"]["range"] for axis in "xyz"])
    for trace in figure["data"]:
        assert (points_of(trace) >= ranges[:, 0]).all() and (points_of(trace) <= ranges[:, 1]).all()
    assert np.ptp(ranges[:, 1] - ranges[:, 0]) < 1e-9 and len(figure["data"]) == 5


def test_the_numbers_name_hand_probability_confidence_and_times(looked: Looked) -> None:
    text = messages.numbers(looked, {**looked.seconds, "draw": 0.02})
    for said in ("Right hand", "90 %", ">0.20<", ">0.10<", ">80<", ">4.0<", ">134<", "512 x 320 px, seen at 256 x 160"):
        assert said in text
    assert "before" not in text
    both = replace(looked, before=estimates(looked.after.joints_px[0], right=0.001))
    text = messages.numbers(both, looked.seconds)
    assert ">left<" in text and ">99 %<" in text and "before" in text


def test_several_hands_are_counted(looked: Looked) -> None:
    two = replace(looked, hands=looked.hands * 2, after=replace(
        looked.after, mirrored=np.array([False, True]), right_probability=np.array([0.9, 0.2])
    ))  # fmt: skip
    text = messages.numbers(two, looked.seconds)
    assert "Right hand" in text and "Left hand" in text and "surest of 2 hands" in text


def test_words_of_a_user_cannot_become_markup() -> None:
    text = messages.trouble("The box “<script>alert(1)</script>” is not four numbers")
    assert "<script>" not in text and "&lt;script&gt;" in text and 'role="alert"' in text


def test_examples_are_as_many_renders_as_asked_for(tmp_path: Path) -> None:
    files = rendered_examples(tmp_path, 2)
    assert [file.suffix for file in files] == [".png", ".png"]
    images = [read_image(file) for file in files]
    assert all(image.shape == (SIDE_PX, SIDE_PX, 3) and image.std() > 10 for image in images)
    assert rendered_examples(tmp_path, 0) == []
