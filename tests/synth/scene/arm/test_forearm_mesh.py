import dataclasses
from collections import Counter

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from synth.common.conventions import HAND_PARTS
from synth.hand import load_hand
from synth.scene.arm.forearm_mesh import FOREARM, SLEEVE, Arm, ArmMesh, turns_about
from synth.scene.arm.sampling import sample_arm
from synth.scene.arm.wrist_boundary import boundary_loop, find_wrist_ring
from synth.scene.arm.wrist_cap import CutWrist

STRAIGHT = Arm(np.zeros(3), np.zeros(3), 1.0, np.ones((1, 1)), np.ones((1, 1, 3)), None)


@pytest.fixture(scope="module")
def hand():
    return load_hand("open")


@pytest.fixture(scope="module")
def mesh(hand):
    return ArmMesh(hand, hand.uv, hand.uv_faces)


def test_an_open_square_is_its_own_loop():
    faces = np.array([[0, 1, 2], [0, 2, 3]])
    assert set(map(tuple, boundary_loop(faces))) == {(0, 1), (1, 2), (2, 3), (3, 0)}


def test_a_tetrahedron_has_no_loop():
    assert len(boundary_loop(np.array([[0, 2, 1], [0, 1, 3], [1, 2, 3], [2, 0, 3]]))) == 0


def test_the_open_hands_cap_is_cut_off_where_the_arm_is_thickest(hand):
    keep, edges = find_wrist_ring(hand.faces, hand.v_template)
    ring = hand.v_template[edges[:, 0]]
    assert (edges[:, 1] == np.roll(edges[:, 0], -1)).all()
    assert 0.045 < np.ptp(ring[:, 2]) < 0.07
    removed = hand.v_template[np.unique(hand.faces[~keep])]
    assert removed[:, 0].min() > 0.12


def test_an_open_mesh_keeps_all_its_faces(hand):
    keep, edges = find_wrist_ring(hand.faces, hand.v_template)
    again, same_edges = find_wrist_ring(hand.faces[keep], hand.v_template)
    assert again.all() and set(map(tuple, same_edges)) == set(map(tuple, edges))


def test_a_mesh_without_cap_and_end_is_refused():
    spike = np.array([[-1.0, 0, 0], [0, 0.1, 0], [0, -0.1, 0.1], [0, -0.1, -0.1]])
    faces = np.array([[0, 2, 1], [0, 1, 3], [0, 3, 2], [1, 2, 3]])
    keep, edges = find_wrist_ring(faces, spike)
    assert keep.tolist() == [True, True, True, False] and len(edges) == 3
    with pytest.raises(ValueError, match="no flat cap"):
        find_wrist_ring(faces[:, ::-1], spike * [-1, 1, 1])


def both_ways(faces):
    """Whether every edge belongs to two faces, which use it in opposite directions: a closed surface."""
    directed = np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]])
    count = Counter(map(tuple, directed.tolist()))
    return max(count.values()) == 1 and all((b, a) in count for a, b in count)


def test_hand_and_arm_are_one_closed_surface(mesh):
    assert both_ways(mesh.bare.faces)


@pytest.mark.parametrize("is_open", [False, True])
def test_a_hand_without_an_arm_is_closed_at_the_wrist(hand, is_open):
    """Also one that comes without a cap, as MANO does."""
    keep = find_wrist_ring(hand.faces, hand.v_template)[0] if is_open else slice(None)
    cut = CutWrist(dataclasses.replace(hand, faces=hand.faces[keep]), hand.uv, hand.uv_faces[keep])
    assert both_ways(cut.topology.faces) and set(np.unique(cut.topology.face_parts)) == set(HAND_PARTS)
    verts = cut.close(hand.v_template.astype(float))
    a, b, c = (verts[cut.topology.faces[:, i]] for i in range(3))
    assert 1e-4 < (a * np.cross(b, c)).sum() / 6 < 1e-3
    assert cut.tint(np.ones(3)).shape == verts.shape and verts[:, 0].max() < 0.2


def test_the_surface_looks_outwards(mesh, hand):
    verts = mesh.extend(hand.v_template.astype(float), STRAIGHT)
    a, b, c = (verts[mesh.bare.faces[:, i]] for i in range(3))
    volume = (a * np.cross(b, c)).sum() / 6
    assert 5e-4 < volume < 8e-3


def test_a_straight_arm_goes_along_x_for_more_than_half_a_metre(mesh, hand):
    line = mesh.centre_line(hand.v_template.astype(float), STRAIGHT)
    assert np.ptp(line[:, 0]) > 0.55 and np.ptp(line[:, 1:], axis=0).max() < 1e-9
    assert (np.diff(line[:, 0]) >= 0).all()


def test_texture_corners_lie_in_the_layout_and_the_wrists_do_not_jump(mesh):
    assert mesh.bare.uv_faces.max() < len(mesh.bare.uv)
    arm = mesh.bare.uv[mesh.bare.uv_faces[mesh.bare.face_parts == FOREARM]]
    assert np.quantile(np.ptp(arm, axis=1).max(1), 0.99) < 0.1


def test_parts_of_bare_and_sleeved_arms(mesh):
    assert SLEEVE not in mesh.bare.face_parts and SLEEVE in mesh.sleeved.face_parts
    assert set(range(1, 17)) <= set(mesh.bare.face_parts.tolist())
    differ = mesh.bare.face_parts != mesh.sleeved.face_parts
    assert (mesh.bare.face_parts[differ] == FOREARM).all()


def test_cloth_has_its_own_colour_whatever_the_skin(mesh):
    rng = np.random.default_rng(1)
    arm = sample_arm(rng, len(mesh.ring), sleeve_share=1.0)
    assert arm.sleeve is not None
    albedo = np.array([0.3, 0.1, 0.05])
    tint = mesh.tint(np.ones(3), albedo, arm)
    assert np.allclose(tint[-1] * albedo, arm.sleeve.colours[-1], atol=1e-6)
    bare = mesh.tint(np.ones(3), albedo, dataclasses.replace(arm, sleeve=None))
    assert (bare[: -len(arm.mottle) * len(mesh.ring) - 1] == 1).all()


def test_skin_of_the_arm_varies_from_behind_the_wrist_on(mesh):
    rng = np.random.default_rng(5)
    for _ in range(50):
        arm = sample_arm(rng, len(mesh.ring), sleeve_share=0.0)
        assert (arm.muscles[0] == 1).all() and (arm.mottle[0] == 1).all()
        assert arm.muscles.min() > 0.75 and arm.muscles.max() < 1.25
        assert arm.mottle.min() > 0.4 and arm.mottle.max() < 1.6 and np.ptp(arm.mottle[-1]) > 0


def test_sleeve_share_is_kept():
    rng = np.random.default_rng(2)
    sleeved = sum(sample_arm(rng, 20, sleeve_share=0.3).sleeve is not None for _ in range(400))
    assert 80 < sleeved < 160


def test_turns_agree_with_scipy():
    axis = np.array([0.3, -0.4, 0.8])
    shares = np.array([0.0, 0.5, 1.0])
    assert np.allclose(turns_about(axis, shares), Rotation.from_rotvec(shares[:, None] * axis).as_matrix())
