"""The renderer that needs torch alone: batched, on CPU or CUDA, without compiled code of its own."""

from dataclasses import dataclass

import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from synth.common.config import check
from synth.render.renderer import RenderOutput, RenderScene
from synth.render.torch_backend.interpolate import (
    SurfaceSamples,
    linear_of_srgb,
    srgb_of_linear,
    surface_samples,
    texture_colour,
    vertex_normals,
)
from synth.render.torch_backend.lighting import radiance
from synth.render.torch_backend.rasterize import rasterise
from synth.render.torch_backend.scene_batch import SceneBatch, batch_scenes

MAX_SAMPLES = 1 << 21
"""Sub-samples that are held at once; a covered one takes about 500 bytes."""


@dataclass(frozen=True)
class RenderedBatch:
    """Rendered images.

    Attributes:
        rgb: sRGB images.
        depth_m: z at each pixel's centre in metres; 0 where there is no surface.
        segmentation: Part id at each pixel's centre; 0 where there is no surface.
    """

    rgb: UInt8[Tensor, "batch height width 3"]
    depth_m: Float[Tensor, "batch height width"]
    segmentation: UInt8[Tensor, "batch height width"]


class TorchRenderer:
    """``render_batch`` behind the renderers' protocol, one scene at a time.

    Depth and segmentation equal the default renderer's; colour has the same light and reflectance without shadow,
    occlusion and skin relief.
    """

    def __init__(self, *, samples_per_side: int = 3, device: str = "cpu") -> None:
        """Make a renderer.

        Args:
            samples_per_side: Sub-samples along one side of a pixel; odd, so that one is at the centre.
            device: Where it computes, ``cpu`` or ``cuda``.

        Raises:
            ValueError: when a number is out of its range, or the device is not there.
        """
        check_samples_per_side(samples_per_side)
        check_device(device)
        self._samples_per_side, self._device = samples_per_side, device

    def render(self, scene: RenderScene) -> RenderOutput:
        """Render one scene.

        Raises:
            ValueError: when an array of the scene has the wrong shape, an index outside its table or a value that is
                not finite.
        """
        batch = batch_scenes([scene], self._device)
        images = render_batch(batch, samples_per_side=self._samples_per_side)
        return RenderOutput(*(image[0].cpu().numpy() for image in (images.rgb, images.depth_m, images.segmentation)))


def render_batch(batch: SceneBatch, *, samples_per_side: int = 3, max_samples: int = MAX_SAMPLES) -> RenderedBatch:
    """Render scenes on the device that holds them.

    Args:
        batch: The scenes.
        samples_per_side: Sub-samples along one side of a pixel; odd, so that one is at the centre.
        max_samples: Bound on the memory: sub-samples held at once (and at least one scene's).

    Raises:
        ValueError: when ``samples_per_side`` is out of its range.
    """
    check_samples_per_side(samples_per_side)
    height, width = batch.image_size
    step = max(1, max_samples // (height * width * samples_per_side**2))
    with torch.inference_mode():
        parts = [
            _render_part(batch.part(slice(first, first + step)), samples_per_side, max_samples)
            for first in range(0, len(batch.verts_cam), step)
        ]
        return RenderedBatch(
            torch.cat([p.rgb for p in parts]),
            torch.cat([p.depth_m for p in parts]),
            torch.cat([p.segmentation for p in parts]),
        )


def _render_part(batch: SceneBatch, side: int, max_items: int) -> RenderedBatch:
    height, width = batch.image_size
    K = finer_intrinsics(batch.K, side)
    visible = rasterise(batch.verts_cam, batch.faces, K, height * side, width * side, max_items=max_items)
    samples = surface_samples(batch.verts_cam, batch.faces, K, visible.face_ids)
    normals = samples.interpolate(vertex_normals(batch.verts_cam, batch.faces))
    light = radiance(batch.lights, samples.scenes, normals, samples.points_cam, albedo(batch, samples))
    centre = (slice(None), slice(side // 2, None, side), slice(side // 2, None, side))
    return RenderedBatch(
        rgb=_composite(batch.background, light, samples.pixels, side),
        depth_m=visible.depth_m[centre].contiguous(),
        segmentation=part_ids(batch, visible.face_ids[centre]),
    )


def albedo(batch: SceneBatch, samples: SurfaceSamples) -> Float[Tensor, "samples 3"]:
    """Linear RGB of texture and tint at each sample."""
    uv = (batch.corner_uv[samples.face_ids] * samples.weights[..., None]).sum(1)
    colour = texture_colour(batch.textures, batch.texture_ids[samples.scenes], uv)
    return colour * samples.interpolate(batch.vertex_tint)


def part_ids(batch: SceneBatch, face_ids: Tensor) -> UInt8[Tensor, "batch height width"]:
    """Segmentation from the face seen at each pixel; 0 where there is none."""
    parts = batch.face_parts.gather(1, face_ids.clamp(min=0).flatten(1)).view(face_ids.shape)
    return torch.where(face_ids >= 0, parts, torch.zeros_like(parts))


def finer_intrinsics(K: Float[Tensor, "batch 3 3"], samples_per_side: int) -> Float[Tensor, "batch 3 3"]:
    """Intrinsics of the grid of sub-samples, sub-sample (0, 0) at u = v = 0."""
    finer = K.double() * samples_per_side
    finer[:, :2, 2] = (K[:, :2, 2].double() + 0.5) * samples_per_side - 0.5
    finer[:, 2, 2] = 1.0
    return finer


def check_samples_per_side(samples_per_side: int) -> None:
    """Raise a ``ValueError`` unless a pixel's centre is one of its sub-samples."""
    odd = samples_per_side % 2 == 1 and 1 <= samples_per_side <= 9
    check(odd, "samples_per_side", samples_per_side, "odd and between 1 and 9")


def check_device(device: str) -> None:
    """Raise a ``ValueError`` unless torch can compute on ``device`` here."""
    cuda = device.partition(":")[0] == "cuda"
    check(cuda or device == "cpu", "device", device, "cpu or cuda")
    check(not cuda or torch.cuda.is_available(), "device", device, "cpu on this machine, torch sees no CUDA device")


def _composite(background: Tensor, light: Tensor, pixels: Tensor, side: int) -> Tensor:
    """Mean over the sub-samples of each pixel, over the background by the share that they cover, as sRGB."""
    batch, height, width, _ = background.shape
    fine_width = width * side
    row, column = pixels // fine_width, pixels % fine_width
    coarse = torch.div(row, side, rounding_mode="floor") * width + torch.div(column, side, rounding_mode="floor")
    lit = torch.zeros(batch * height * width, 4, dtype=light.dtype, device=light.device)
    lit.index_add_(0, coarse, torch.cat([light, torch.ones_like(light[:, :1])], 1))
    lit = lit.view(batch, height, width, 4) / side**2
    behind = linear_of_srgb(background.to(light.dtype) / 255.0)
    mixed = lit[..., :3] + behind * (1.0 - lit[..., 3:])
    encoded = (255.0 * srgb_of_linear(mixed.clamp(0.0, 1.0))).round().to(torch.uint8)
    return torch.where(lit[..., 3:] > 0, encoded, background)
