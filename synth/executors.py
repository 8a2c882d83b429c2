"""Who fills the shards. An executor takes the missing shards and yields the entry of each as it is finished."""

import contextlib
import functools
import multiprocessing
import pickle
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from pathlib import Path

import cv2
import torch

from synth.dataset.maker import MakerSettings, SampleMaker
from synth.dataset.manifest import ShardEntry
from synth.dataset.progress import note_finished
from synth.dataset.shards import write_shard
from synth.processes import end_with_parent


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


def run_local(tasks: list[ShardTask], workers: int) -> Iterator[ShardEntry]:
    """Processes of this machine; with one worker, this process.

    Raises:
        OSError: when a worker process dies.
    """
    if workers == 1 or len(tasks) <= 1:
        yield from map(make_shard, tasks)
        return
    context = multiprocessing.get_context("spawn")
    count = min(workers, len(tasks))
    pool = ProcessPoolExecutor(count, mp_context=context, initializer=end_with_parent)
    try:
        for future in as_completed([pool.submit(make_shard, task) for task in tasks]):
            yield future.result()
    except BrokenProcessPool as error:
        raise OSError(
            f"one of workers={count} processes died (killed, or out of memory); "
            f"the same command resumes, with workers=1 it needs least memory"
        ) from error
    finally:
        pool.shutdown(cancel_futures=True)


EXECUTORS: dict[str, Callable[[list[ShardTask], int], Iterator[ShardEntry]]] = {"local": run_local}


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
