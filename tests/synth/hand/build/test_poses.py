"""Pose correctives and pose components: nothing at rest, what was asked for in a bent hand, a fit that holds."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from synth.common.conventions import MANO_JOINT_NAMES
from synth.hand import HandAxes
from synth.hand.build.pose_correctives import Knuckles, corrective_targets, pose_correctives
from synth.hand.build.pose_space import pose_space, sample_poses, single_joint_poses
from tests.synth.hand.build.made_up import open_hand

ARRAYS = replace(open_hand(), posedirs=np.zeros_like(open_hand().posedirs))
PINNED = np.arange(len(ARRAYS.v_template)) >= len(ARRAYS.v_template) - 21


@pytest.fixture(scope="module")
def poses() -> np.ndarray:
    return sample_poses(ARRAYS, np.random.default_rng(0), 60)


def test_a_flat_hand_needs_no_correction():
    targets, features = corrective_targets(ARRAYS, np.zeros((1, 16, 3)), PINNED)
    assert np.abs(targets).max() < 1e-7 and np.abs(features).max() < 1e-12


def test_knuckles_come_out_at_the_back_as_a_finger_bends():
    knuckles, axes = Knuckles(ARRAYS), HandAxes.of(ARRAYS)
    joint = MANO_JOINT_NAMES.index("middle1")
    heights = []
    for angle in (0.0, 0.5, 1.5, -1.0):
        turns = np.tile(np.eye(3), (16, 1, 1))
        turns[joint] = Rotation.from_rotvec(angle * axes.frames[joint][:, 2]).as_matrix()
        displacement = knuckles.displacement(turns)
        heights.append(displacement[:, 1].max())
        moved = np.linalg.norm(displacement, axis=1) > 2e-4
        assert (
            not moved.any() or (np.linalg.norm(ARRAYS.v_template[moved] - axes.rest_joints[joint], axis=1) < 0.04).all()
        )
    assert heights[0] == heights[3] == 0
    assert 0.0002 < heights[1] < heights[2] < 0.0024


def test_the_fit_explains_poses_that_it_has_not_seen(poses):
    fitted = np.concatenate([poses[:45], single_joint_poses()])
    posedirs = pose_correctives(ARRAYS, fitted, PINNED)
    targets, features = corrective_targets(ARRAYS, poses[45:], PINNED)
    left = targets - np.einsum("vkf,pf->pvk", posedirs, features)
    assert (left**2).sum() < 0.1 * (targets**2).sum()
    assert (posedirs[PINNED] == 0).all() and 0.02 < (posedirs != 0).mean() < 0.15
    thumb_tip, index_joints = ARRAYS.tip_vertex_ids[0], slice(0, 27)
    assert (posedirs[thumb_tip][:, index_joints] == 0).all()  # a joint moves only what is near it


def test_one_vertexs_fit_is_a_ridge_regression(poses):
    fitted = poses[:30]
    posedirs = pose_correctives(ARRAYS, fitted, PINNED)
    targets, features = corrective_targets(ARRAYS, fitted, PINNED)
    vertex = int(np.abs(targets).sum((0, 2)).argmax())
    used = np.repeat((posedirs[vertex] != 0).reshape(3, 15, 9).any((0, 2)), 9)
    rows = np.concatenate([features[:, used], np.sqrt(2.0) * np.eye(used.sum())])
    wanted = np.concatenate([targets[:, vertex], np.zeros((used.sum(), 3))])
    expected = np.linalg.lstsq(rows, wanted, rcond=None)[0].T
    np.testing.assert_allclose(posedirs[vertex][:, used], expected, atol=2.1e-5)  # smaller numbers are dropped


def test_components_give_the_poses_back(poses):
    space = pose_space(poses)
    rows = poses[:, 1:].reshape(-1, 45)
    np.testing.assert_allclose(space.library @ space.components + space.mean, rows, atol=1e-9)
    np.testing.assert_allclose(space.components @ space.components.T, np.eye(45), atol=1e-9)
    np.testing.assert_allclose(space.sigma, space.library.std(0, ddof=1), atol=1e-9)
    assert (np.diff(space.sigma) <= 1e-12).all()


def test_single_joint_poses_bend_one_joint_each():
    alone = single_joint_poses()
    assert alone.shape == (36, 16, 3) and ((alone != 0).sum((1, 2)) == 1).all()
    assert set(alone[alone != 0]) == {0.5, 1.0, 1.5} and (alone[:, 13:] == 0).all()
