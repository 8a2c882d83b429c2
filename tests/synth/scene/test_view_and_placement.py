import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from synth.hand import load_hand
from synth.scene.backgrounds.out_of_frame import beyond_photo, sample_photo_edge
from synth.scene.placement import PlacementOptions, sample_placement
from synth.scene.view import R_CAM_PALM, View, ViewOptions, sample_view
from synth.scene.visibility import JOINT_TOLERANCE_M, visible_joints

FINGERS, BACK, THUMB = np.array([-1.0, 0, 0]), np.array([0, 1.0, 0]), np.array([0, 0, 1.0])
NO_WEIGHTS = dict.fromkeys(ViewOptions().weights(), 0.0)
UP = np.array([0, -1.0, 0])


def drawn(kind: str, count: int = 300) -> list[View]:
    rng = np.random.default_rng(0)
    options = ViewOptions(**(NO_WEIGHTS | {kind: 1.0}))
    return [sample_view(rng, options) for _ in range(count)]


def views(kind: str, count: int = 300) -> np.ndarray:
    return np.stack([view.R_cam_hand for view in drawn(kind, count)])


def test_the_palm_view_has_fingers_up_palm_to_the_camera_thumb_at_the_right():
    assert np.allclose(R_CAM_PALM @ FINGERS, [0, -1, 0])
    assert np.allclose(R_CAM_PALM @ -BACK, [0, 0, -1])
    assert np.allclose(R_CAM_PALM @ THUMB, [1, 0, 0])


@pytest.mark.parametrize("kind", list(NO_WEIGHTS))
def test_views_are_rotations(kind):
    R = np.concatenate([views(kind, 20), [view.R_cam_world for view in drawn(kind, 20)]])
    assert np.allclose(R @ R.transpose(0, 2, 1), np.eye(3)) and np.allclose(np.linalg.det(R), 1)


def test_palm_and_back_views_show_palm_and_back():
    assert (views("selfie_palm") @ -BACK)[:, 2].mean() < -0.6
    assert (views("selfie_back") @ BACK)[:, 2].mean() < -0.6


def test_egocentric_fingers_point_away_and_the_palm_is_not_seen():
    R = views("egocentric")
    assert (R @ FINGERS)[:, 2].mean() > 0.3
    assert (R @ BACK)[:, 2].mean() < -0.3


def test_cameras_head_anywhere_and_hold_nearly_upright():
    R_cam_world = np.stack([view.R_cam_world for view in drawn("selfie_palm")])
    ahead = R_cam_world.transpose(0, 2, 1) @ [0, 0, 1.0]
    assert np.abs(ahead[:, [0, 2]].mean(0)).max() < 0.15
    assert (R_cam_world @ UP)[:, 1].max() < -0.9


def test_hands_on_a_table_lie_flat_under_a_camera_that_looks_down():
    table = drawn("table")
    up_cam = np.stack([view.R_cam_world @ UP for view in table])
    back_cam = np.stack([view.R_cam_hand @ BACK for view in table])
    lying = (up_cam * back_cam).sum(1)
    assert np.median(np.abs(lying)) > 0.93 and np.abs(lying).min() > 0.5
    assert 0.6 < (lying > 0).mean() < 0.8
    assert (up_cam[:, 2] < -0.7).all()


def test_uniform_views_have_no_preferred_direction():
    assert np.abs((views("uniform", 2000) @ BACK).mean(0)).max() < 0.06


def test_weights_below_zero_or_all_zero_are_refused():
    with pytest.raises(ValueError, match=r"scene.view.side=-1"):
        ViewOptions(side=-1)
    with pytest.raises(ValueError, match="weights"):
        ViewOptions(**NO_WEIGHTS)


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_the_hand_fills_the_drawn_share_and_is_whole(seed):
    rng = np.random.default_rng(seed)
    hand = load_hand("open")
    joints = np.concatenate([hand.rest_joints(), hand.rest_tips()])
    joints = joints @ sample_view(rng, ViewOptions()).R_cam_hand.T
    options = PlacementOptions(cut_off_share=0.0)
    place = sample_placement(rng, joints, 128, options)
    joints_px = place.camera.project(joints + place.shift_m)
    assert joints_px.min() > 0 and joints_px.max() < 127
    fill = np.ptp(joints_px, axis=0).max() / 128
    assert options.min_fill - 0.03 < fill < options.max_fill + 0.03
    assert np.isclose((joints + place.shift_m)[:, 2].mean(), place.distance_m, atol=0.1)
    assert 0.9 < place.camera.K[0, 0] / place.camera.K[1, 1] < 1.1


@pytest.mark.parametrize("bad", [{"min_fill": 0.01}, {"max_fill": 1.2}, {"min_distance_m": 0.1}, {"max_distance_m": 7}])
def test_placement_out_of_range_names_its_key(bad):
    with pytest.raises(ValueError, match=f"scene.placement.{next(iter(bad))}="):
        PlacementOptions(**bad)


def test_the_photo_edge_never_cuts_a_joint():
    rng = np.random.default_rng(3)
    drawn = 0
    for _ in range(200):
        joints_px = rng.uniform(20, 100, size=2) + rng.uniform(-18, 18, size=(21, 2))
        edge = sample_photo_edge(rng, joints_px, 128, share=1.0)
        if edge is None:
            continue
        drawn += 1
        column, row = np.rint(joints_px).astype(int).T
        assert not beyond_photo(edge, 128)[row, column].any()
    assert drawn > 100
    assert sample_photo_edge(rng, joints_px, 128, share=0.0) is None


def test_beyond_the_photo_counts_rows_and_columns():
    mask = beyond_photo((1, 2, 3, 0), 10)
    assert mask[0].all() and mask[8:].all() and mask[:, :3].all() and not mask[1:8, 3:].any()


def test_a_joint_is_visible_under_its_own_flesh_only():
    joints_px = np.full((21, 2), 5.0)
    depth_m = np.full((10, 10), 0.5)
    assert visible_joints(joints_px, 0.5 + JOINT_TOLERANCE_M - 1e-4, depth_m).all()
    assert not visible_joints(joints_px, 0.5 + JOINT_TOLERANCE_M + 1e-4, depth_m).any()
    assert visible_joints(joints_px, np.full(21, 9.0), np.zeros((10, 10))).all()


def test_a_joint_outside_the_image_is_not_visible():
    joints_px = np.full((21, 2), 5.0)
    joints_px[3] = (-0.6, 5)
    joints_px[4] = (5, 9.6)
    visible = visible_joints(joints_px, np.full(21, 0.5), np.zeros((10, 10)))
    assert list(np.flatnonzero(~visible)) == [3, 4]
