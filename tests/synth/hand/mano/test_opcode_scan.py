"""The walk through a pickle: honest ones pass whatever their size, and none that nests deeply and hides it."""

import pickle
import pickletools

import numpy as np
import pytest

from synth.hand.mano.arrays_from_pickle import as_array
from synth.hand.mano.opcode_scan import MAX_NESTING, Limits, check_opcodes
from synth.hand.mano.safe_pickle import read_inert

ROOMY = Limits(max_bytes=1_000_000_000, max_opcodes=10_000_000)


def nested(depth: int) -> tuple:
    value: tuple = ()
    for _ in range(depth):
        value = (value,)
    return value


@pytest.mark.parametrize("protocol", range(5))  # numpy's own for 5 is none that a dataset was written with
def test_many_arrays_in_a_dict_pass_and_are_read(protocol):
    records = {k: {"uv": np.arange(6.0).reshape(2, 3) + k, "more": [None, "x", (1, (2,))]} for k in range(300)}
    data = pickle.dumps(records, protocol)
    with pytest.raises(ValueError, match="more than 1000 opcodes"):
        read_inert(data, Limits(max_opcodes=1000))
    content = read_inert(data, ROOMY)
    np.testing.assert_array_equal(as_array(content[7]["uv"]), records[7]["uv"])


@pytest.mark.parametrize("protocol", range(6))
def test_nesting_is_counted_as_it_is(protocol):
    """Around the limit: the innermost empty tuple is no opcode that nests, save in protocol 0."""
    check_opcodes(pickle.dumps(nested(MAX_NESTING - 1), protocol), ROOMY)
    with pytest.raises(ValueError, match="nest more than 100 deep"):
        check_opcodes(pickle.dumps(nested(MAX_NESTING + 1), protocol), ROOMY)


HIDDEN = {
    "through the memo": b"\x80\x02)" + b"".join(b"q\x01h\x01\x85" for _ in range(200)) + b".",
    "through marks": b"\x80\x02)" + b"q\x000" + b"(h\x00tq\x000" * 200 + b"h\x00.",
    "through copies": b"\x80\x02)" + b"2\x86" * 200 + b".",
    "through pairs": b"\x80\x02)" + b"K\x01\x86" * 200 + b".",
    "through frozen sets": b"\x80\x04)q\x000" + b"(h\x00\x91q\x000" * 200 + b"h\x00.",
}


@pytest.mark.parametrize("name", HIDDEN)
def test_nesting_cannot_be_hidden(name):
    assert sum(1 for _ in pickletools.genops(HIDDEN[name])) > 200
    with pytest.raises(ValueError, match="nest more than 100 deep"):
        read_inert(HIDDEN[name], ROOMY)


def test_more_taken_than_is_there_is_refused():
    with pytest.raises(ValueError, match="no readable pickle"):
        read_inert(b"\x80\x02\x87.", ROOMY)


def test_calls_of_numpy_array_are_read_and_others_refused():
    def called(arguments: bytes) -> bytes:
        return b"\x80\x02cnumpy\narray\n" + arguments + b"R."

    float32 = called(b"]q\x00(K\x01K\x02eU\x07float32\x86")
    read = as_array(read_inert(float32))
    assert read.dtype == np.float32 and read.tolist() == [1, 2]
    for wrong in (
        b"]U\x06object\x86",
        b"U\x01xU\x07float32\x86",
        b"](U\x01xeU\x07float32\x86",
        b"]\x85",
        b"]K\x01\x86",
    ):
        with pytest.raises(ValueError, match=r"numpy\.array"):
            as_array(read_inert(called(wrong)))
