"""Seconds by part, with a clock that is read from a list."""

import pytest

from dualmod.inference.timings import PartTimings


def test_parts_add_up_even_when_one_fails_and_new_ones_join() -> None:
    times = iter([0.0, 1.0, 5.0, 7.5, 10.0, 10.25])
    timings = PartTimings("idle", "a", clock=lambda: next(times))
    with timings.part("a"):
        pass
    with pytest.raises(KeyError), timings.part("b"):
        raise KeyError
    with timings.part("a"):
        pass
    assert timings.seconds == {"idle": 0.0, "a": 1.25, "b": 2.5}
    assert timings.to_json(2)["b"] == {"mean_ms": 1250.0, "share": round(2.5 / 3.75, 4)}
    assert timings.line(1) == "3750 ms an image (idle 0, a 1250, b 2500)"
