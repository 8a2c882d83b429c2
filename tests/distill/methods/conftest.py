"""A batch of photos with every view that a method may ask for, and a batch of renders."""

import pytest
import torch

from distill.targets.views import TargetBatch
from dualmod.data.batch import HandBatch

SIDE = 64


@pytest.fixture
def target() -> TargetBatch:
    generator = torch.Generator().manual_seed(1)
    weak, strong = torch.rand(2, 4, 3, SIDE, SIDE, generator=generator)
    return TargetBatch(
        weak=weak,
        strong=strong,
        A_strong_weak=torch.eye(2, 3).repeat(4, 1, 1),
        focal=torch.full((4,), 2.0),
        right=torch.tensor([0.9, 0.8, 0.2, 0.6]),
        views=torch.rand(4, 2, 3, SIDE, SIDE, generator=generator),
        A_weak_views=torch.eye(2, 3).repeat(4, 2, 1, 1),
        frames=torch.rand(4, 2, 3, SIDE, SIDE, generator=generator),
        has_frames=torch.tensor([True, True, True, False]),
    )


@pytest.fixture
def renders() -> HandBatch:
    generator = torch.Generator().manual_seed(2)
    return HandBatch(
        rgb=torch.rand(2, 3, SIDE, SIDE, generator=generator),
        depth=torch.rand(2, 1, SIDE, SIDE, generator=generator),
        mask=torch.ones(2, 1, SIDE, SIDE),
        joints_uv=torch.rand(2, 21, 2, generator=generator),
        joints_depth=torch.zeros(2, 21),
        joint_weight=torch.ones(2, 21),
        sensed=torch.zeros(2, 1, SIDE, SIDE),
    )
