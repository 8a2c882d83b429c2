"""Hostile pickles: whatever stands in them, nothing runs, nothing is written, and one line says what is wrong."""

import os
import pickle
import struct
import subprocess
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.sparse

from synth.hand.mano.arrays_from_pickle import as_array
from synth.hand.mano.safe_pickle import STAND_INS, Record, read_inert
from tests.synth.hand.mano_pickle import chumpy_classes, official_pickle, open_hand, refused


@pytest.fixture(scope="module")
def arrays() -> dict[str, np.ndarray]:
    return open_hand()


class Calls:
    """Pickled, it makes the reader call ``function`` with ``arguments``."""

    def __init__(self, function: Any, *arguments: Any) -> None:
        self.call = (function, arguments)

    def __reduce__(self) -> tuple[Any, tuple[Any, ...]]:
        return self.call


def hostile_calls(marker: str) -> dict[str, Any]:
    write = f"open({marker!r}, 'w')"
    return {
        "posix.system": Calls(os.system, f"touch {marker}"),
        "builtins.eval": Calls(eval, write),
        "builtins.exec": Calls(exec, write),
        "subprocess.Popen": Calls(subprocess.Popen, ["touch", marker]),
        "builtins.getattr": Calls(getattr, Calls(__import__, "os"), "system"),
        "builtins.open": Calls(open, marker, "w"),
        "pathlib": Calls(Path(marker).touch),
        "numpy._core": Calls(np.save, marker, np.zeros(3)),
        "pickle": Calls(pickle.loads, b"cos\nsystem\n(S'touch x'\ntR."),
    }


@pytest.mark.parametrize("named", hostile_calls("x"))
@pytest.mark.parametrize("protocol", [2, 4])
def test_a_call_hidden_in_a_hand_is_refused_and_nothing_ran(tmp_path, arrays, capsys, named, protocol):
    marker = tmp_path / "ran"
    data = official_pickle(arrays, protocol, bs_style=hostile_calls(str(marker))[named])
    error = refused(tmp_path, data, capsys)
    assert "nothing of it was run" in error and "which no hand needs" in error
    assert not marker.exists()


def test_the_same_pickle_runs_where_pickles_are_trusted(tmp_path):
    """The marker would be there if a call were made: the tests above can fail."""
    marker = tmp_path / "ran"
    pickle.loads(pickle.dumps(Calls(os.system, f"touch {marker}"), protocol=2))
    assert marker.exists()


def by_hand(*parts: bytes) -> bytes:
    return b"\x80\x02" + b"".join(parts) + b"."


def called(module: str, name: str, arguments: bytes) -> bytes:
    return f"c{module}\n{name}\n".encode() + arguments + b"R"


SYSTEM = b"cos\nsystem\n(S'touch ran'\ntR"
RAW_PICKLES = {
    "text protocol": b"cos\nsystem\n(S'touch ran'\ntR.",
    "old-style instance": by_hand(b"(S'touch ran'\nios\nsystem\n"),
    "old-style object": by_hand(b"(cos\nsystem\nS'touch ran'\no"),
    "dotted name": b"\x80\x04\x8c\x05numpy\x8c\x10f2py.os.system.xx\x93.",
    "f2py's shell": by_hand(called("numpy.f2py.diagnose", "run_command", b"(S'touch ran'\nt")),
    "numpy's testing shell": by_hand(called("numpy.testing._private.utils", "runstring", b"(S'import os'\n}t")),
    "numpy's loader": by_hand(called("numpy", "load", b"(S'MANO_RIGHT.pkl'\nt")),
    "numpy's memmap": by_hand(called("numpy", "memmap", b"(S'ran'\nt")),
    "persistent name": b"Pran\n.",
    "extension registry": by_hand(b"\x82\x01"),
    "state on a class": by_hand(b"cchumpy.ch\nCh\n(N}S'__setstate__'\nS'x'\nstb"),
    "state on a text": by_hand(b"S'x'\n}S'a'\nK\x01sb"),
    "a reconstructor of os": by_hand(b"ccopy_reg\n_reconstructor\n(cos\nsystem\nc__builtin__\nobject\nNtR"),
    "a reconstructor of nothing": by_hand(b"ccopy_reg\n_reconstructor\n)R"),
    "keyword construction": b"\x80\x04cchumpy.ch\nCh\n)}S'a'\nK\x01s\x92.",
    "a record called": by_hand(b"cchumpy.ch\nCh\n)R)R"),
    "a huge place in the memo": by_hand(b"Nr" + struct.pack("<I", 0xFFFFFFF0)),
    "a tuple of tuples as a key": by_hand(b"})" + b"\x85" * 19_000 + b"Ns"),
    "more tuples than that": by_hand(b"})" + b"\x85" * 2_000_000 + b"Ns"),
    "a huge text": b"\x80\x04\x8d" + struct.pack("<Q", 1 << 60) + b"x.",
    "a huge array of bytes": b"\x80\x05\x96" + struct.pack("<Q", 1 << 40) + b"x.",
    "a negative length": by_hand(b"T" + struct.pack("<i", -5) + b"x"),
    "an unknown opcode": by_hand(b"\xff"),
    "an empty stack": by_hand(b"0"),
    "no end": b"\x80\x02}",
    "nothing": b"",
    "text": b"this is no pickle\n",
}


@pytest.mark.parametrize("name", RAW_PICKLES)
def test_hand_made_pickles_are_refused(tmp_path, capsys, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    refused(tmp_path, RAW_PICKLES[name], capsys)


def test_what_a_name_stands_for_keeps_its_arguments_and_does_nothing():
    for stand_in in set(STAND_INS.values()):
        assert issubclass(stand_in, Record)
        with pytest.raises(pickle.UnpicklingError):
            stand_in.anything = 1  # type: ignore[attr-defined]
    record = read_inert(by_hand(called("_codecs", "encode", b"(S'x'\nS'rot13'\nt")))
    assert record.args == ("x", "rot13") and record.state is None


def array_pickle(kind: bytes = b"f8", shape: bytes = b"K\x02\x85", raw: bytes = b"U\x10" + bytes(16)) -> bytes:
    """A numpy array opcode by opcode: class, type of number, shape and bytes as given."""
    start = called("numpy.core.multiarray", "_reconstruct", b"(cnumpy\nndarray\nK\x00\x85U\x01bt")
    dtype = called("numpy", "dtype", b"(U" + bytes([len(kind)]) + kind + b"K\x00K\x01t")
    return (
        start
        + b"(K\x01"
        + shape
        + dtype
        + b"(K\x03U\x01<NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb\x89"
        + raw
        + b"tb"
    )


HUGE = b"\x8a\x05" + (1 << 34).to_bytes(5, "little")
WRONG_ARRAYS = {
    "objects": array_pickle(kind=b"O8"),
    "records": array_pickle(kind=b"V8"),
    "a formula of a type": array_pickle(kind=b"f8,i4"),
    "more numbers than bytes": array_pickle(shape=HUGE + b"\x85"),
    "an overflowing shape": array_pickle(shape=HUGE + HUGE + HUGE + b"\x87"),
    "a negative shape": array_pickle(shape=b"J\xff\xff\xff\xffJ\xfe\xff\xff\xff\x86"),
    "a shape of texts": array_pickle(shape=b"U\x01x\x85"),
    "fewer numbers than bytes": array_pickle(shape=b"K\x01\x85"),
    "numbers that are a list": array_pickle(raw=b"]"),
    "no state": called("numpy.core.multiarray", "_reconstruct", b"(cnumpy\nndarray\nK\x00\x85U\x01bt"),
    "another class": called("numpy.core.multiarray", "_reconstruct", b"(cchumpy.ch\nCh\nK\x00\x85U\x01bt"),
    "chumpy without an array": b"cchumpy.ch\nCh\n)\x81}b",
    "chumpy within itself": b"cchumpy.ch\nCh\n)\x81q\x05}U\x01xh\x05sb",
    "a set": called("__builtin__", "set", b"(]t"),
    "a text": b"U\x01x",
}


@pytest.mark.parametrize("name", WRONG_ARRAYS)
def test_arrays_that_contradict_themselves_are_refused(name):
    np.testing.assert_array_equal(as_array(read_inert(by_hand(array_pickle()))), [0.0, 0.0])
    tracemalloc.start()
    with pytest.raises(ValueError):
        as_array(read_inert(by_hand(WRONG_ARRAYS[name])))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2_000_000


@pytest.mark.parametrize(
    ("part", "value"),
    [
        ("_shape", (1 << 20, 1 << 20)),
        ("_shape", (3,)),
        ("indices", np.array([0, 5])),
        ("indices", np.array([0, -1])),
        ("indptr", np.array([0, 2, 1, 2])),
        ("indptr", np.array([0, 1, 2])),
        ("indptr", np.array([0, 1, 1, 9])),
        ("data", np.ones(3)),
    ],
)
def test_sparse_matrices_that_reach_outside_are_refused(part, value):
    matrix = scipy.sparse.csc_matrix(np.array([[1.0, 0, 2.0], [0, 0, 0]]))
    np.testing.assert_array_equal(as_array(read_inert(pickle.dumps(matrix, 2))), [[1, 0, 2], [0, 0, 0]])
    matrix.__dict__[part] = value
    with pytest.raises(ValueError, match=r"sparse|columns|shape"):
        as_array(read_inert(pickle.dumps(matrix, 2)))


@pytest.mark.parametrize("ids", [np.array([0, 99]), np.array([-1]), np.array([0.5]), np.array([], np.int64)])
def test_chumpy_selections_that_reach_outside_are_refused(ids):
    with chumpy_classes() as (ch, select):
        source, chosen = ch(), select()
        source.__dict__["x"] = np.arange(4.0)
        chosen.__dict__.update(a=source, idxs=ids)
        data = pickle.dumps(chosen, 2)
    with pytest.raises(ValueError, match="elements that its array has not"):
        as_array(read_inert(data))


def test_names_in_a_pickle_cannot_write_on_the_terminal(tmp_path, capsys):
    error = refused(tmp_path, by_hand(b"c\x1b[2Jx\n" + b"y" * 5000 + b"\n"), capsys)
    assert "\x1b" not in error and len(error) < 1000
