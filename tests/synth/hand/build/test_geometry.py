"""Meshes, skinning and Delta Mush against slow references and invariances."""

from dataclasses import replace

import numpy as np
import pytest
import torch
import trimesh
from scipy.spatial.transform import Rotation

from synth.hand import HandModel
from synth.hand.build.delta_mush import DeltaMush
from synth.hand.build.meshes import adjacency, face_normals, open_edge, vertex_normals
from synth.hand.build.skinning import global_turns, skin
from tests.synth.hand.build.made_up import open_hand

ARRAYS = open_hand()
VERTS, FACES = ARRAYS.v_template.astype(np.float64), ARRAYS.faces
NOTHING_PINNED = np.zeros(len(VERTS), bool)


def test_neighbours_and_normals_are_trimeshs():
    mesh = trimesh.Trimesh(VERTS, FACES, process=False)
    neighbours = adjacency(FACES, len(VERTS))
    for vertex in range(0, len(VERTS), 50):
        assert set(neighbours.indices[slice(*neighbours.indptr[vertex : vertex + 2])]) == set(
            mesh.vertex_neighbors[vertex]
        )
    assert set(neighbours.data) == {1.0}
    np.testing.assert_allclose(np.linalg.norm(face_normals(VERTS, FACES), axis=1) / 2, mesh.area_faces, rtol=1e-6)
    around = [face_normals(VERTS, FACES)[(vertex == FACES).any(1)].sum(0) for vertex in (0, 700, 1500)]
    expected = [total / np.linalg.norm(total) for total in around]
    np.testing.assert_allclose(vertex_normals(VERTS, FACES)[[0, 700, 1500]], expected, atol=1e-9)
    batch = np.stack([VERTS, 2 * VERTS[:, [1, 2, 0]]])
    np.testing.assert_allclose(vertex_normals(batch, FACES)[1], vertex_normals(batch[1], FACES), atol=1e-12)


def test_the_open_edge_is_walked_so_that_a_cap_closes_the_mesh():
    box = np.array([(0, 1, 2), (0, 2, 3), (0, 4, 1), (1, 4, 5), (1, 5, 2), (2, 5, 6), (2, 6, 3), (3, 6, 7), (3, 7, 0),
                    (0, 7, 4)])  # fmt: skip
    ring = open_edge(box)
    cap = np.array([(ring[0], ring[i], ring[i + 1]) for i in range(1, 3)])
    closed = trimesh.Trimesh(np.random.default_rng(0).normal(size=(8, 3)), np.concatenate([box, cap]), process=False)
    assert closed.is_watertight and closed.is_winding_consistent
    with pytest.raises(ValueError, match="no open edge"):
        open_edge(FACES)
    with pytest.raises(ValueError, match="more than one open edge"):
        open_edge(box[2:])


def test_skinning_is_that_of_the_model_without_correctives():
    rng = np.random.default_rng(0)
    pose = rng.normal(0, 0.4, (16, 3))
    model = HandModel(replace(ARRAYS, posedirs=np.zeros_like(ARRAYS.posedirs)))
    row = [torch.tensor(x, dtype=torch.float32)[None] for x in (pose, np.zeros(10), np.zeros(3))]
    expected = model(*row).verts[0].detach().numpy()
    turns = global_turns(Rotation.from_rotvec(pose).as_matrix())
    posed = skin(VERTS, ARRAYS.rest_joints(), ARRAYS.weights.astype(np.float64), turns)
    np.testing.assert_allclose(posed.verts, expected, atol=2e-6)
    moved_back = np.linalg.solve(posed.turns, (posed.verts - posed.shifts)[..., None])[..., 0]
    np.testing.assert_allclose(moved_back, VERTS, atol=1e-9)


def test_smoothing_is_the_mean_of_neighbours_and_spares_pinned_vertices():
    pinned = NOTHING_PINNED.copy()
    pinned[5] = True
    mush = DeltaMush(FACES, len(VERTS), iterations=1, pinned=pinned)
    neighbours = adjacency(FACES, len(VERTS))
    for vertex in (0, 5, 900):
        around = VERTS[neighbours.indices[slice(*neighbours.indptr[vertex : vertex + 2])]].mean(0)
        expected = VERTS[vertex] if pinned[vertex] else (VERTS[vertex] + around) / 2
        np.testing.assert_allclose((mush.smoothing @ VERTS)[vertex], expected, atol=1e-12)


def test_delta_mush_leaves_rest_as_it_is_and_turns_with_the_hand():
    mush = DeltaMush(FACES, len(VERTS), iterations=6, pinned=NOTHING_PINNED)
    details = mush.details(VERTS)
    np.testing.assert_allclose(mush.restored(details, VERTS), VERTS, atol=1e-9)
    R = Rotation.from_rotvec([0.3, -1.0, 0.5]).as_matrix()
    np.testing.assert_allclose(mush.restored(details, VERTS @ R.T + 0.1), VERTS @ R.T + 0.1, atol=1e-9)
    batch = mush.details(np.stack([VERTS, VERTS @ R.T]))
    np.testing.assert_allclose(batch[1], details, atol=1e-9)


def test_delta_mush_fills_the_crease_that_skinning_leaves():
    pose = np.zeros((16, 3))
    pose[2, 2] = 1.5
    mush = DeltaMush(FACES, len(VERTS), iterations=12, pinned=NOTHING_PINNED)
    turns = global_turns(Rotation.from_rotvec(pose).as_matrix())
    posed = skin(VERTS, ARRAYS.rest_joints(), ARRAYS.weights.astype(np.float64), turns).verts
    moved = np.linalg.norm(mush.restored(mush.details(VERTS), posed) - posed, axis=1)
    near = np.linalg.norm(VERTS - ARRAYS.rest_joints()[2], axis=1) < 0.012
    assert moved[near].max() > 1e-3 and moved[ARRAYS.weights[:, 13:].sum(1) > 0.99].max() < 1e-6
