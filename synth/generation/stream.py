"""Samples that are rendered when they are wanted, with no disk between: the same as ``generate`` would have stored.

``SampleSource`` is the pure function of (seed, index) for whoever has processes of their own, such as torch's
DataLoader; ``SampleStream`` brings processes and a bounded queue along and needs no torch to read from.
"""

import pickle
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from types import TracebackType

from synth.dataset.sample import HandSample, decode_sample, encode_sample
from synth.generation.prefetch import MadeAhead
from synth.generation.sample_maker import MakerSettings
from synth.generation.shard_task import kept_maker, single_threaded

CHUNK = 8
"""Samples that a worker makes in one go: as many as the hand model poses together."""


@dataclass(frozen=True)
class SampleSource:
    """Samples of a dataset that is never written, as a function of their indices.

    Attributes:
        pickled: Settings and seed; small to send and quick to compare, also with thousands of background photos.
    """

    pickled: bytes

    @classmethod
    def of(cls, settings: MakerSettings, seed: int) -> "SampleSource":
        """The source of what ``generate`` makes of the same settings and seed."""
        return cls(pickle.dumps((settings, seed)))

    def members(self, first: int, last: int) -> list[dict[str, bytes]]:
        """Members by extension of samples ``first`` to ``last - 1``: the bytes that ``generate`` writes."""
        maker = kept_maker(self.pickled)
        with single_threaded():
            return [encode_sample(sample) for sample in maker.samples(first, last)]

    def samples(self, first: int, last: int) -> list[HandSample]:
        """Samples ``first`` to ``last - 1`` as they would be read from disk, JPEG and rounding included."""
        return [decode_sample(members) for members in self.members(first, last)]

    def chunk(self, number: int) -> list[dict[str, bytes]]:
        """Members of the samples of one chunk of ``CHUNK``."""
        return self.members(number * CHUNK, (number + 1) * CHUNK)


class SampleStream(Iterator[HandSample]):
    """Samples ``first``, ``first + 1``, ... rendered ahead in worker processes.

        with SampleStream(maker_settings(GenerateConfig(out="", image_size=224)), seed=0, workers=4) as stream:
            for sample in stream:
                ...

    It never ends. The processes end with ``close`` or the ``with`` block, with an error, and with the process that
    reads. Samples travel encoded, so that 64 waiting ones take about a megabyte.

    Args:
        settings: What ``generate`` would render with (``synth.generate.maker_settings``).
        seed: Seed of the dataset.
        first: Index of the first sample; ``position`` of an earlier stream resumes it exactly.
        workers: Processes.
        ahead: Most samples that are made or being made and not yet taken, at least ``2 * CHUNK``.

    Raises:
        ValueError: for numbers that are not legal.
    """

    def __init__(self, settings: MakerSettings, seed: int, *, first: int = 0, workers: int = 2, ahead: int = 64):
        if ahead < 2 * CHUNK:
            raise ValueError(f"ahead={ahead} is not legal: it must be at least {2 * CHUNK}")
        self._position = first
        # one chunk is being handed out while the others wait
        self._chunks = MadeAhead(
            SampleSource.of(settings, seed).chunk, first=first // CHUNK, workers=workers, ahead=ahead // CHUNK - 1
        )
        self._ready: deque[dict[str, bytes]] = deque()

    @property
    def position(self) -> int:
        """Index of the next sample."""
        return self._position

    @property
    def waiting(self) -> int:
        """Samples that are made or being made and not yet taken."""
        return len(self._ready) + CHUNK * self._chunks.waiting

    def __next__(self) -> HandSample:
        """The next sample.

        Raises:
            OSError: when a worker process died, or a file could not be read.
            ValueError: when a background photo or skin is damaged.
        """
        if not self._ready:
            self._ready.extend(next(self._chunks))
            for _ in range(self._position % CHUNK):
                self._ready.popleft()
        sample = decode_sample(self._ready.popleft())
        self._position += 1
        return sample

    def close(self) -> None:
        """End the workers; what was made and not taken is dropped."""
        self._ready.clear()
        self._chunks.close()

    def __enter__(self) -> "SampleStream":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
