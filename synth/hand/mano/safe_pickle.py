"""Reads a pickle without running anything in it: every class that it names becomes an inert record.

A pickle is a program: it names functions and calls them. Here a name means one of a few stand-ins, which keep what they
are called with and do nothing, and any other name ends the reading. No class of numpy, scipy or chumpy is ever called,
so that no fault of theirs can be used either. What the records mean is ``pickled_arrays.py``.
"""

import io
import pickle
from typing import Any

from synth.hand.mano.opcode_scan import Limits, check_opcodes


class _Sealed(type):
    """Classes whose attributes a pickle cannot set (its BUILD opcode may be given a class)."""

    def __setattr__(cls, name: str, value: Any) -> None:
        raise pickle.UnpicklingError(f"sets {name} on a class")


class Record(metaclass=_Sealed):
    """What a pickle made in place of an object: the arguments of the call, and the state set afterwards."""

    __slots__ = ("args", "state")

    def __new__(cls, *args: Any) -> "Record":
        record = object.__new__(cls)
        record.args, record.state = args, None
        return record

    def __setstate__(self, state: Any) -> None:
        self.state = state


class NdarrayClass(Record):
    """``numpy.ndarray`` as an argument."""


class DtypeRecord(Record):
    """``numpy.dtype``."""


class ArrayRecord(Record):
    """``numpy``'s reconstructed array."""


class ScalarRecord(Record):
    """``numpy``'s scalar."""


class ArrayCallRecord(Record):
    """``numpy.array`` called with nested lists and the name of a type, as our RHD export stores arrays."""


class CscRecord(Record):
    """``scipy.sparse.csc_matrix``."""


class ChRecord(Record):
    """``chumpy.ch.Ch``: an array ``x``."""


class SelectRecord(Record):
    """``chumpy.reordering.Select``: elements ``idxs`` of ``a``."""


class ReshapeRecord(Record):
    """``chumpy.reordering.Reshape``: ``a`` in another shape."""


class BytesRecord(Record):
    """``_codecs.encode``: bytes that Python 3 wrote as text for Python 2; called with nothing, no bytes."""


class OtherRecord(Record):
    """``set`` and ``object``, which hold nothing that is needed."""


class ReconstructorRecord(Record):
    """``copy_reg._reconstructor``: the object of a class, as protocols 0 and 1 write it."""

    def __new__(cls, *args: Any) -> Record:
        if not args or not isinstance(args[0], _Sealed):
            raise pickle.UnpicklingError("reconstructs an object of no class")
        return args[0]()


STAND_INS: dict[tuple[str, str], type[Record]] = {
    ("numpy", "ndarray"): NdarrayClass,
    ("numpy", "dtype"): DtypeRecord,
    ("numpy", "array"): ArrayCallRecord,
    **{(f"numpy.{core}.multiarray", "_reconstruct"): ArrayRecord for core in ("core", "_core")},
    **{(f"numpy.{core}.multiarray", "scalar"): ScalarRecord for core in ("core", "_core")},
    **{(f"scipy.sparse{module}", "csc_matrix"): CscRecord for module in ("", ".csc", "._csc")},
    ("chumpy.ch", "Ch"): ChRecord,
    ("chumpy.reordering", "Select"): SelectRecord,
    ("chumpy.reordering", "Reshape"): ReshapeRecord,
    **{place: BytesRecord for place in (("_codecs", "encode"), ("__builtin__", "bytes"), ("builtins", "bytes"))},
    **{(module, name): OtherRecord for module in ("__builtin__", "builtins") for name in ("set", "object")},
    **{(module, "_reconstructor"): ReconstructorRecord for module in ("copy_reg", "copyreg")},
}
"""What an official file, or a dataset of arrays, names, by module and name as they stand in it."""


def read_inert(data: bytes, limits: Limits | None = None) -> Any:
    """The object in a pickle of protocol 0 to 5, with a ``Record`` in place of every object that has a class.

    Texts of Python 2 are read as latin-1, as numpy's and scipy's pickles need it.

    Args:
        data: The file's content.
        limits: How large it may be; a hand's size if not given.

    Raises:
        ValueError: when the pickle is cut short or damaged, is too large, or names anything that is not in
            ``STAND_INS``; nothing that it names has been imported or called.
    """
    limits = limits or Limits()
    if len(data) > limits.max_bytes:
        raise ValueError(f"it has {len(data)} bytes, and at most {limits.max_bytes} are expected")
    try:
        check_opcodes(data, limits)
        return _InertUnpickler(io.BytesIO(data), encoding="latin1").load()
    except Exception as error:  # a hostile pickle can make any opcode fail in any way
        raise ValueError(f"it is no readable pickle of arrays: {_printable(str(error))}") from error


class _InertUnpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> type[Record]:
        if (module, name) not in STAND_INS:
            raise pickle.UnpicklingError(f"it names {module}.{name}, which no hand needs; nothing of it was run")
        return STAND_INS[module, name]


def _printable(text: str, longest: int = 160) -> str:
    """One line without control characters, which a file could use to write over the terminal."""
    line = " ".join(text.split()).encode("unicode_escape").decode("ascii")
    return line if len(line) <= longest else line[:longest] + "..."
