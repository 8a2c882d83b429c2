"""Training data with no disk between: ``data=stream`` renders each batch in the process that loads it.

A batch stays a pure function of its step, so that nothing else changes: torch's DataLoader is the bounded queue, keeps
the order, and ends its processes; a resumed run goes on at its step. Step k of batch size B holds samples k B to
(k + 1) B - 1, and no sample is ever seen twice.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from dualmod.data.augment import LabelledHand
from dualmod.data.synthetic import labelled_hand
from synth.common.config import compose_config
from synth.common.licences import terms_of_renders
from synth.common.nested import flat
from synth.dataset.manifest import GENERATOR_VERSION
from synth.generate import GenerateConfig, kept_config, maker_settings
from synth.generation.stream import SampleSource
from synth.hand import load_hand

STREAM = "stream"
"""Value of ``data`` that asks for a stream; a folder of this name is ``./stream``."""
HELD_OUT_FIRST = 1_000_000_000
"""Index of the first held-out sample: no training comes that far."""
MOST_HELD_OUT = 512
ON_DISK_ONLY = ("out", "num_samples", "workers", "executor", "ray_address", "shard_size", "overwrite")


class StreamedHands:
    """Hands rendered when they are asked for, by index.

    Attributes:
        held_out: Indices far beyond those of training.
        notes: What a checkpoint should say of the renders.
    """

    def __init__(self, render: GenerateConfig, *, num_samples: int, holdout: float):
        """Look at every file that the options name; nothing is rendered yet.

        Args:
            render: Options of ``generate``; those that only count on a disk are left alone.
            num_samples: Samples that training will take.
            holdout: Held-out renders as a share of them; at most ``MOST_HELD_OUT`` are made.

        Raises:
            ValueError: for an unknown hand or renderer, an unreadable picture, or too many samples.
            FileNotFoundError: for missing files.
        """
        if num_samples > HELD_OUT_FIRST:
            raise ValueError(f"{num_samples} samples are more than the {HELD_OUT_FIRST} that a stream has")
        self._source = SampleSource.of(maker_settings(render), render.seed)
        count = min(MOST_HELD_OUT, max(1, round(holdout * num_samples)))
        self.held_out = np.arange(HELD_OUT_FIRST, HELD_OUT_FIRST + count)
        arrays, kept = load_hand(render.hand), kept_config(render)
        self.notes: dict[str, Any] = {
            "hand_model": arrays.name,
            "fingertip_vertices": arrays.tip_vertex_ids.tolist(),
            "licence_notes": terms_of_renders(arrays.licence, kept),
            "generator_version": GENERATOR_VERSION,
            "num_samples": num_samples,
            "generate": {key: value for key, value in kept.items() if key not in ON_DISK_ONLY},
        }

    def order(self, places: range, seed: int) -> list[int]:
        """The places themselves: every sample is new, so that there is nothing to shuffle."""
        return list(places)

    def rows(self, indices: Sequence[int]) -> list[LabelledHand]:
        """The hands of some indices; runs of consecutive ones are rendered together."""
        samples = (sample for first, last in _runs(indices) for sample in self._source.samples(first, last))
        return [labelled_hand(sample) for sample in samples]


def render_config(options: dict[str, Any]) -> GenerateConfig:
    """The config of ``generate`` from the options that a user gave as ``generate.KEY=VALUE``.

    Raises:
        ValueError: for an option that is unknown, illegal, or of no use without a disk.
    """
    overrides = [f"{key}={value}" for key, value in flat(options)]
    for override in overrides:
        key = override.partition("=")[0]
        if key in ON_DISK_ONLY:
            raise ValueError(f"generate.{override} does not count with data={STREAM}: nothing is written; leave it out")
    try:
        return compose_config("generate", GenerateConfig, ["out=none", *overrides])
    except ValueError as error:
        raise ValueError(f"generate: {error}") from error


def _runs(indices: Sequence[int]) -> Iterator[tuple[int, int]]:
    """First and last + 1 of each run of consecutive indices."""
    start = 0
    for end in range(1, len(indices) + 1):
        if end == len(indices) or indices[end] != indices[end - 1] + 1:
            yield int(indices[start]), int(indices[end - 1]) + 1
            start = end
