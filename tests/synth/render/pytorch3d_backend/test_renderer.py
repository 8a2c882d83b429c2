"""Gradients against finite differences, and our rasteriser's fragments against pytorch3d's. What the renderer shares
with the others is in ``test_backends``."""

import dataclasses
import sys

import numpy as np
import pytest
import torch

from synth.common.optional import MissingPartError
from synth.render import Lights, get_renderer
from synth.render.torch_backend.interpolate import surface_samples
from synth.render.torch_backend.rasterize import rasterise
from synth.render.torch_backend.scene_batch import SceneBatch, batch_scenes
from tests.synth.render import backends, scenes

SIDE_LIGHT = Lights(np.full((9, 3), 0.02), np.tile([-0.6, 0.0, -0.8], (3, 1)), np.diag([0.5, 0.2, 0.1]))


def lit_sphere(size: int) -> SceneBatch:
    verts, faces = scenes.sphere(0.05, np.array([0.01, -0.005, 0.5]), rings=12)
    return batch_scenes([scenes.mesh_scene(verts, faces, scenes.camera(size), lights=SIDE_LIGHT)])


def window(size: int) -> torch.Tensor:
    """Weights that fall to 0 towards the sphere's outline: an image seen through it changes smoothly."""
    v, u = torch.meshgrid(torch.arange(size), torch.arange(size), indexing="ij")
    centre = (size - 1) / 2 + torch.tensor([0.02, -0.01]) * 2 * size
    squared = ((u - centre[0]) ** 2 + (v - centre[1]) ** 2) / (0.15 * size) ** 2
    return (1 - squared).clamp(min=0) ** 2


def slopes(loss, batch: SceneBatch, direction: torch.Tensor, step: float) -> tuple[float, float]:
    """Derivative of ``loss(batch)`` as the vertices move along ``direction``: by autograd, and by central
    differences."""
    verts = batch.verts_cam.clone().requires_grad_()
    loss(dataclasses.replace(batch, verts_cam=verts)).backward()
    assert verts.grad is not None and torch.isfinite(verts.grad).all()
    moved = [loss(dataclasses.replace(batch, verts_cam=batch.verts_cam + s * direction)).item() for s in (step, -step)]
    return (verts.grad * direction).sum().item(), (moved[0] - moved[1]) / (2 * step)


def test_depth_and_weights_have_exact_gradients_on_held_faces():
    scene = scenes.hand_scene(2, 32)
    verts, K = (torch.as_tensor(np.asarray(a)[None]) for a in (scene.verts_cam, scene.camera.K))
    faces = torch.as_tensor(scene.topology.faces.astype(int))
    face_ids = rasterise(verts, faces, K, 32, 32).face_ids
    generator = torch.Generator().manual_seed(0)
    weights = torch.randn(int((face_ids >= 0).sum()), 6, generator=generator, dtype=torch.float64)

    def loss(moved: torch.Tensor) -> torch.Tensor:
        samples = surface_samples(moved, faces, K, face_ids)
        return (torch.cat([samples.weights, samples.points_cam], 1) * weights).sum()

    verts.requires_grad_()
    (gradient,) = torch.autograd.grad(loss(verts), verts)
    direction = torch.randn(verts.shape, generator=generator, dtype=torch.float64)
    with torch.no_grad():
        difference = (loss(verts + 1e-7 * direction) - loss(verts - 1e-7 * direction)) / 2e-7
    assert (gradient * direction).sum().item() == pytest.approx(difference.item(), rel=1e-4)


def test_samples_lie_on_their_faces_and_on_their_rays():
    scene = scenes.hand_scene(2, 32)
    verts, K = (torch.as_tensor(np.asarray(a)[None]) for a in (scene.verts_cam, scene.camera.K))
    faces = torch.as_tensor(scene.topology.faces.astype(int))
    visible = rasterise(verts, faces, K, 32, 32)
    samples = surface_samples(verts, faces, K, visible.face_ids)
    places = samples.interpolate(verts)
    torch.testing.assert_close(places, samples.points_cam, rtol=0, atol=1e-12)
    torch.testing.assert_close(places[:, 2].float(), visible.depth_m.flatten()[samples.pixels], rtol=1e-6, atol=0)
    pixels = torch.stack([samples.pixels % 32, samples.pixels // 32], -1)
    np.testing.assert_allclose(scene.camera.project(places.numpy()), pixels.numpy(), atol=1e-9)
    assert samples.weights.min() > -1e-9 and len(places) > 150


@pytest.mark.parametrize("rasterizer", ["torch", "pytorch3d"])
@pytest.mark.parametrize("image", ["depth_m", "rgb"])
def test_gradients_of_the_pictures_equal_finite_differences(rasterizer, image):
    renderer = backends.make("pytorch3d", rasterizer=rasterizer, samples_per_side=1)
    batch, through = lit_sphere(48), window(48)
    x, y, z = batch.verts_cam.unbind(-1)
    bend = torch.stack([y + 0.2 * z, z - 0.5 + x, 0.5 + torch.sin(30 * x)], -1)
    for direction in (bend, torch.tensor([0.3, -0.2, 0.5]).expand_as(bend)):

        def loss(moved: SceneBatch) -> torch.Tensor:
            picture = getattr(renderer.render_batch(moved), image)[0]
            return ((picture if picture.ndim == 2 else picture.sum(-1)).double() * through).mean()

        found, expected = slopes(loss, batch, direction, step=1e-3)
        assert abs(expected) > 1e-2
        assert found == pytest.approx(expected, rel=0.03)


def test_gradients_of_soft_silhouettes_equal_finite_differences():
    renderer = backends.make("pytorch3d")
    batch = lit_sphere(32)

    def loss(moved: SceneBatch) -> torch.Tensor:
        return (renderer.soft_silhouettes(moved) * (1 + torch.arange(32) / 32)).mean()

    for direction in (batch.verts_cam * torch.tensor([1.0, 1.0, 0.0]), torch.tensor([1.0, 0, 0]).expand(1, 1, 3)):
        found, expected = slopes(loss, batch, direction.expand_as(batch.verts_cam), step=1e-4)
        assert abs(expected) > 1e-2
        assert found == pytest.approx(expected, rel=0.1)


def test_soft_silhouettes_are_the_mask_with_soft_edges():
    renderer = backends.make("pytorch3d")
    batch = batch_scenes([scenes.hand_scene(seed, 64) for seed in range(2)])
    mask = renderer.render_batch(batch).depth_m > 0
    soft = renderer.soft_silhouettes(batch, softness_px=0.3)
    assert soft.shape == mask.shape and soft.min() >= 0 and soft.max() <= 1
    assert ((soft > 0.5) & mask).sum() > 0.99 * mask.sum()
    assert ((soft > 0.5) | mask).sum() < 1.25 * mask.sum()
    with pytest.raises(ValueError, match="softness_px=0"):
        renderer.soft_silhouettes(batch, softness_px=0)


def test_light_tint_and_vertices_get_gradients_from_one_loss():
    renderer = backends.make("pytorch3d", samples_per_side=1)
    batch = batch_scenes([scenes.hand_scene(seed, 32) for seed in range(3)])
    verts, tint = (a.clone().requires_grad_() for a in (batch.verts_cam, batch.vertex_tint))
    colours = batch.lights.colours.clone().requires_grad_()
    lights = dataclasses.replace(batch.lights, colours=colours)
    changed = dataclasses.replace(batch, verts_cam=verts, vertex_tint=tint, lights=lights)
    renderer.render_batch(changed).rgb[1].sum().backward()
    for leaf in (verts, tint, colours):
        assert leaf.grad is not None and torch.isfinite(leaf.grad).all()
        assert leaf.grad[1].abs().sum() > 0
        assert leaf.grad[[0, 2]].abs().sum() == 0


def test_our_fragments_equal_pytorch3ds():
    backends.make("pytorch3d")
    from synth.render.pytorch3d_backend import convert as parts

    p3d = parts.load_pytorch3d()
    batch = batch_scenes([scenes.hand_scene(seed, 64) for seed in range(2)])
    ours, theirs = (
        make(p3d, batch.verts_cam, batch.faces, batch.K, 64, 64)
        for make in (parts.own_fragments, parts.their_fragments)
    )
    assert (ours.pix_to_face != theirs.pix_to_face).float().mean() < 1e-3
    same = (ours.pix_to_face == theirs.pix_to_face) & (ours.pix_to_face >= 0)
    assert same.sum() > 2000 and (ours.pix_to_face[1].max() >= len(batch.faces))
    torch.testing.assert_close(ours.zbuf[same], theirs.zbuf[same], rtol=0, atol=1e-5)
    assert (ours.bary_coords[same] - theirs.bary_coords[same]).abs().quantile(0.99) < 2e-3
    empty = ours.pix_to_face < 0
    assert (ours.zbuf[empty] == -1).all() and (ours.bary_coords[empty] == -1).all()


@pytest.mark.parametrize(
    "options", [{"rasterizer": "nvdiffrast"}, {"samples_per_side": 4}, {"device": "gpu"}], ids=lambda o: next(iter(o))
)
def test_options_out_of_range_are_refused(options):
    with pytest.raises(ValueError, match=next(iter(options))):
        get_renderer("pytorch3d")(**options)


def test_without_pytorch3d_the_line_names_the_extra(monkeypatch):
    for name in [n for n in sys.modules if n.partition(".")[0] == "pytorch3d"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "pytorch3d", None)
    with pytest.raises(MissingPartError, match=r"renderer=pytorch3d needs .*; pip install 'handbridge\[pytorch3d\]'$"):
        get_renderer("pytorch3d")()
