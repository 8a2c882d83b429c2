"""Small scenes with known answers, and posed hands, for the renderer's tests."""

import dataclasses
from functools import cache

import numpy as np
import torch
from scipy.spatial.transform import Rotation

from synth.geometry.camera import Camera
from synth.hand import HandModel, PoseSampler, load_hand, sample_shape
from synth.render import Lights, Material, MeshTopology, RenderScene
from synth.scene.arm.skin import load_skins
from synth.scene.objects.interactions import OccluderOptions
from synth.scene.scene import Scene, SceneOptions, SceneSampler

ALONE = SceneOptions(occluder=OccluderOptions(held_share=0))
"""Scenes of one batch share their mesh."""
DARK = Lights(np.zeros((9, 3)), np.tile([0.0, 0.0, -1.0], (3, 1)), np.zeros((3, 3)))
MATT = Material(bump=0.0, roughness=1.0, specular=0.0)


def flat_light(level: float) -> Lights:
    """White ambient light that is the same from everywhere."""
    sh = np.zeros((9, 3))
    sh[0] = level
    return dataclasses.replace(DARK, ambient_sh=sh)


def camera(size: int, focal_px: float | None = None, width: int | None = None) -> Camera:
    width = width or size
    focal = focal_px or 2.0 * size
    return Camera(np.array([[focal, 0, (width - 1) / 2], [0, focal, (size - 1) / 2], [0, 0, 1.0]]), width, size)


def mesh_scene(verts: np.ndarray, faces: np.ndarray, cam: Camera, *, part: int = 1, lights: Lights | None = None):
    """A grey mesh over a black background."""
    faces = np.asarray(faces)
    uv = np.full((len(verts), 2), 0.5)
    topology = MeshTopology(faces, uv, faces, np.full(len(faces), part, np.uint8))
    return RenderScene(
        verts_cam=np.asarray(verts, float),
        topology=topology,
        texture=np.full((4, 4, 3), 188, np.uint8),
        vertex_tint=np.ones((len(verts), 3)),
        camera=cam,
        lights=lights or flat_light(0.8),
        material=MATT,
        background=np.zeros((cam.height, cam.width, 3), np.uint8),
    )


def quad(z: float, half: float, cx: float = 0.0, cy: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    """A square at depth ``z`` that faces the camera: vertices and faces."""
    corners = np.array([[-half, -half, z], [half, -half, z], [half, half, z], [-half, half, z]])
    return corners + np.array([cx, cy, 0.0]), np.array([[0, 3, 2], [0, 2, 1]])


def sphere(radius: float, centre: np.ndarray, rings: int = 24) -> tuple[np.ndarray, np.ndarray]:
    """A closed sphere, faces counter-clockwise seen from outside."""
    import trimesh

    mesh = trimesh.creation.uv_sphere(radius=radius, count=[rings, 2 * rings])
    return np.asarray(mesh.vertices) + centre, np.asarray(mesh.faces)


@cache
def _hand():
    arrays = load_hand("open")
    topology = MeshTopology(
        arrays.faces, arrays.uv, arrays.uv_faces, (arrays.weights.argmax(1)[arrays.faces[:, 0]] + 1).astype(np.uint8)
    )
    return arrays, HandModel(arrays), PoseSampler(arrays), topology


def posed_hand(pose_aa: np.ndarray, betas: np.ndarray) -> np.ndarray:
    """Vertices of the open hand about its centre, metres, hand frame."""
    _, model, _, _ = _hand()
    with torch.no_grad():
        as_batch = (torch.tensor(a, dtype=torch.float32)[None] for a in (pose_aa, betas, np.zeros(3)))
        verts = model(*as_batch).verts[0].double().numpy()
    return verts - 0.5 * (verts.max(0) + verts.min(0))


def gesture(name: str) -> np.ndarray:
    return _hand()[2].gesture(name)


def hand_scene(seed: int, size: int, pose_aa: np.ndarray | None = None) -> RenderScene:
    """A random hand in a random view that fills most of the image, a noisy texture, three coloured lights."""
    rng = np.random.default_rng(seed)
    drawn, _ = _hand()[2].sample(rng)
    verts = posed_hand(drawn if pose_aa is None else pose_aa, sample_shape(rng))
    verts = verts @ Rotation.random(random_state=rng.integers(1 << 31)).as_matrix().T
    distance = rng.uniform(0.35, 0.8)
    focal = 0.42 * size * distance / np.abs(verts[:, :2]).max()
    directions = rng.normal(size=(3, 3)) - [0, 0.3, 0.8]
    lights = Lights(
        np.vstack([rng.uniform(0.2, 0.5, (1, 3)), rng.normal(0, 0.05, (8, 3))]),
        directions / np.linalg.norm(directions, axis=1, keepdims=True),
        rng.uniform(0.1, 0.5, (3, 3)),
    )
    return RenderScene(
        verts_cam=verts + np.array([*rng.uniform(-0.01, 0.01, 2), distance]),
        topology=_hand()[3],
        texture=rng.integers(90, 230, (64, 64, 3)).astype(np.uint8),
        vertex_tint=rng.uniform(0.8, 1.1, verts.shape),
        camera=Camera(np.array([[focal, 0, size / 2], [0, 1.02 * focal, size / 2 - 1], [0, 0, 1.0]]), size, size),
        lights=lights,
        material=Material(bump=0.1, roughness=0.45, specular=0.5),
        background=rng.integers(0, 256, (size, size, 3)).astype(np.uint8),
    )


@cache
def _sampler(size: int) -> SceneSampler:
    return SceneSampler(_hand()[0], load_skins(""), None, size_px=size, options=ALONE)


def sampled_scene(seed: int, size: int) -> Scene:
    """A scene as ``generate`` draws it: a hand with its forearm, skin, light and background."""
    rng = np.random.default_rng(seed)
    sampler = _sampler(size)
    draft = sampler.draft(rng)
    with torch.no_grad():
        mesh = _hand()[1](
            *(torch.tensor(a, dtype=torch.float32)[None] for a in (draft.pose_aa, draft.betas, np.zeros(3)))
        )
    return sampler.sample(rng, draft, mesh.verts[0].numpy(), mesh.joints[0].double().numpy())
