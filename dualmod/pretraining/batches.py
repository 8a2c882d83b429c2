"""What a training step sees under each method: views with labels, or views to contrast."""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from dualmod.data.augment import AugmentConfig
from dualmod.data.contrast_views import ContrastBatches, PhotoPictures, Pictures, RenderedPictures, whole_box
from dualmod.data.hand_source import Hands
from dualmod.data.image_sets import open_target
from dualmod.data.pose_similarity import dataset_poses, nearest_others, pose_vectors, principal_components
from dualmod.data.synthetic import PairedBatches, SingleBatches, SyntheticHands, TrainingBatches
from dualmod.geometry.crop import joints_box
from dualmod.inference.predictor import Predictor
from dualmod.pretraining.config import PretrainMethod
from dualmod.pretraining.contrastive_phase import ContrastPhaseConfig
from dualmod.pretraining.objective import MethodConfig
from dualmod.pretraining.pose_clusters import PoseClasses, fit_centres
from dualmod.runtime.distributed import Ranks
from dualmod.training.grad_cache import micro_batch

ALONE = Ranks()


def step_batches(
    method: PretrainMethod,
    hands: Hands,
    augment: AugmentConfig,
    *,
    max_steps: int,
    batch_size: int,
    seed: int,
    device: str = "auto",
    blocks: int = 1,
    ranks: Ranks = ALONE,
) -> Callable[[int], Any]:
    """The batch of a step, a pure function of it: two ``ContrastView`` in the first phase, after it a ``HandBatch`` for
    each view.

    Args:
        method: The method.
        hands: Renders to train on.
        augment: Augmentation of the views.
        max_steps: Steps of the run.
        batch_size: Samples of a step.
        seed: Seed of order and augmentation.
        device: Where poses of photos are predicted.
        blocks: Parts of a batch of renders that draw their augmentation apart.
        ranks: This process among those that share each batch; it gets its own rows.

    Raises:
        FileNotFoundError: when photos, or the network that predicts their poses, are missing.
        ValueError: when there are no photos, or too few images to find similar hands.
    """
    images = batch_size * (2 if method.contrast_terms else 1)
    supervised = supervised_batches(method, hands, augment, steps=max_steps, images=images, seed=seed)
    first = method.phase.steps(max_steps)
    if first == 0:
        return lambda step: supervised.part(step, blocks, ranks)
    renders, photos = method.phase.rows()
    sources: list[tuple[Pictures, int]] = []
    if renders:
        sources.append((RenderedPictures(hands, _similar_renders(method.phase, hands)), renders))
    if photos:
        sources.append((_photos(method.phase, augment.crop_margin, device), photos))
    contrast = ContrastBatches(sources, augment, turn_rad=method.phase.turn_rad, shift=method.phase.shift, seed=seed)

    def of_step(step: int) -> Any:
        if step >= first:
            return supervised.part(step, blocks, ranks)
        return micro_batch(contrast(step), ranks.rank, ranks.count)

    return of_step


def supervised_batches(
    method: MethodConfig, hands: Hands, augment: AugmentConfig, *, steps: int, images: int, seed: int
) -> TrainingBatches:
    """The batches of supervised steps: pairs of views where a contrastive term compares them, else one view each.

    Args:
        method: What is trained on them.
        hands: Renders to train on.
        augment: Augmentation of the views.
        steps: Steps of the run.
        images: Images of a step: so many samples, or half as many in pairs.
        seed: Seed of order and augmentation.
    """
    if method.contrast_terms:
        return PairedBatches(hands, augment, steps=steps, batch_size=images // 2, seed=seed)
    return SingleBatches(hands, augment, senses_depth=method.depth_branch, steps=steps, batch_size=images, seed=seed)


def method_heads(method: PretrainMethod, hands: Hands, width: int, seed: int) -> list[PoseClasses]:
    """Losses with weights of their own that a method adds to the objective.

    Args:
        method: The method.
        hands: Renders to train on.
        width: Length of the network's pooled latent.
        seed: Seed of the clusters.

    Raises:
        ValueError: when there are fewer samples than clusters.
    """
    if method.classes.weight == 0:
        return []
    centres, spread = fit_centres(_all_poses(hands)[1], method.classes.count, seed)
    return [PoseClasses(method.classes, centres, spread, width)]


def _all_poses(hands: Hands) -> tuple[np.ndarray, np.ndarray]:
    assert isinstance(hands, SyntheticHands), "the config refuses a stream here"
    return hands.train, dataset_poses(hands, hands.train.tolist())


def _similar_renders(phase: ContrastPhaseConfig, hands: Hands) -> dict[int, int] | None:
    """The nearest other training sample of each, by exact pose."""
    if phase.positives == "self":
        return None
    indices, poses = _all_poses(hands)
    nearest = indices[nearest_others(principal_components(poses))[:, 0]]
    return dict(zip(indices.tolist(), nearest.tolist(), strict=True))


def _photos(phase: ContrastPhaseConfig, crop_margin: float, device: str) -> PhotoPictures:
    """The unlabelled photos; where poses are needed, with predicted 2D joints, all as right hands."""
    images = open_target(phase.photos, root=phase.photo_root)
    if not phase.needs_poses:
        return PhotoPictures(images, crop_margin)
    photos = [images[i] for i in range(len(images))]
    predictor = Predictor.load(phase.pose_checkpoint, device)
    whole = predictor.predict(photos, np.stack([whole_box(photo, predictor.crop_margin) for photo in photos]))
    closer = predictor.predict(photos, np.stack([joints_box(joints) for joints in whole.joints_px]))
    joints_px = closer.joints_px.copy()
    widths = np.array([photo.shape[1] for photo in photos])[closer.mirrored, None]
    joints_px[closer.mirrored, :, 0] = widths - 1 - joints_px[closer.mirrored, :, 0]
    similar = None
    if phase.positives == "similar":
        poses = pose_vectors(torch.from_numpy(joints_px).float()).numpy()
        similar = nearest_others(principal_components(poses))[:, 0]
    return PhotoPictures(images, crop_margin, joints_px, closer.mirrored, similar)
