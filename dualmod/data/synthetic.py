"""A generated dataset as training data: samples in memory, batches by step, held-out batches."""

import abc
import json
from collections.abc import Iterator, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool, Float
from torch.utils.data import Dataset

from dualmod.data.augment import (
    CLOSENESS_STEPS,
    AugmentConfig,
    LabelledHand,
    augment_pair,
    augment_single,
    plain_crops,
)
from dualmod.data.batch import HandBatch, closeness
from dualmod.data.hand_source import Hands
from dualmod.runtime.distributed import Ranks
from synth.common.conventions import HAND_PARTS, LEFT, REFERENCE_BONE, ROOT_JOINT
from synth.dataset import HandSample, SampleStore, iterate

BYTES_PER_PIXEL = 6  # rgb, 16-bit closeness, mask
NOTED = ("hand_model", "fingertip_vertices", "licence_notes", "generator_version", "num_samples")
"""Keys of the manifest that go into checkpoints."""


class SyntheticHands:
    """The samples of a generated dataset as right hands, decoded once when they fit into ``cache_gb``.

    Attributes:
        train: Indices to train on.
        held_out: Indices that training never sees: the last ``holdout`` share of the dataset.
        notes: What a checkpoint should say of the data it was trained on: hand model, licences, size.
    """

    def __init__(self, data_dir: str | Path, *, cache_gb: float = 1.0, holdout: float = 0.04) -> None:
        """Open ``data_dir`` and decode it.

        Raises:
            FileNotFoundError: when ``data_dir`` holds no dataset, or a shard is missing.
            ValueError: when ``holdout`` is not in [0, 1) or leaves nothing to train on.
        """
        self.store = SampleStore(data_dir)
        self.notes = {key: getattr(self.store.manifest, key) for key in NOTED}
        count = len(self.store)
        num_held_out = max(1, round(count * holdout)) if holdout > 0 else 0
        if not 0 <= holdout < 1 or num_held_out >= count:
            raise ValueError(f"holdout={holdout} of {count} samples leaves none to train on; lower it or generate more")
        self.train = np.arange(count - num_held_out)
        self.held_out = np.arange(count - num_held_out, count)
        height, width = self.store[0].rgb.shape[:2]
        self._width_px = width
        fits = count * height * width * BYTES_PER_PIXEL <= cache_gb * 1e9
        self._hands = [labelled_hand(sample) for sample in iterate(data_dir)] if fits else None

    def __len__(self) -> int:
        return len(self.store)

    def __getitem__(self, index: int) -> LabelledHand:
        return self._hands[index] if self._hands is not None else labelled_hand(self.store[index])

    def pose(self, index: int) -> tuple[Float[np.ndarray, "21 2"], Float[np.ndarray, "21"]]:
        """``joints_px`` and ``joints_depth`` of ``self[index]``, without decoding its images."""
        if self._hands is not None:
            return self._hands[index].joints_px, self._hands[index].joints_depth
        label = json.loads(self.store.members(index)[1]["json"])
        joints_px, joints_cam = np.asarray(label["joints_px"]), np.asarray(label["joints_cam"])
        return _right_pose(joints_px, joints_cam, label["handedness"], self._width_px)

    def order(self, places: range, seed: int) -> list[int]:
        """Indices at ``places`` of one permutation of the training samples after another."""
        count = len(self.train)
        return [int(self.train[_permutation(seed, p // count, count)[p % count]]) for p in places]

    def rows(self, indices: Sequence[int]) -> list[LabelledHand]:
        """The hands of some indices."""
        return [self[int(i)] for i in indices]


def labelled_hand(sample: HandSample) -> LabelledHand:
    """A stored sample as a right hand with the depth of the hand alone, normalised by root and reference bone."""
    start, end = REFERENCE_BONE
    bone_m = float(np.linalg.norm(sample.joints_cam[end] - sample.joints_cam[start]))
    on_hand = (sample.segmentation >= HAND_PARTS.start) & (sample.segmentation < HAND_PARTS.stop)
    part = _box_of(on_hand)  # most of the image is background, whose closeness is 0
    near = closeness(np.where(on_hand[part], sample.depth_m[part], 0), float(sample.joints_cam[ROOT_JOINT, 2]), bone_m)
    steps = np.zeros(on_hand.shape, np.uint16)
    steps[part] = np.rint(near * CLOSENESS_STEPS)
    images = [sample.rgb, steps, on_hand.astype(np.uint8) * 255]
    if sample.handedness == LEFT:
        images = [np.ascontiguousarray(image[:, ::-1]) for image in images]
    joints_px, joints_depth = _right_pose(sample.joints_px, sample.joints_cam, sample.handedness, sample.rgb.shape[1])
    return LabelledHand(*images, joints_px=joints_px, joints_depth=joints_depth, bone_m=bone_m)


def _box_of(mask: Bool[np.ndarray, "height width"]) -> tuple[slice, slice]:
    """Rows and columns that hold all of a mask."""
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    if not len(rows):
        return slice(0, 0), slice(0, 0)
    return slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)


def _right_pose(
    joints_px: np.ndarray, joints_cam: np.ndarray, handedness: str, width_px: int
) -> tuple[Float[np.ndarray, "21 2"], Float[np.ndarray, "21"]]:
    """Joints in pixels, mirrored where the hand is a left one, and their depth behind the root in reference bones."""
    start, end = REFERENCE_BONE
    bone_m = float(np.linalg.norm(joints_cam[end] - joints_cam[start]))
    joints_px = joints_px.astype(np.float32)
    if handedness == LEFT:
        joints_px[:, 0] = width_px - 1 - joints_px[:, 0]
    return joints_px, ((joints_cam[:, 2] - float(joints_cam[ROOT_JOINT, 2])) / bone_m).astype(np.float32)


class TrainingBatches(Dataset, abc.ABC):
    """Item ``k`` is the batch of training step ``k``: a pure function of the seed and the step.

    So a run resumes exactly, with any number of workers. Samples come in the order of ``hands``, each at most once in a
    step.
    """

    def __init__(self, hands: Hands, config: AugmentConfig, *, steps: int, batch_size: int, seed: int) -> None:
        if steps < 0 or batch_size < 1:
            raise ValueError(f"steps={steps} and batch_size={batch_size} are not legal: at least 0 and 1")
        self.hands, self.config = hands, config
        self.steps, self.batch_size, self.seed = steps, batch_size, seed

    @abc.abstractmethod
    def augment(self, hands: list[LabelledHand], rng: np.random.Generator) -> tuple[HandBatch, ...]:
        """The views of a step's samples."""

    def __len__(self) -> int:
        return self.steps

    def __getitem__(self, step: int) -> tuple[HandBatch, ...]:
        """The views of one step."""
        if not 0 <= step < self.steps:
            raise IndexError(f"step {step} of {self.steps}")
        rng = np.random.default_rng([self.seed, step, 1])
        return self.augment(self.hands.rows(self.indices(step)), rng)

    def part(self, step: int, blocks: int, ranks: Ranks) -> tuple[HandBatch, ...]:
        """The rows of ``step`` that one of ``ranks`` takes, when they are cut into ``blocks`` equal blocks.

        Each block draws its augmentation from a generator of its own, so that a rank makes no rows but its own: the
        whole batch is a pure function of the seed, the step and ``blocks``, whoever shares it. One block is the item.
        """
        if blocks == 1:
            return self[step]
        own, size = blocks // ranks.count, self.batch_size // blocks
        indices, parts = self.indices(step), []
        for block in range(ranks.rank * own, (ranks.rank + 1) * own):
            rng = np.random.default_rng([self.seed, step, 1, block])
            parts.append(self.augment(self.hands.rows(indices[block * size : (block + 1) * size]), rng))
        return tuple(HandBatch.cat(views) for views in zip(*parts, strict=True))

    def indices(self, step: int) -> list[int]:
        """Dataset indices of the batch of ``step``."""
        return self.hands.order(range(step * self.batch_size, (step + 1) * self.batch_size), self.seed)


class PairedBatches(TrainingBatches):
    """``(view, view_plus)`` of each sample: what a contrastive term needs."""

    def augment(self, hands: list[LabelledHand], rng: np.random.Generator) -> tuple[HandBatch, ...]:
        return augment_pair(hands, self.config, rng)


class SingleBatches(TrainingBatches):
    """``(view,)`` of each sample: two textures of one crop teach hardly more than one."""

    def __init__(self, *args: Any, senses_depth: bool, **options: Any) -> None:
        """As ``TrainingBatches``; ``senses_depth`` as in ``augment_single``."""
        super().__init__(*args, **options)
        self.senses_depth = senses_depth

    def augment(self, hands: list[LabelledHand], rng: np.random.Generator) -> tuple[HandBatch, ...]:
        return (augment_single(hands, self.config, rng, senses_depth=self.senses_depth),)


def held_out_batches(hands: Hands, *, crop_px: int, batch_size: int, margin: float) -> Iterator[HandBatch]:
    """The held-out samples as at test: upright crops ``margin`` times the joints' box, nothing random."""
    for start in range(0, len(hands.held_out), batch_size):
        rows = hands.rows(hands.held_out[start : start + batch_size].tolist())
        yield plain_crops(rows, crop_px, margin)


@lru_cache(maxsize=4)
def _permutation(seed: int, epoch: int, count: int) -> np.ndarray:
    return np.random.default_rng([seed, epoch, 2]).permutation(count)
