"""From cut hands to a shape space: each step on hands whose answer is known."""

from dataclasses import replace

import numpy as np
import pytest
import trimesh
from scipy.spatial.transform import Rotation

from synth.common.conventions import MANO_JOINT_NAMES, MANO_PARENTS
from synth.hand.build.cut import CUT_M, cut_hands, merged_weights
from synth.hand.build.joint_regressor import joint_regressor
from synth.hand.build.proportions import SCALE, WRIST_M, stretched, with_human_proportions
from synth.hand.build.rest_pose import FAN_DEG, TIP_FINGERS, in_hand_frame, laid_flat, straightening_turns
from synth.hand.build.shape_space import LENGTH_M, SIZE_PER_BETA, shape_space
from synth.hand.build.sources import Bodies
from tests.synth.hand.build.made_up import hands_of, open_hand

ARRAYS = open_hand()
SOMA = ["RightHand", *(f"RightHandThumb{i}" for i in (1, 2, 3, "End")),
        *(f"RightHand{f}{i}" for f in ("Index", "Middle", "Ring", "Pinky") for i in (1, 2, 3, 4, "End")),
        "RightForeArm"]  # fmt: skip


def arm_like_bodies() -> Bodies:
    """Two long eggs as hand and forearm: the hand's bones along +z, the forearm's start at -z."""
    rod = trimesh.creation.icosphere(subdivisions=4)
    along = np.linspace(0.0, 0.2, len(SOMA) - 1)
    heads = np.stack([np.zeros(len(SOMA)), np.zeros(len(SOMA)), np.r_[along, -0.2]], axis=1)
    verts = np.asarray(rod.vertices) * [0.03, 0.03, 0.15] + [0, 0, 0.05]
    weights = np.zeros((len(verts), len(SOMA)))
    weights[:, 0] = 1
    return Bodies(
        verts=np.stack([verts, 1.1 * verts]), bone_heads=np.stack([heads, 1.1 * heads]), bone_names=tuple(SOMA),
        weights=weights, faces=np.asarray(rod.faces), base_ids=np.arange(len(verts)), ages=np.array([0.5, 0.7]),
    )  # fmt: skip


def test_the_cut_hand_is_closed_by_a_flat_cap_behind_the_wrist():
    hands = cut_hands(arm_like_bodies())
    for verts, scale in zip(hands.verts, (1.0, 1.1), strict=True):
        mesh = trimesh.Trimesh(verts, hands.faces, process=False)
        assert mesh.is_watertight and mesh.is_winding_consistent and mesh.volume > 0
        ring = np.flatnonzero(hands.pinned & (hands.base_ids >= 0))
        assert np.ptp(verts[ring, 2]) < 1e-9
        assert verts[ring[0], 2] == pytest.approx(-CUT_M * scale, abs=0.02)
    assert (hands.base_ids[~hands.pinned] >= 0).all() and (hands.base_ids == -1).sum() == len(ring) + 1
    assert hands.num_skin_faces == len(hands.faces) - 3 * len(ring)
    assert hands.is_adult.tolist() == [False, True]
    assert hands.joints[0, 4, 2] == pytest.approx(arm_like_bodies().bone_heads[0, SOMA.index("RightHandMiddle2"), 2])


def test_weights_are_added_up_by_the_joint_that_a_bone_belongs_to():
    bones = {name.removeprefix("RightHand"): i for i, name in enumerate(SOMA)}
    merged = merged_weights(np.eye(len(SOMA)), bones)
    expected = {"": "wrist", "Index1": "wrist", "Index2": "index1", "Index4": "index3", "IndexEnd": "index3",
                "Pinky3": "little2", "Thumb1": "thumb1", "Thumb3": "thumb3", "ThumbEnd": "thumb3",
                "RightForeArm": "wrist"}  # fmt: skip
    for bone, joint in expected.items():
        assert MANO_JOINT_NAMES[merged[bones[bone]].argmax()] == joint
    np.testing.assert_array_equal(merged.sum(1), 1)


@pytest.fixture(scope="module")
def bent():
    """Three open hands, slightly bent, each turned and moved about."""
    rng = np.random.default_rng(0)
    poses = rng.normal(0, 0.12, (3, 16, 3))
    poses[:, 0] = rng.normal(0, 1, (3, 3))
    hands = hands_of(ARRAYS, rng.normal(0, 0.5, (3, 10)), poses)
    return hands.moved(*(points + np.array([0.3, -1.0, 0.2]) for points in (hands.verts, hands.joints, hands.tips)))


def bone_ends(hands, joint: int) -> np.ndarray:
    finger = MANO_JOINT_NAMES[joint][:-1]
    is_last = MANO_JOINT_NAMES[joint].endswith("3")
    return hands.tips[:, TIP_FINGERS.index(finger)] if is_last else hands.joints[:, joint + 1]


def test_hands_are_laid_into_the_fan_without_changing_a_bone(bent):
    flat = laid_flat(bent)
    np.testing.assert_allclose(flat.joints[:, 0], 0, atol=1e-9)
    middle = flat.joints[:, MANO_JOINT_NAMES.index("middle1")]
    np.testing.assert_allclose(middle[:, 1:], 0, atol=1e-9)
    assert (middle[:, 0] < -0.05).all()
    for joint, name in enumerate(MANO_JOINT_NAMES[1:], start=1):
        bone = bone_ends(flat, joint) - flat.joints[:, joint]
        x, y, z = bone.T / np.linalg.norm(bone, axis=1)
        fan = np.stack([np.degrees(np.arctan2(z, -x)), np.degrees(np.arcsin(y))], axis=1)
        np.testing.assert_allclose(fan, np.tile(FAN_DEG[name[:-1]][int(name[-1]) - 1], (3, 1)), atol=1e-6)
        before = bone_ends(bent, joint) - bent.joints[:, joint]
        np.testing.assert_allclose(np.linalg.norm(bone, axis=1), np.linalg.norm(before, axis=1), atol=1e-9)
    assert (flat.joints[:, 1, 2] > flat.joints[:, 7, 2]).all()  # index above little finger: thumb side +z


def test_a_finger_is_stretched_segment_by_segment_and_nothing_else():
    hands = hands_of(ARRAYS, np.zeros((2, 10)))
    factors = np.array([[1.2, 1.0, 0.9], [1.0, 1.1, 1.3]])
    longer = stretched(hands, "index", factors, np.ones(2))
    for segment, joint in enumerate((1, 2, 3)):
        was, now = (np.linalg.norm(bone_ends(h, joint) - h.joints[:, joint], axis=1) for h in (hands, longer))
        np.testing.assert_allclose(now / was, factors[:, segment], atol=1e-9)
    np.testing.assert_array_equal(longer.joints[:, [0, *range(4, 16)]], hands.joints[:, [0, *range(4, 16)]])
    others = hands.weights[:, 1:4].sum(1) == 0
    np.testing.assert_array_equal(longer.verts[:, others], hands.verts[:, others])
    tip = ARRAYS.tip_vertex_ids[1]
    np.testing.assert_allclose(
        longer.verts[:, tip] - hands.verts[:, tip], longer.tips[:, 0] - hands.tips[:, 0], atol=1e-4
    )


def test_girth_thickens_a_finger_about_its_bone():
    hands = hands_of(ARRAYS, np.zeros((1, 10)))
    thick = stretched(hands, "middle", np.ones((1, 3)), np.array([1.2]))
    direction = hands.joints[0, 6] - hands.joints[0, 5]
    direction /= np.linalg.norm(direction)
    shaft = hands.weights[:, 5] > 0.999
    radii = [np.linalg.norm(np.cross(h.verts[0, shaft] - h.joints[0, 5], direction), axis=1) for h in (hands, thick)]
    np.testing.assert_allclose(radii[1] / radii[0], 1.2, atol=1e-3)
    np.testing.assert_allclose(thick.joints, hands.joints, atol=1e-12)


def test_proportions_put_the_wrist_in_its_place_and_repeat_themselves():
    hands = hands_of(ARRAYS, np.zeros((40, 10)))
    first, again = (with_human_proportions(hands, np.random.default_rng(0)) for _ in range(2))
    np.testing.assert_allclose(first.joints[:, 0], np.tile(WRIST_M, (40, 1)), atol=1e-12)
    np.testing.assert_array_equal(first.verts, again.verts)
    palm, was = (np.linalg.norm(h.joints[:, 4] - h.joints[:, 0], axis=1) for h in (first, hands))
    assert np.mean(palm / was) == pytest.approx(SCALE, abs=0.02)


def test_the_shape_space_finds_size_and_form_again():
    rng = np.random.default_rng(1)
    betas = rng.normal(size=(60, 10)) * [1.0, 1.0, 1.0, *[0.0] * 7]
    space = shape_space(hands_of(ARRAYS, betas))
    lengths = np.linalg.norm(space.hands.tips[:, 1] - space.hands.joints[:, 0], axis=1)
    np.testing.assert_allclose(lengths, LENGTH_M, rtol=1e-9)
    np.testing.assert_allclose(space.shapedirs[:, :, 0], SIZE_PER_BETA * (space.v_template - WRIST_M), atol=1e-12)
    sizes = np.sqrt((space.shapedirs[:, :, 1:] ** 2).sum((0, 1)))
    assert (np.diff(sizes) <= 1e-12).all() and sizes[2] < 0.15 * sizes[1]  # two directions went in
    centred = (space.hands.verts - space.v_template).reshape(60, -1)
    form = space.shapedirs[:, :, 1:].reshape(-1, 9)
    left = centred - centred @ np.linalg.pinv(form).T @ form.T
    assert np.sqrt((left**2).mean()) < 2e-5
    assert space.tip_vertex_ids.tolist() == ARRAYS.tip_vertex_ids.tolist()


def test_children_count_less():
    betas = np.zeros((20, 10))
    betas[:10, 1], betas[10:, 1] = 1.0, -1.0
    hands = hands_of(ARRAYS, betas)
    first, second = (
        shape_space(replace(hands, is_adult=flags)).v_template for flags in (betas[:, 1] > 0, betas[:, 1] < 0)
    )
    verts = shape_space(hands).hands.verts
    share = ((first - second) * (verts[0] - verts[-1])).sum() / ((verts[0] - verts[-1]) ** 2).sum()
    assert share == pytest.approx((1 - 0.35) / (1 + 0.35))


def test_regressed_joints_lie_where_they_were_and_few_vertices_make_them():
    rng = np.random.default_rng(2)
    space = shape_space(hands_of(ARRAYS, rng.normal(size=(30, 10)) * [0.5, *[1.0] * 9]))
    regressor = joint_regressor(space, rng)
    np.testing.assert_allclose(regressor.sum(1), 1, atol=1e-9)
    assert regressor.min() >= 0 and (regressor > 0).sum(1).max() <= 120
    unseen = hands_of(ARRAYS, rng.normal(size=(5, 10)) * [0, *[1.0] * 9])
    away_m = np.linalg.norm(np.einsum("jv,nvk->njk", regressor, unseen.verts) - unseen.joints, axis=2)
    assert away_m.max() < 1e-3


def test_the_fan_names_every_bone_and_rotations_are_rotations(bent):

    turns = straightening_turns(in_hand_frame(bent))
    np.testing.assert_allclose(turns @ turns.swapaxes(-1, -2), np.broadcast_to(np.eye(3), turns.shape), atol=1e-9)
    angles = Rotation.from_matrix(turns.reshape(-1, 3, 3)).magnitude()
    assert angles.max() < 1.2 and len(MANO_PARENTS) == turns.shape[1]
