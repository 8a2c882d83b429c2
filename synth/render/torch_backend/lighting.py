"""How much light leaves the surface towards the eye, on tensors: the formulas of ``kernels.shading`` without occlusion,
shadow and skin relief. Tests hold both to the same reference."""

from collections.abc import Callable
from dataclasses import dataclass, fields

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn.functional import normalize

from synth.render.kernels.shading import WRAP


@dataclass(frozen=True)
class LightBatch:
    """``Lights`` and ``Material`` of a batch of scenes.

    Attributes:
        ambient_sh: Irradiance as 9 spherical harmonics for each colour, order as in ``Lights``.
        directions: Unit vectors towards each light, camera frame.
        colours: Linear RGB of each directional light.
        roughness: In (0, 1].
        specular: Strength of the highlight.
    """

    ambient_sh: Float[Tensor, "batch 9 3"]
    directions: Float[Tensor, "batch lights 3"]
    colours: Float[Tensor, "batch lights 3"]
    roughness: Float[Tensor, "batch"]
    specular: Float[Tensor, "batch"]

    def mapped(self, change: Callable[[Tensor], Tensor]) -> "LightBatch":
        """Each tensor changed: a part of the batch, or another device."""
        return LightBatch(**{f.name: change(getattr(self, f.name)) for f in fields(self)})


def radiance(
    lights: LightBatch,
    scenes: Int[Tensor, "samples"],
    normals: Float[Tensor, "samples 3"],
    points_cam: Float[Tensor, "samples 3"],
    albedo: Float[Tensor, "samples 3"],
) -> Float[Tensor, "samples 3"]:
    """Linear RGB of surface samples, clipped at 1.

    Args:
        lights: Lights and reflectance of each scene.
        scenes: The scene of each sample.
        normals: Normals of any length.
        points_cam: Places in metres, camera frame; the eye is at the origin.
        albedo: Linear RGB.
    """
    normal, to_eye = normalize(normals, dim=-1), normalize(-points_cam, dim=-1)
    cos_eye = (normal * to_eye).sum(-1, keepdim=True).clamp(min=0.05)
    roughness = lights.roughness.index_select(0, scenes)[:, None]
    f0 = 0.08 * lights.specular.index_select(0, scenes)[:, None]
    wrap = torch.tensor(WRAP, dtype=normal.dtype, device=normal.device)
    diffuse = irradiance(lights.ambient_sh, scenes, normal)
    sky = lights.ambient_sh[:, 0].clamp(min=0.0).index_select(0, scenes)
    glossy = sky * (f0 + (1.0 - roughness) ** 3 * (1.0 - cos_eye) ** 5)
    for k in range(lights.directions.shape[1]):
        towards, colour = (a[:, k].index_select(0, scenes) for a in (lights.directions, lights.colours))
        cosine = (normal * towards).sum(-1, keepdim=True)
        diffuse = diffuse + colour * (cosine + wrap).clamp(min=0.0) / (1.0 + wrap) ** 2
        glossy = glossy + colour * _highlight(normal, to_eye, towards, cos_eye, cosine, roughness, f0)
    return (albedo * diffuse + glossy).clamp(max=1.0)


def irradiance(
    ambient_sh: Float[Tensor, "batch 9 3"], scenes: Int[Tensor, "samples"], normal: Float[Tensor, "samples 3"]
) -> Float[Tensor, "samples 3"]:
    """Ambient light from nine spherical harmonics (Ramamoorthi and Hanrahan 2001, Eq. 13, constants folded in)."""
    x, y, z = normal.split(1, -1)
    basis = (torch.ones_like(x), y, z, x, x * y, y * z, 3.0 * z * z - 1.0, x * z, x * x - y * y)
    total = torch.zeros_like(normal)
    for k, value in enumerate(basis):
        total = total + ambient_sh[:, k].index_select(0, scenes) * value
    return total.clamp(min=0.0)


def _highlight(
    normal: Tensor, to_eye: Tensor, towards: Tensor, cos_eye: Tensor, cos_light: Tensor, roughness: Tensor, f0: Tensor
) -> Tensor:
    """GGX highlight times pi and the light's cosine (Walter et al. 2007; visibility as in Karis 2013; Schlick 1994)."""
    half = normalize(towards + to_eye, dim=-1)
    alpha = roughness**2
    density = alpha**2 / ((normal * half).sum(-1, keepdim=True) ** 2 * (alpha**2 - 1.0) + 1.0) ** 2
    lit, k = cos_light.clamp(min=0.0), 0.5 * alpha
    visible = 0.25 / ((lit * (1.0 - k) + k) * (cos_eye * (1.0 - k) + k))
    cos_half = (towards * half).sum(-1, keepdim=True).clamp(min=0.0)
    return density * visible * (f0 + (1.0 - f0) * (1.0 - cos_half) ** 5) * lit
