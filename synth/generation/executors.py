"""Who fills the shards: processes of this machine, or a Ray cluster.

An executor is a context manager; inside it, a function takes the missing shards and yields the entry of each as it is
finished. Entering it fails when it cannot work, before any work starts.
"""

import contextlib
import functools
import multiprocessing
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool

from synth.common.worker_process import end_with_parent
from synth.dataset.manifest import ShardEntry
from synth.generation.ray_executor import run_on_ray
from synth.generation.shard_task import ShardTask, make_shard

MakeShards = Callable[[list[ShardTask]], Iterator[ShardEntry]]


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


EXECUTORS: dict[str, Callable[[int, str], contextlib.AbstractContextManager[MakeShards]]] = {
    "local": lambda workers, _: contextlib.nullcontext(functools.partial(run_local, workers=workers)),
    "ray": lambda _, address: run_on_ray(address),
}
"""Each takes ``workers`` and ``ray_address``."""
