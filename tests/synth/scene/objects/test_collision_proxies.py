import numpy as np
import pytest
import trimesh
from scipy.spatial.transform import Rotation

from synth.scene.objects.collision_proxies import CREEP_M, MAX_PLANES, Hull, Spheres, arm_spheres
from tests.synth.scene.hands import gesture, open_hand

CUBE = np.array(np.meshgrid([-1, 1], [-1, 1], [-1, 1])).reshape(3, -1).T * 0.05


def points(*rows):
    return Spheres(np.array(rows, float), np.zeros(len(rows)))


def test_the_gap_to_a_cube_is_the_distance_from_its_nearest_side():
    hull = Hull.of(CUBE)
    assert len(hull.offsets) == 6
    assert hull.gap_m(points([0.08, 0, 0], [0, 0.2, 0])) == pytest.approx(0.03)
    assert hull.gap_m(points([0.04, 0.01, 0], [1, 1, 1])) == pytest.approx(-0.01)
    assert hull.gap_m(Spheres(np.array([[0.0, 0.0, 0.07]]), np.array([0.03]))) == pytest.approx(-0.01)


def test_the_kernel_equals_the_plain_formula_for_every_sphere():
    rng = np.random.default_rng(0)
    hull = Hull.of(rng.normal(size=(60, 3)))
    body = Spheres(rng.normal(size=(200, 3)) * 2, rng.uniform(0, 0.3, 200))
    planes = list(zip(hull.normals, hull.offsets, strict=True))
    slow = [max(n @ c - o for n, o in planes) - r for c, r in zip(body.centres, body.radii, strict=True)]
    np.testing.assert_allclose(hull.gaps_m(body), slow, atol=1e-12)
    assert hull.gap_m(body) == pytest.approx(min(slow))


def test_a_moved_and_stretched_hull_is_the_hull_of_moved_and_stretched_points():
    rng = np.random.default_rng(1)
    cloud, factors = rng.normal(size=(40, 3)), np.array([2.0, 0.5, 1.3])
    R, t = Rotation.from_rotvec(rng.normal(size=3)).as_matrix(), rng.normal(size=3)
    body = Spheres(rng.normal(size=(50, 3)) * 3, np.zeros(50))
    moved = Hull.of(cloud).scaled(factors).moved(R, t)
    np.testing.assert_allclose(moved.gaps_m(body), Hull.of((cloud * factors) @ R.T + t).gaps_m(body), atol=1e-4)


def test_a_round_hull_keeps_few_planes_and_its_points():
    verts = np.asarray(trimesh.creation.icosphere(4, 0.05).vertices)
    hull = Hull.of(verts)
    assert len(hull.offsets) == MAX_PLANES
    assert hull.gaps_m(Spheres(verts, np.zeros(len(verts)))).max() <= 1e-9
    assert hull.gap_m(points([0.0, 0.0, 0.056])) > 0  # no larger than a little


def test_a_flat_sheet_and_a_line_have_thin_hulls():
    for cloud in (CUBE * [1, 1, 0], CUBE * [1, 0, 0]):
        hull = Hull.of(cloud)
        assert hull.gap_m(points([0.0, 0.0, 0.0])) == pytest.approx(-0.0005, abs=1e-5)
        assert hull.gap_m(points([0.0, 0.0, 0.01])) > 0.009


def test_the_way_out_ends_where_the_body_is_free_and_not_before():
    hull, body = Hull.of(CUBE), points([0.0, 0.0, -0.02])
    way_m = hull.way_out_m(body, np.array([0.0, 0.0, 1.0]), depth_m=0.002, last_m=0.1)
    assert way_m is not None and 0.028 - 1e-6 <= way_m <= 0.028 + CREEP_M + 1e-6
    assert hull.way_out_m(body, np.array([0.0, 0.0, 1.0]), depth_m=0.002, last_m=0.02) is None
    assert hull.way_out_m(points([0.0, 0.0, -0.2]), np.array([0.0, 0.0, 1.0]), depth_m=0.0, last_m=0.02) == 0.0


def test_spheres_of_a_hand_lie_in_its_flesh():
    hand = gesture("palm")
    surface = trimesh.Trimesh(hand.verts, open_hand()[0].faces, process=False)
    near = np.linalg.norm(hand.bones.centres[:, None] - np.asarray(surface.vertices), axis=-1).min(1)
    beyond_m = hand.bones.radii - near
    assert (hand.bones.radii > 0.003).all() and beyond_m.max() < 0.007 and np.median(beyond_m) < 0.002


def test_spheres_of_an_arm_leave_no_gap_and_none_is_made_without_one():
    angles = np.linspace(0, 2 * np.pi, 12, endpoint=False)
    ring = np.stack([np.zeros(12), np.cos(angles), np.sin(angles)], 1) * 0.03
    body = arm_spheres(np.stack([ring, ring * 1.5 + [0.2, 0, 0]]))
    assert np.diff(body.centres[:, 0]).max() <= 0.015 + 1e-9
    assert body.radii[0] == pytest.approx(0.03) and body.radii[-1] == pytest.approx(0.045)
    assert len(arm_spheres(np.zeros((0, 1, 3))).radii) == 0


def test_the_gap_of_two_bodies_is_that_of_their_nearest_spheres():
    one = Spheres(np.array([[0.0, 0, 0], [0, 0, 1.0]]), np.array([0.1, 0.2]))
    assert one.gap_m(one.moved(np.eye(3), np.array([1.0, 0, 0]))) == pytest.approx(0.6)
