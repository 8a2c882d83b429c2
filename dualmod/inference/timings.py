"""How long each part of a run took."""

import contextlib
import time
from collections.abc import Callable, Iterator


class PartTimings:
    """Seconds of each named part, added up."""

    def __init__(self, *parts: str, clock: Callable[[], float] = time.perf_counter) -> None:
        """
        Args:
            parts: Parts that are shown even if nothing is counted to them; others are added as they come.
            clock: Tells the time in seconds.
        """
        self.seconds = dict.fromkeys(parts, 0.0)
        self._clock = clock

    @contextlib.contextmanager
    def part(self, name: str) -> Iterator[None]:
        """Count what happens in the block to a part."""
        started = self._clock()
        try:
            yield
        finally:
            self.seconds[name] = self.seconds.get(name, 0.0) + self._clock() - started

    def to_json(self, count: int) -> dict[str, dict[str, float]]:
        """Mean milliseconds over ``count`` images, and share of the sum, of each part."""
        total = sum(self.seconds.values()) or 1.0
        return {
            name: {"mean_ms": round(1000 * seconds / max(1, count), 2), "share": round(seconds / total, 4)}
            for name, seconds in self.seconds.items()
        }

    def line(self, count: int) -> str:
        """The same in words."""
        parts = self.to_json(count)
        each = ", ".join(f"{name} {part['mean_ms']:.0f}" for name, part in parts.items())
        return f"{sum(part['mean_ms'] for part in parts.values()):.0f} ms an image ({each})"
