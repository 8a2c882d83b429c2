"""Posed hands for the tests of what is around them."""

from functools import cache

import numpy as np
import torch

from synth.hand import HandModel, PoseSampler, load_hand, sample_shape
from synth.scene.objects.collision_proxies import HandSpheres
from synth.scene.objects.second_hand import PosedHand


@cache
def open_hand():
    """Arrays, model, poses and spheres of the shipped hand."""
    arrays = load_hand("open")
    return arrays, HandModel(arrays), PoseSampler(arrays), HandSpheres(arrays)


def posed(pose_aa: np.ndarray, betas: np.ndarray | None = None) -> PosedHand:
    """One hand in the model's frame."""
    _, model, _, spheres = open_hand()
    rows = (pose_aa, np.zeros(10) if betas is None else betas)
    mesh = model.pose_blocks(*(torch.tensor(row, dtype=torch.float32)[None] for row in rows), torch.zeros(1, 3))
    joints = mesh.joints[0].numpy().astype(float)
    return PosedHand(mesh.verts[0].numpy(), joints, spheres)


def gesture(name: str) -> PosedHand:
    """A named gesture of the mean hand."""
    return posed(open_hand()[2].gesture(name))


def random_hand(rng: np.random.Generator) -> PosedHand:
    """A hand of the mixture."""
    return posed(open_hand()[2].sample(rng)[0], sample_shape(rng))
