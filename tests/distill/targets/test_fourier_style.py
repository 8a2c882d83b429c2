"""Amplitude mixing against numpy's full transform, and its ends."""

import numpy as np
import torch

from distill.targets.fourier_style import exchange_style, mix_amplitudes
from distill.targets.views import TargetBatch
from dualmod.data.batch import HandBatch


def images(seed: int, count: int = 2) -> torch.Tensor:
    return 0.35 + 0.3 * torch.rand(count, 3, 16, 16, generator=torch.Generator().manual_seed(seed))


def test_equals_the_full_transform():
    content, style = images(0), images(1)
    mixed = mix_amplitudes(content, style, torch.tensor([0.3, 1.0]), 0.15)
    frequency = np.fft.fftfreq(16)
    low = np.hypot(frequency[:, None], frequency[None]) <= 0.15
    for row, alpha in enumerate((0.3, 1.0)):
        for channel in range(3):
            own, other = (np.fft.fft2(x[row, channel].numpy().astype(np.float64)) for x in (content, style))
            amplitude = np.where(low, (1 - alpha) * abs(own) + alpha * abs(other), abs(own))
            expected = np.fft.ifft2(amplitude * np.exp(1j * np.angle(own))).real
            np.testing.assert_allclose(mixed[row, channel], expected, atol=1e-5)


def test_alpha_0_keeps_the_image_and_alpha_1_takes_the_mean_colour():
    content, style = images(0), images(1) * torch.tensor([0.5, 1.0, 1.3])[:, None, None]
    torch.testing.assert_close(mix_amplitudes(content, style, torch.zeros(2), 0.5), content, atol=1e-5, rtol=0)
    taken = mix_amplitudes(content, style, torch.ones(2), 0.01)
    torch.testing.assert_close(taken.mean((2, 3)), style.mean((2, 3)), atol=1e-4, rtol=0)


def test_exchange_changes_renders_and_strong_views_alone():
    photos = TargetBatch(images(2, 4), images(3, 4), torch.eye(2, 3).expand(4, 2, 3), torch.ones(4), torch.ones(4))
    labels = [torch.zeros(3, 1), torch.zeros(3, 1), torch.zeros(3, 21, 2), torch.zeros(3, 21), torch.ones(3, 21)]
    labels.append(labels[0])
    pair = (HandBatch(images(4, 3), *labels), HandBatch(images(5, 3), *labels))

    def drawn() -> torch.Generator:
        return torch.Generator().manual_seed(0)

    same, still = exchange_style(pair, photos, 0.0, 0.1, drawn())
    torch.testing.assert_close(same[0].rgb, pair[0].rgb, atol=1e-5, rtol=0)
    torch.testing.assert_close(still.strong, photos.strong, atol=1e-5, rtol=0)
    (view, plus), moved = exchange_style(pair, photos, 1.0, 0.1, drawn())
    for before, after in ((pair[0].rgb, view.rgb), (pair[1].rgb, plus.rgb), (photos.strong, moved.strong)):
        assert ((before - after).abs().amax((1, 2, 3)) > 1e-3).all()
    assert torch.equal(moved.weak, photos.weak)
    assert torch.equal(exchange_style(pair, photos, 1.0, 0.1, drawn())[0][0].rgb, view.rgb)
