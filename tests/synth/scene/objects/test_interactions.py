import numpy as np
import pytest
import torch
import trimesh

from synth.common.conventions import PART_NAMES
from synth.render import get_renderer
from synth.render.renderer import RenderOutput
from synth.scene.arm.skin import load_skins
from synth.scene.objects.collision_proxies import Spheres
from synth.scene.objects.flat_occluder import Occluder, put_in_front
from synth.scene.objects.interactions import OccluderOptions
from synth.scene.objects.mesh_library import Meshes
from synth.scene.objects.mesh_merge import Joiner
from synth.scene.scene import SceneOptions, SceneSampler
from synth.scene.visibility import visible_joints
from tests.synth.scene.hands import open_hand

SIZE = 96
OCCLUDER, OTHER = PART_NAMES.index("occluder"), PART_NAMES.index("other_hand")


@pytest.fixture(scope="module")
def meshes(tmp_path_factory):
    file = tmp_path_factory.mktemp("mesh") / "brick.ply"
    trimesh.creation.box(extents=(0.12, 0.06, 0.04)).export(file)
    return Meshes([file])


def scenes(count, meshes=None, **options):
    """Scenes of seeds 0, 1, ...: each with what its options draw."""
    arrays, model, _, _ = open_hand()
    wanted = SceneOptions(**{"occluder_share": 0.0, "photo_edge_share": 0.0, "second_hand_share": 0.0} | options)
    sampler = SceneSampler(arrays, load_skins()[:3], None, size_px=SIZE, options=wanted, meshes=meshes)
    for seed in range(count):
        rng = np.random.default_rng(seed)
        draft = sampler.draft(rng)
        hands = [(p, draft.betas) for p in (draft.pose_aa, draft.other_pose_aa) if p is not None]
        pose_aa, betas = (torch.tensor(np.stack(rows), dtype=torch.float32) for rows in zip(*hands, strict=True))
        mesh = model.pose_blocks(pose_aa, betas, torch.zeros(len(hands), 3))
        posed = [(v, j.astype(float)) for v, j in zip(mesh.verts.numpy(), mesh.joints.numpy(), strict=True)]
        yield sampler, sampler.sample(rng, draft, *posed[0], *posed[1:])


def test_nothing_around_the_hand_leaves_mesh_and_picture_as_they_are():
    for sampler, scene in scenes(3, occluder=OccluderOptions(held_share=0)):
        assert scene.render.topology in sampler.topologies and scene.description["things"] == "none"
        assert any(scene.render.texture is skin.texture for skin in sampler._skins)


def test_held_things_are_rendered_as_occluders_and_hide_joints():
    raster, seen, hidden = get_renderer("raster")(), 0, 0
    for _, scene in scenes(40, occluder=OccluderOptions(held_share=1.0)):
        if not scene.description["held"]:
            continue
        out = raster.render(scene.render)
        seen += (out.segmentation == OCCLUDER).any()
        joints_px = scene.render.camera.project(scene.joints_cam)
        visible = visible_joints(joints_px, scene.joints_cam[:, 2], out.depth_m)
        at = np.rint(joints_px).astype(int)
        inside = ((at >= 0) & (at < SIZE)).all(1)
        on_thing = inside & (out.segmentation[at[:, 1].clip(0, SIZE - 1), at[:, 0].clip(0, SIZE - 1)] == OCCLUDER)
        hidden += (on_thing & ~visible).sum()
    assert seen >= 5 and hidden >= 3


def test_meshes_stand_before_the_hand_and_its_depth(meshes):
    raster, found = get_renderer("raster")(), 0
    options = OccluderOptions(held_share=0, mesh_share=1.0)
    for _, scene in scenes(12, meshes, occluder=options, occluder_share=1.0):
        assert scene.description["occluder"]
        if scene.description["things"] != "mesh:brick":
            continue
        assert scene.occluder is None
        out = raster.render(scene.render)
        mask = out.segmentation == OCCLUDER
        found += mask.any()
        assert out.depth_m[mask].max(initial=0) < scene.joints_cam[:, 2].min()
    assert found >= 6


def test_the_other_hand_is_a_left_one_that_crosses_nothing():
    raster, seen = get_renderer("raster")(), 0
    for sampler, scene in scenes(10, second_hand_share=1.0, occluder=OccluderOptions(held_share=0)):
        if not scene.description["second_hand"]:
            continue
        own = sampler.topologies[int(scene.description["sleeve"])]
        first = len(scene.render.verts_cam) // 2
        one, other = scene.render.verts_cam[:first], scene.render.verts_cam[first:]
        assert len(one) == len(other)
        assert signed_volume(one, own.faces) > 0
        assert signed_volume(other, own.faces) < 0  # mirrored; its own faces are turned around
        assert signed_volume(other, scene.render.topology.faces[len(own.faces) :] - first) > 0
        hand = open_hand()[0].v_template.shape[0]
        assert Spheres(one[:hand], np.zeros(hand)).gap_m(Spheres(other[:hand], np.zeros(hand))) > 0.001
        seen += (raster.render(scene.render).segmentation == OTHER).any()
    assert seen >= 5


def signed_volume(verts, faces):
    a, b, c = (verts[faces[:, k]].astype(float) for k in range(3))
    return (np.cross(a, b) * c).sum() / 6


def test_a_sheet_leaves_what_is_nearer():
    depth_m = np.full((8, 8), 0.5, np.float32)
    depth_m[:, :4] = 0.2
    out = RenderOutput(np.zeros((8, 8, 3), np.uint8), depth_m, np.ones((8, 8), np.uint8))
    corners = np.array([[-9.0, -9], [20, -9], [20, 20], [-9, 20]])
    covered = put_in_front(out, Occluder(corners, 0.3, np.full((8, 8, 3), 200, np.uint8)))
    assert (covered.segmentation[:, :4] == 1).all() and (covered.segmentation[:, 4:] == OCCLUDER).all()
    assert (covered.rgb[:, :4] == 0).all() and (covered.rgb[:, 4:] == 200).all()


def test_a_picture_goes_where_no_face_of_the_hand_looks():
    arrays, *_ = open_hand()
    assert arrays.uv is not None and arrays.uv_faces is not None
    joiner = Joiner(arrays.uv, arrays.uv_faces, arrays.uv[0])
    top, left, side = joiner.free_px
    assert side > 64
    skin = load_skins()[0].texture
    changed = (joiner._with_picture(skin, np.zeros((8, 8, 3), np.uint8)) != skin).any(-1)
    rows, columns = np.nonzero(changed)
    assert rows.min() >= top and rows.max() < top + side and columns.min() >= left and columns.max() < left + side
    corners = arrays.uv[arrays.uv_faces]
    weights = np.random.default_rng(0).dirichlet(np.ones(3), 40)
    points = np.einsum("pc,fck->fpk", weights, corners).reshape(-1, 2) * 512
    in_square = (points[:, 0] > left) & (points[:, 0] < left + side)
    in_square &= (512 - points[:, 1] > top) & (512 - points[:, 1] < top + side)
    assert not in_square.any()


def test_a_hand_whose_faces_fill_its_picture_has_no_free_square():
    corners = np.array([[0, 0], [1, 0], [1, 1], [0, 1.0]])
    assert Joiner(corners, np.array([[0, 1, 2], [0, 2, 3]]), corners[0]).free_px == (0, 0, 0)


def test_renderers_agree_on_scenes_with_things(meshes):
    raster, other = get_renderer("raster")(), get_renderer("torch")()
    options = OccluderOptions(held_share=1.0)
    found = [s for _, s in scenes(25, meshes, occluder=options, second_hand_share=1.0) if s.description["held"]]
    assert found
    for scene in found[:3]:
        one, two = raster.render(scene.render), other.render(scene.render)
        assert (one.segmentation == two.segmentation).mean() > 0.999
        both = (one.depth_m > 0) & (two.depth_m > 0)
        assert np.median(np.abs(one.depth_m - two.depth_m)[both]) < 1e-5
        thing = (one.segmentation == OCCLUDER) & (two.segmentation == OCCLUDER)
        if thing.any():  # the same colour, but for shadow and occlusion, which this renderer leaves out
            apart = np.abs(one.rgb[thing].mean(0) - two.rgb[thing].mean(0))
            assert apart.max() < 0.25 * two.rgb[thing].mean() + 10
