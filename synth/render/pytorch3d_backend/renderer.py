"""The differentiable renderer: pytorch3d's shading over the visible faces of our own rasteriser, which is many times
faster on a CPU than pytorch3d's, or of pytorch3d's, whose silhouettes have gradients."""

from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float, UInt8
from torch import Tensor
from torch.nn.functional import avg_pool2d

from synth.common.config import check
from synth.render.pytorch3d_backend import convert as parts
from synth.render.renderer import RenderOutput, RenderScene
from synth.render.torch_backend.interpolate import linear_of_srgb, srgb_of_linear
from synth.render.torch_backend.renderer import check_device, check_samples_per_side, finer_intrinsics, part_ids
from synth.render.torch_backend.scene_batch import SceneBatch, batch_scenes

RASTERIZERS = ("torch", "pytorch3d")


@dataclass(frozen=True)
class DifferentiableBatch:
    """Rendered images; ``rgb`` and ``depth_m`` have gradients.

    Attributes:
        rgb: sRGB images in [0, 1].
        depth_m: z at each pixel's centre in metres; 0 where there is no surface.
        segmentation: Part id at each pixel's centre; 0 where there is no surface.
    """

    rgb: Float[Tensor, "batch height width 3"]
    depth_m: Float[Tensor, "batch height width"]
    segmentation: UInt8[Tensor, "batch height width"]


class DifferentiableRenderer:
    """Renders batches with gradients with respect to vertices, tint, lights and material.

    ``render_batch`` has the gradients of colour and depth on the faces that are seen; how the outline moves is in those
    of ``soft_silhouettes``. Light has no shadow, occlusion and skin relief.
    """

    def __init__(
        self,
        *,
        rasterizer: str = "torch",
        samples_per_side: int = 3,
        device: str = "cpu",
    ) -> None:
        """Make a renderer.

        Args:
            rasterizer: ``torch`` (ours) or ``pytorch3d`` (``MeshRasterizer``).
            samples_per_side: Sub-samples along one side of a pixel; odd, so that one is at the centre.
            device: Where ``render`` computes, ``cpu`` or ``cuda``.

        Raises:
            MissingPartError: when pytorch3d cannot be used here.
            ValueError: when an option is out of its range, or the device is not there.
        """
        check(rasterizer in RASTERIZERS, "rasterizer", rasterizer, f"one of {', '.join(RASTERIZERS)}")
        check_samples_per_side(samples_per_side)
        check_device(device)
        self._p3d = parts.load_pytorch3d()
        self._rasterizer, self._side, self._device = rasterizer, samples_per_side, device

    def render(self, scene: RenderScene) -> RenderOutput:
        """Render one scene.

        Raises:
            ValueError: when an array of the scene has the wrong shape, an index outside its table or a value that is
                not finite.
        """
        with torch.no_grad():
            images = self.render_batch(batch_scenes([scene], self._device))
            rgb = (255.0 * images.rgb).round().to(torch.uint8)
        return RenderOutput(*(image[0].cpu().numpy() for image in (rgb, images.depth_m, images.segmentation)))

    def render_batch(self, batch: SceneBatch) -> DifferentiableBatch:
        """Render scenes on the device that holds them."""
        side, (height, width) = self._side, batch.image_size
        K = finer_intrinsics(batch.K, side)
        fragments_of = parts.own_fragments if self._rasterizer == "torch" else parts.their_fragments
        fragments = fragments_of(self._p3d, batch.verts_cam, batch.faces, K, height * side, width * side)
        rgba = _pooled(self._shade(batch, fragments), side)
        behind = linear_of_srgb(batch.background.to(rgba.dtype) / 255.0)
        mixed = rgba[..., :3] + behind * (1.0 - rgba[..., 3:])
        centre = (slice(None), slice(side // 2, None, side), slice(side // 2, None, side), 0)
        faces_seen, depth_m = fragments.pix_to_face[centre], fragments.zbuf[centre]
        return DifferentiableBatch(
            rgb=srgb_of_linear(mixed.clamp(0.0, 1.0)),
            depth_m=torch.where(faces_seen >= 0, depth_m, 0.0),
            segmentation=part_ids(batch, torch.where(faces_seen >= 0, faces_seen % len(batch.faces), -1)),
        )

    def soft_silhouettes(
        self, batch: SceneBatch, *, softness_px: float = 0.5, faces_per_pixel: int = 50
    ) -> Float[Tensor, "batch height width"]:
        """Coverage that fades across the outline, so that it has a gradient there (Liu et al. 2019, SoftRas).

        It needs the distance of each pixel to the faces around it, which pytorch3d's rasteriser alone gives, slowly on
        a CPU. Faces that turn away count too: culled, they would come and go in jumps at the outline.

        Args:
            batch: The scenes.
            softness_px: Distance from an edge, in pixels, at which a face's share is 0.73 inside and 0.27 outside.
            faces_per_pixel: The nearest faces that count; too few miss the face itself behind its neighbours.

        Raises:
            ValueError: when ``softness_px`` is not above 0.
        """
        check(softness_px > 0, "softness_px", softness_px, "above 0")
        height, width = batch.image_size
        sigma = (2.0 * softness_px / min(height, width)) ** 2
        fragments = parts.their_fragments(
            self._p3d, batch.verts_cam, batch.faces, batch.K, height, width,
            blur_radius=parts.SIGMA_TAILS * sigma, faces_per_pixel=faces_per_pixel, cull=False,
        )  # fmt: skip
        blend = self._p3d.renderer.BlendParams(sigma=sigma)
        return self._p3d.renderer.SoftSilhouetteShader(blend)(fragments, None)[..., 3]

    def _shade(self, batch: SceneBatch, fragments: Any) -> Float[Tensor, "batch height width 4"]:
        """Linear RGB and coverage as pytorch3d's ``HardPhongShader`` makes them, with the tint on the texture."""
        p3d, renderer = self._p3d, self._p3d.renderer
        meshes = parts.meshes(p3d, batch)
        tint = batch.vertex_tint[:, batch.faces].flatten(0, 1)
        colours = p3d.shading.phong_shading(
            meshes=meshes,
            fragments=fragments,
            lights=parts.SceneLights(p3d, batch.lights),
            cameras=parts.cameras(p3d, batch.K, *batch.image_size),
            materials=parts.materials(p3d, batch.lights),
            texels=meshes.sample_textures(fragments)
            * p3d.ops.interpolate_face_attributes(fragments.pix_to_face, fragments.bary_coords, tint),
        )
        black = renderer.BlendParams(background_color=(0.0, 0.0, 0.0))
        return renderer.blending.hard_rgb_blend(colours.clamp(0.0, 1.0), fragments, black)


def _pooled(images: Tensor, side: int) -> Tensor:
    """Mean over the sub-samples of each pixel."""
    return avg_pool2d(images.permute(0, 3, 1, 2), side).permute(0, 2, 3, 1)
