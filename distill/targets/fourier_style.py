"""Style alignment by amplitude spectra: colours and coarse light of one domain on the content of the other.

UniFrame (Kim et al., ECCV 2022) trains a stylisation network (AdaIN) for this; mixing the low frequencies' amplitudes
with the phase kept needs none (Yang and Soatto, CVPR 2020, with a random share as AdaIN's alpha).
"""

from dataclasses import replace

import torch
from jaxtyping import Float
from torch import Tensor

from distill.targets.views import TargetBatch
from dualmod.data.batch import HandBatch


def mix_amplitudes(
    content: Float[Tensor, "batch 3 side side"],
    style: Float[Tensor, "batch 3 side side"],
    alpha: Float[Tensor, "batch"],
    radius: float,
) -> Float[Tensor, "batch 3 side side"]:
    """``content`` with amplitudes (1 - alpha) own + alpha other up to ``radius`` cycles per pixel; phases stay.

    Args:
        content: sRGB in [0, 1].
        style: Where the other amplitudes come from.
        alpha: 0 keeps the image, 1 takes the other's amplitudes.
        radius: Largest frequency that is changed.
    """
    side = content.shape[-1]
    own, other = torch.fft.rfft2(content), torch.fft.rfft2(style)
    rows = torch.fft.fftfreq(side, device=content.device)[:, None]
    columns = torch.fft.rfftfreq(side, device=content.device)[None]
    changed = (rows**2 + columns**2).sqrt() <= radius
    share = alpha[:, None, None, None] * changed
    amplitude = (1 - share) * own.abs() + share * other.abs()
    return torch.fft.irfft2(torch.polar(amplitude, own.angle()), s=(side, side)).clamp(0, 1)


def exchange_style(
    views: tuple[HandBatch, ...],
    target: TargetBatch,
    share: float,
    radius: float,
    generator: torch.Generator,
) -> tuple[tuple[HandBatch, ...], TargetBatch]:
    """Renders in the style of photos and strong views in that of renders, each in ``share`` of the rows.

    All views of a render take the same photo's style. A row's donor and its alpha, uniform in [0, 1], are random.
    """
    photos, renders = target.strong, views[0].rgb
    alpha, donors = _draw(len(renders), len(target), share, generator)
    styles = photos[donors]
    alpha = alpha.to(renders)
    restyled = [replace(v, rgb=mix_amplitudes(v.rgb, styles, alpha, radius)) for v in views]
    alpha, donors = _draw(len(target), len(renders), share, generator)
    strong = mix_amplitudes(photos, renders[donors], alpha.to(photos), radius)
    return tuple(restyled), replace(target, strong=strong)


def _draw(count: int, num_donors: int, share: float, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Alpha of each row, 0 where its style stays, and the row of its donor."""
    alpha = torch.rand(count, generator=generator) * (torch.rand(count, generator=generator) < share)
    return alpha, torch.randint(num_donors, (count,), generator=generator)
