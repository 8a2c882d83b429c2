import numpy as np
import pytest
import trimesh

from synth.hand import load_hand
from synth.render.renderer import MeshTopology
from synth.scene.arm.forearm_mesh import ArmMesh
from synth.scene.arm.subdivision import Subdivision


def topology_of(mesh: trimesh.Trimesh) -> MeshTopology:
    faces = np.asarray(mesh.faces)
    return MeshTopology(faces, np.zeros((1, 2)), np.zeros_like(faces), np.ones(len(faces), np.uint8))


@pytest.fixture(scope="module")
def arm():
    arrays = load_hand("open")
    return arrays, ArmMesh(arrays, arrays.uv, arrays.uv_faces).bare


def test_a_sphere_becomes_rounder_than_with_flat_midpoints():
    sphere = trimesh.creation.icosphere(subdivisions=2)
    curved = Subdivision(topology_of(sphere)).verts(sphere.vertices)
    flat = sphere.subdivide().vertices
    error, flat_error = (np.abs(np.linalg.norm(v, axis=1) - 1).max() for v in (curved, flat))
    assert flat_error > 0.005 and error < flat_error / 5


def test_a_flat_mesh_stays_flat_and_has_its_midpoints_in_the_middle():
    square = trimesh.Trimesh([[0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0]], [[0, 1, 2], [0, 2, 3]], process=False)
    fine = Subdivision(topology_of(square)).verts(square.vertices)
    assert sorted(map(tuple, fine[4:])) == sorted([(0.5, 0, 0), (1, 0.5, 0), (0.5, 1, 0), (0, 0.5, 0), (0.5, 0.5, 0)])


def test_the_edges_of_a_box_stay_straight():
    box = trimesh.creation.box()
    assert np.abs(Subdivision(topology_of(box)).verts(box.vertices)).max() == 0.5


def test_new_vertices_equal_a_slow_reference(arm):
    arrays, _ = arm
    verts = arrays.v_template + np.random.default_rng(0).normal(size=arrays.v_template.shape) * 2e-4
    hand = trimesh.Trimesh(verts, arrays.faces, process=False)
    closed = topology_of(hand)
    fine = Subdivision(closed).verts(verts)
    normals = np.zeros_like(verts)
    for face in arrays.faces:
        normals[face] += np.cross(verts[face[1]] - verts[face[0]], verts[face[2]] - verts[face[0]])
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    for number, (i, j) in enumerate(np.unique(np.sort(hand.edges, 1), axis=0)):
        near, far = verts[i], verts[j]
        first = near + (far - near) / 3 - ((far - near) / 3 @ normals[i]) * normals[i]
        second = far + (near - far) / 3 - ((near - far) / 3 @ normals[j]) * normals[j]
        middle = (near + 3 * first + 3 * second + far) / 8
        steepest = max(abs((far - near) @ normals[i]), abs((far - near) @ normals[j])) / np.linalg.norm(far - near)
        middle = middle if steepest < 0.5 else (near + far) / 2
        assert np.abs(fine[len(verts) + number] - middle).max() < 1e-12


def test_the_hand_keeps_its_vertices_its_edge_and_its_orientation(arm):
    arrays, _ = arm
    hand = trimesh.Trimesh(arrays.v_template, arrays.faces, process=False)
    subdivision = Subdivision(topology_of(hand))
    fine = subdivision.verts(arrays.v_template)
    assert (fine[: len(arrays.v_template)] == arrays.v_template).all()
    assert (fine[arrays.tip_vertex_ids] == arrays.rest_tips()).all()
    after = trimesh.Trimesh(fine, subdivision.topology.faces, process=False)
    assert hand.is_watertight and after.is_watertight and len(after.faces) == 4 * len(hand.faces)
    assert 1 < after.volume / hand.volume < 1.03


def test_parts_and_texture_lie_where_they_lay(arm):
    _, topology = arm
    fine = Subdivision(topology).topology
    for number in range(0, len(topology.faces), 7):
        rows = slice(4 * number, 4 * number + 4)
        assert (fine.face_parts[rows] == topology.face_parts[number]).all()
        coarse, quarters = (t.uv[t.uv_faces[r]] for t, r in ((topology, number), (fine, rows)))
        middles = {tuple(np.round((coarse[i] + coarse[i - 1]) / 2, 5)) for i in range(3)}
        assert {tuple(p) for p in np.round(quarters.reshape(-1, 2), 5)} == middles | {tuple(p) for p in coarse.round(5)}
        assert np.allclose(quarters[:3].mean((0, 1)), coarse.mean(0), atol=1e-5)


def test_a_seam_of_the_texture_stays_one(arm):
    _, topology = arm

    def extra_corners(mesh: MeshTopology) -> int:
        pairs = np.unique(np.stack([mesh.faces.ravel(), mesh.uv_faces.ravel()], 1), axis=0)
        return len(pairs) - len(np.unique(pairs[:, 0]))

    coarse, fine = extra_corners(topology), extra_corners(Subdivision(topology).topology)
    assert coarse < fine < 3 * coarse


def test_tints_blend_on_edges(arm):
    _, topology = arm
    subdivision = Subdivision(topology)
    tint = np.random.default_rng(1).random((int(topology.faces.max()) + 1, 3)).astype(np.float32)
    fine = subdivision.tint(tint)
    assert fine.dtype == np.float32 and (fine[: len(tint)] == tint).all()
    first = subdivision.topology.faces[0]
    assert np.allclose(fine[first[1]], tint[topology.faces[0][:2]].mean(0))
