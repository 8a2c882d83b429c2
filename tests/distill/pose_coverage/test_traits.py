"""Traits of hands whose traits are known, and shares counted by hand."""

import numpy as np
import pytest
import torch

from distill.pose_coverage.box_poses import box_poses
from distill.pose_coverage.pose_index import Neighbours
from distill.pose_coverage.predicted_poses import PredictedPoses
from distill.pose_coverage.renders import Renders
from distill.pose_coverage.traits import Share, in_words, is_cut_off, most_frequent, roll_of, shares, traits, view_of
from dualmod.geometry.lifting import assumed_K
from synth.common.conventions import REFERENCE_BONE, ROOT_JOINT
from synth.hand import HandModel, load_hand
from synth.scene.view import R_CAM_PALM, about

SIZE_PX = (320, 240)


@pytest.fixture(scope="module")
def open_hand() -> np.ndarray:
    """Joints of the flat right hand about the wrist, metres, camera frame: palm towards the camera, fingers up."""
    with torch.no_grad():
        joints = HandModel(load_hand("open"))(torch.zeros(1, 16, 3), torch.zeros(1, 10), torch.zeros(1, 3)).joints[0]
    joints = joints.numpy().astype(np.float64)
    return (joints - joints[0]) @ R_CAM_PALM.T


@pytest.mark.parametrize(
    ("turn", "view"),
    [
        (np.eye(3), "palm"),
        (about(1, np.pi), "back"),
        (about(1, np.pi / 2), "edge"),
        (about(1, -np.pi / 2), "edge"),
        (about(2, np.pi / 2), "palm"),
        (about(0, 1.4), "along the hand, fingers near"),
        (about(0, -1.4), "along the hand, fingers away"),
    ],
)
def test_the_view_of_a_hand_that_was_turned(open_hand: np.ndarray, turn: np.ndarray, view: str) -> None:
    assert view_of(open_hand @ turn.T) == view


@pytest.mark.parametrize(("roll", "way"), [(0, "up"), (np.pi / 2, "right"), (np.pi, "down"), (-np.pi / 2, "left")])
def test_the_roll_of_a_hand_that_was_turned_in_the_image(open_hand: np.ndarray, roll: float, way: str) -> None:
    pose = box_poses((open_hand @ about(2, roll).T)[:, :2])
    assert roll_of(pose).partition(" ")[0] == way


def predicted(hands: list[np.ndarray], is_left: list[bool], shifts_px: list[tuple[float, float]]) -> PredictedPoses:
    """Hands 0.5 m before the camera of ``assumed_K``, as a network without errors would read them."""
    K, (a, b) = assumed_K(*SIZE_PX), REFERENCE_BONE
    mirrored = [hand * [-1 if left else 1, 1, 1] for hand, left in zip(hands, is_left, strict=True)]
    placed = np.stack(mirrored) + np.array([0, 0, 0.5])
    seen = placed @ K.T
    bones = np.linalg.norm(placed[:, b] - placed[:, a], axis=1)
    count = len(hands)
    return PredictedPoses(
        joints_px=seen[..., :2] / seen[..., 2:] + np.array(shifts_px)[:, None],
        joints_depth=(placed[..., 2] - placed[:, ROOT_JOINT, None, 2]) / bones[:, None],
        is_left=np.array(is_left),
        confidence=np.ones(count),
        spread=np.zeros(count),
        sizes_px=np.tile(np.array(SIZE_PX, float), (count, 1)),
    )


def test_traits_are_those_of_the_hand_and_of_its_nearest_renders(open_hand: np.ndarray) -> None:
    back = open_hand @ about(1, np.pi).T
    hands = predicted([open_hand, open_hand, back], [False, True, True], [(0, 20), (0, 20), (0, 0)])
    renders = Renders(np.zeros((3, 21, 2)), np.zeros(3, bool), ("one", "(synergy)", "one"), ("side", "table", "side"))
    near = Neighbours(np.array([[0, 1, 2], [1, 1, 0], [2, 2, 2]]), np.zeros((3, 3)))
    found = traits(hands, near, renders)
    assert found["view"] == ["palm", "palm", "back"]
    assert found["hand"] == ["right", "left", "left"]
    assert {way.partition(" ")[0] for way in found["fingers point"]} == {"up"}
    assert found["pose of the nearest renders"] == ["one", "(synergy)", "one"]
    assert found["view of the nearest renders"] == ["side", "table", "side"]


def test_a_hand_at_the_frame_is_cut_off(open_hand: np.ndarray) -> None:
    inside = predicted([open_hand], [False], [(0, 0)])
    low, high = inside.joints_px[0].min(0), inside.joints_px[0].max(0)
    middle = (np.array(SIZE_PX) - 1 - low - high) / 2
    shifts = [(0, 0), (-low[0] - middle[0], 0), (0, SIZE_PX[1] - 1 - high[1] - middle[1]), (0, -3 * SIZE_PX[1])]
    places = [tuple(middle + shift) for shift in shifts]
    assert is_cut_off(predicted([open_hand] * 4, [False] * 4, places)).tolist() == [False, True, True, True]


def test_shares_are_counted_and_sorted_by_what_marks_the_least_covered() -> None:
    values = {"hand": ["left", "left", "right", "right", "right", "right"]}
    least = np.array([True, True, False, True, False, False])
    rows = shares(values, np.array([6.0, 5.0, 1.0, 4.0, 2.0, 3.0]), np.ones(6, bool), least)
    assert rows == [
        Share("hand", "left", 2, 0, pytest.approx(1 / 3), pytest.approx(2 / 3), 5.5),
        Share("hand", "right", 4, 0, pytest.approx(2 / 3), pytest.approx(1 / 3), 2.5),
    ]
    assert in_words(rows) == [], "two photographs are too few to speak of"
    halves, ten = {"hand": ["left"] * 5 + ["right"] * 5}, np.arange(10)
    assert in_words(shares(halves, ten.astype(float), ten >= 0, ten < 2)) == [
        "hand: left - 100% of the least covered quarter, 50% of all"
    ]


def test_what_is_unclear_counts_beside_the_shares() -> None:
    clear = np.array([True, False, False, True])
    rows = shares({"name": ["a", "a", "b", "c"]}, np.array([1.0, 9.0, 9.0, 2.0]), clear, np.array([False] * 3 + [True]))
    assert {(r.value, r.count, r.num_unclear, r.of_all, r.of_least, r.distance) for r in rows} == {
        ("a", 1, 1, 0.5, 0.0, 1.0),
        ("b", 0, 1, 0.0, 0.0, None),
        ("c", 1, 0, 0.5, 1.0, 2.0),
    }


def test_the_most_frequent_value_wins() -> None:
    assert most_frequent(["a", "b", "b"]) == "b"


def test_a_left_hand_is_read_as_the_right_hand_that_its_mirror_image_shows(open_hand: np.ndarray) -> None:
    joints = open_hand @ about(1, 0.6).T
    seen = 100 * joints[:, :2] / np.linalg.norm(np.subtract(*joints[list(REFERENCE_BONE)])) + (90, 110)
    mirrored = np.stack([SIZE_PX[0] - 1 - seen[:, 0], seen[:, 1]], 1)
    both = PredictedPoses(
        joints_px=np.stack([seen, mirrored]),
        joints_depth=np.tile(joints[:, 2] - joints[ROOT_JOINT, 2], (2, 1)),
        is_left=np.array([False, True]),
        confidence=np.ones(2),
        spread=np.zeros(2),
        sizes_px=np.tile(np.array(SIZE_PX, float), (2, 1)),
    )
    assert np.allclose(*both.poses, atol=1e-6) and np.ptp(both.poses[0, :, 0]) > 0.3
    assert np.allclose(*both.lifted())
