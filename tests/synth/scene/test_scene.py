import dataclasses

import numpy as np
import pytest
import torch

from synth.common.conventions import PART_NAMES
from synth.hand import HandModel, load_hand
from synth.render import get_renderer
from synth.scene.arm.sampling import ArmOptions
from synth.scene.arm.skin import load_skins
from synth.scene.objects.interactions import OccluderOptions
from synth.scene.scene import SHARES, SceneOptions, SceneSampler
from synth.scene.view import ViewOptions

SIZE = 64


@pytest.fixture(scope="module")
def hand():
    return load_hand("open")


@pytest.fixture(scope="module")
def skins():
    return load_skins()[:3]


def drawn(sampler, model, seed):
    rng = np.random.default_rng(seed)
    draft = sampler.draft(rng)
    pose_aa, betas = (torch.tensor(x, dtype=torch.float32)[None] for x in (draft.pose_aa, draft.betas))
    mesh = model.pose_blocks(pose_aa, betas, torch.zeros(1, 3))
    return sampler.sample(rng, draft, mesh.verts[0].numpy(), mesh.joints[0].numpy().astype(float))


def test_the_same_seed_draws_the_same_scene(hand, skins):
    model = HandModel(hand)
    one, other = (
        drawn(SceneSampler(hand, skins, None, size_px=SIZE, options=SceneOptions()), model, 4) for _ in range(2)
    )
    assert one.description == other.description
    assert (one.render.verts_cam == other.render.verts_cam).all()
    assert (one.render.background == other.render.background).all()


def test_the_arms_end_is_never_in_the_image_of_a_frontal_view(hand, skins):
    sampler = SceneSampler(
        hand, skins, None, size_px=SIZE, options=SceneOptions(
            view=ViewOptions(side=0, uniform=0, egocentric=0), occluder=OccluderOptions(held_share=0)
        ),
    )  # fmt: skip
    model = HandModel(hand)
    for seed in range(30):
        scene = drawn(sampler, model, seed)
        end = scene.render.camera.project(scene.render.verts_cam[-1].astype(float))
        assert not ((end >= 0) & (end < SIZE)).all()
        assert scene.render.verts_cam[:, 2].min() > 0.01


def test_shares_of_one_and_zero_are_kept(hand, skins):
    model = HandModel(hand)
    for share in (0.0, 1.0):
        options = SceneOptions(
            sleeve_share=share, occluder_share=share, photo_edge_share=share, occluder=OccluderOptions(held_share=0)
        )
        sampler = SceneSampler(hand, skins, None, size_px=SIZE, options=options)
        for seed in range(5):
            scene = drawn(sampler, model, seed)
            assert scene.description["sleeve"] == scene.description["occluder"] == bool(share)
            assert (scene.occluder is not None) == bool(share)
            assert scene.render.topology is sampler.topologies[int(share)]


def test_without_an_arm_there_is_a_hand_alone(hand, skins):
    options = SceneOptions(arm=ArmOptions(on=False), sleeve_share=1.0, occluder=OccluderOptions(held_share=0))
    sampler = SceneSampler(hand, skins, None, size_px=SIZE, options=options)
    scene = drawn(sampler, HandModel(hand), 2)
    assert (scene.render.topology,) == sampler.topologies
    assert not scene.description["arm"] and not scene.description["sleeve"]
    parts = np.unique(get_renderer("raster")().render(scene.render).segmentation)
    assert 0 < parts.max() < PART_NAMES.index("forearm")


def test_a_hand_without_texture_coordinates_gets_one_skin_colour(hand, skins):
    plain = dataclasses.replace(hand, uv=None, uv_faces=None)
    options = SceneOptions(occluder=OccluderOptions(held_share=0))
    sampler = SceneSampler(plain, skins, None, size_px=SIZE, options=options)
    scene = drawn(sampler, HandModel(plain), 1)
    assert (scene.render.texture == scene.render.texture[0, 0]).all()
    assert scene.render.topology.uv_faces.max() == 0
    assert len(scene.render.topology.uv_faces) == len(scene.render.topology.faces)


@pytest.mark.parametrize("key", SHARES)
def test_shares_out_of_range_name_their_key(key):
    with pytest.raises(ValueError, match=rf"scene\.{key}=1.5"):
        SceneOptions(**{key: 1.5})


@pytest.mark.parametrize("has_arm", [True, False])
def test_a_subdivided_scene_is_the_same_scene_with_more_triangles(hand, skins, has_arm):
    def scene(subdivide_from_px):
        options = SceneOptions(arm=ArmOptions(on=has_arm), sleeve_share=1.0, subdivide_from_px=subdivide_from_px)
        sampler = SceneSampler(hand, skins, None, size_px=SIZE, options=options)
        drawn_scene = drawn(sampler, HandModel(hand), 3)
        assert any(drawn_scene.render.topology is topology for topology in sampler.topologies)
        return drawn_scene

    coarse, fine = scene(SIZE + 1), scene(SIZE)
    assert (coarse.joints_cam == fine.joints_cam).all() and coarse.description == fine.description
    assert (coarse.render.background == fine.render.background).all()
    assert len(fine.render.topology.faces) == 4 * len(coarse.render.topology.faces)
    old = len(coarse.render.verts_cam)
    assert (fine.render.verts_cam[:old] == coarse.render.verts_cam).all()
    renderer = get_renderer("raster")()
    depths = [renderer.render(s.render).depth_m for s in (coarse, fine)]
    both = (depths[0] > 0) & (depths[1] > 0)
    assert both.sum() > 0.97 * (depths[0] > 0).sum()
    assert 0 < np.median(np.abs(depths[0] - depths[1])[both]) < 1e-3
