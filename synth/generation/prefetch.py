"""Results of a function of 0, 1, 2, ... made ahead in worker processes: in order, and never too far ahead.

The queue between a renderer and whoever trains on its images. It knows neither of the two.
"""

import multiprocessing
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from types import TracebackType
from typing import Generic, TypeVar

from synth.common.worker_process import end_with_parent

T = TypeVar("T")


class MadeAhead(Iterator[T], Generic[T]):
    """``make(first)``, ``make(first + 1)``, ... in this order.

    The next ones are made while the last one is used, by processes that end with ``close``, with the last item, with
    an error or with the ``with`` block, and when the process that reads is killed.

    Args:
        make: What makes an item of its number: a pure function, which is sent to the workers for each item. It and its
            items have to be picklable.
        first: Number of the first item.
        last: Number after the last one; None never ends.
        workers: Processes.
        ahead: Most items that are made or being made and not yet taken.

    Raises:
        ValueError: for numbers of workers or items that are not legal.
    """

    def __init__(
        self, make: Callable[[int], T], *, first: int = 0, last: int | None = None, workers: int = 2, ahead: int = 4
    ):
        if workers < 1 or ahead < 1 or first < 0:
            raise ValueError(f"workers={workers}, ahead={ahead}, first={first} are not legal: at least 1, 1 and 0")
        self._make, self._last, self._ahead, self._workers = make, last, ahead, workers
        self._taken = self._asked = first
        self._waiting: deque[Future[T]] = deque()
        # spawn: a fork of a process whose libraries run threads can hang
        context = multiprocessing.get_context("spawn")
        self._pool: ProcessPoolExecutor | None = ProcessPoolExecutor(
            workers, mp_context=context, initializer=end_with_parent
        )
        self._ask()

    @property
    def position(self) -> int:
        """Number of the next item; a new object with ``first=position`` goes on exactly where this one stands."""
        return self._taken

    @property
    def waiting(self) -> int:
        """Items that are made or being made and not yet taken."""
        return len(self._waiting)

    def __next__(self) -> T:
        """The next item.

        Raises:
            OSError: when a worker process died.
            Exception: what ``make`` raised.
        """
        if self._pool is None or not self._waiting:
            self.close()
            raise StopIteration
        try:
            item = self._waiting.popleft().result()
            self._ask()
            self._taken += 1
        except BrokenProcessPool as error:
            self.close()
            raise OSError(
                f"one of workers={self._workers} processes died (killed, or out of memory) by item {self._taken}; "
                f"start again with first={self._taken}, fewer workers need less memory"
            ) from error
        except BaseException:
            self.close()
            raise
        return item

    def close(self) -> None:
        """End the workers, and wait until they have ended; what was made and not taken is dropped."""
        pool, self._pool = self._pool, None
        self._waiting.clear()
        if pool is not None:
            pool.shutdown(wait=True, cancel_futures=True)

    def __enter__(self) -> "MadeAhead[T]":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __del__(self) -> None:
        if getattr(self, "_pool", None) is not None:
            self.close()

    def _ask(self) -> None:
        """Have the next items made, as many as may wait."""
        assert self._pool is not None
        while len(self._waiting) < self._ahead and (self._last is None or self._asked < self._last):
            self._waiting.append(self._pool.submit(self._make, self._asked))
            self._asked += 1
