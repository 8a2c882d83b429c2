"""Streamed samples are those that ``generate`` stores, from any index on."""

import dataclasses

import numpy as np
import pytest

from synth.dataset import HandSample, SampleStore
from synth.generate import GenerateConfig, maker_settings
from synth.generation.stream import CHUNK, SampleSource, SampleStream


@pytest.fixture(scope="module")
def settings():
    """What tiny_data was rendered with."""
    return maker_settings(GenerateConfig(out="", image_size=64))


def equal(one: HandSample, other: HandSample) -> bool:
    pairs = ((getattr(one, f.name), getattr(other, f.name)) for f in dataclasses.fields(HandSample))
    return all(np.array_equal(a, b) if isinstance(a, np.ndarray) else a == b for a, b in pairs)


def test_the_bytes_are_those_of_the_shards(settings, tiny_data):
    store, source = SampleStore(tiny_data), SampleSource.of(settings, 0)
    assert source.members(3, 9) == [store.members(i)[1] for i in range(3, 9)]
    assert source.members(5, 6) == [store.members(5)[1]]
    assert SampleSource.of(settings, 1).members(5, 6) != [store.members(5)[1]]


def test_a_stream_begins_anywhere_in_order_and_never_runs_far_ahead(settings, tiny_data):
    store = SampleStore(tiny_data)
    with SampleStream(settings, 0, first=5, workers=1, ahead=2 * CHUNK) as stream:
        for index in range(5, 23):
            assert stream.position == index
            assert equal(next(stream), store[index])
            assert stream.waiting <= 2 * CHUNK


def test_a_bound_below_two_chunks_is_refused(settings):
    with pytest.raises(ValueError, match="ahead=15 is not legal: it must be at least 16"):
        SampleStream(settings, 0, ahead=15)
