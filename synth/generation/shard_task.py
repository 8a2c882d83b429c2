"""One shard as a piece of work that any process can do, on this machine or another."""

import contextlib
import functools
import pickle
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import torch

from synth.dataset.manifest import ShardEntry
from synth.dataset.shards import write_shard
from synth.generation.progress import note_finished
from synth.generation.sample_maker import MakerSettings, SampleMaker


@dataclass(frozen=True)
class ShardTask:
    """One shard to make: samples ``first`` to ``last - 1`` into ``path``."""

    path: Path
    first: int
    last: int
    seed: int
    settings: MakerSettings


def make_shard(task: ShardTask) -> ShardEntry:
    """Make one shard on one thread, and note that it is there."""
    maker = kept_maker(pickle.dumps((task.settings, task.seed)))
    with single_threaded():
        entry = write_shard(task.path, maker.samples(task.first, task.last))
    note_finished(task.path, entry)
    return entry


@contextlib.contextmanager
def single_threaded() -> Iterator[None]:
    """One thread for torch and OpenCV: workers are processes, and sums are the same for any number of them."""
    before = torch.get_num_threads(), cv2.getNumThreads()
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before[0])
        cv2.setNumThreads(before[1])


@functools.lru_cache(maxsize=1)
def kept_maker(pickled: bytes) -> SampleMaker:
    """The maker of pickled ``(settings, seed)``; a process keeps the last one, which takes a second to make."""
    settings, seed = pickle.loads(pickled)
    return SampleMaker(settings, seed)
