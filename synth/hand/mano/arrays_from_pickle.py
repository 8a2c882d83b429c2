"""Arrays from the records of a pickle: numpy's, scipy's sparse ones and chumpy's, worked out from their plain parts.

Every size is compared with the bytes that are really there before memory is asked for.
"""

import math
import re
from typing import Any

import numpy as np

from synth.hand.mano.safe_pickle import (
    ArrayCallRecord,
    ArrayRecord,
    BytesRecord,
    ChRecord,
    CscRecord,
    DtypeRecord,
    NdarrayClass,
    Record,
    ReshapeRecord,
    ScalarRecord,
    SelectRecord,
)

MAX_SPARSE_ELEMENTS = 4_000_000
"""Of a sparse matrix made dense; MANO's regressor has 16 x 778."""
MAX_DEPTH = 8
"""Reorderings within reorderings."""


def as_array(value: Any, depth: int = 0) -> np.ndarray:
    """The numbers that a record stands for.

    Args:
        value: A record of an array, of a call of ``numpy.array`` with numbers, of a ``csc_matrix`` (made dense), or
            chumpy's ``Ch``, ``Select`` and ``Reshape``.
        depth: How many reorderings it lies within.

    Raises:
        ValueError: when it stands for no array of plain numbers or its parts contradict each other.
    """
    if depth > MAX_DEPTH:
        raise ValueError(f"reorderings lie more than {MAX_DEPTH} deep")
    if isinstance(value, ArrayRecord):
        return _dense(value)
    if isinstance(value, ArrayCallRecord):
        return _from_lists(value)
    if isinstance(value, CscRecord):
        return _from_csc(_part(value, "data"), _part(value, "indices"), _part(value, "indptr"), _shape_of(value))
    if isinstance(value, ChRecord):
        return as_array(_attribute(value, "x"), depth + 1)
    if isinstance(value, SelectRecord):
        return _selected(value, depth)
    if isinstance(value, ReshapeRecord):
        return as_array(_attribute(value, "a"), depth + 1).reshape(_shape(_attribute(value, "newshape")))
    raise ValueError(f"it is {_kind(value)}, not an array")


def _dense(record: ArrayRecord) -> np.ndarray:
    if not record.args or record.args[0] is not NdarrayClass or not isinstance(record.state, tuple):
        raise ValueError("it is no complete numpy array")
    if len(record.state) != 5:
        raise ValueError(f"a numpy array's state has 5 parts, this one {len(record.state)}")
    _, sides, dtype, is_fortran, raw = record.state
    shape = _shape(sides)
    return _numbers(raw, _dtype(dtype), math.prod(shape)).reshape(shape, order="F" if is_fortran else "C")


def _from_lists(record: ArrayCallRecord) -> np.ndarray:
    lists, dtype = record.args if len(record.args) == 2 else (None, None)
    if not isinstance(lists, list) or not isinstance(dtype, str) or not re.fullmatch(r"(u?int|float)\d\d?|bool", dtype):
        raise ValueError("a call of numpy.array has no lists of plain numbers")
    try:
        return np.array(lists, dtype)
    except (TypeError, ValueError) as error:
        raise ValueError("a call of numpy.array has lists that are no numbers in rows of one length") from error


def _numbers(raw: Any, dtype: np.dtype, count: int) -> np.ndarray:
    content = _bytes(raw)
    if len(content) != count * dtype.itemsize:
        raise ValueError(f"{count} numbers of type {dtype} do not fit {len(content)} bytes")
    return np.frombuffer(content, dtype).astype(dtype.newbyteorder("="))


def _from_csc(data: np.ndarray, rows: np.ndarray, starts: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """A compressed-column matrix made dense; entries of one place add up, as in scipy."""
    if len(shape) != 2 or not 0 < math.prod(shape) <= MAX_SPARSE_ELEMENTS:
        raise ValueError(f"a sparse matrix of shape {shape} is none of a hand")
    if data.ndim != 1 or rows.shape != data.shape or starts.shape != (shape[1] + 1,):
        raise ValueError("the parts of a sparse matrix differ in length")
    rows, starts = rows.astype(np.int64), starts.astype(np.int64)
    counts = np.diff(starts)
    if starts[0] != 0 or starts[-1] != len(data) or (counts < 0).any():
        raise ValueError("the columns of a sparse matrix overlap")
    if len(rows) and (rows.min() < 0 or rows.max() >= shape[0]):
        raise ValueError(f"a sparse matrix of {shape[0]} rows has a row {rows.max()}")
    dense = np.zeros(shape, data.dtype)
    np.add.at(dense, (rows, np.repeat(np.arange(shape[1]), counts)), data)
    return dense


def _selected(record: SelectRecord, depth: int) -> np.ndarray:
    """chumpy: elements ``idxs`` of ``a`` laid out in a row, then in ``preferred_shape`` if there is one."""
    source = as_array(_attribute(record, "a"), depth + 1).ravel()
    ids = as_array(_attribute(record, "idxs"), depth + 1)
    if ids.dtype.kind not in "iu" or ids.size == 0 or int(ids.min()) < 0 or int(ids.max()) >= len(source):
        raise ValueError("a chumpy selection takes elements that its array has not")
    chosen = source[ids]
    has_shape = isinstance(record.state, dict) and record.state.get("preferred_shape") is not None
    return chosen.reshape(_shape(_attribute(record, "preferred_shape"))) if has_shape else chosen


def _dtype(record: Any) -> np.dtype:
    if not isinstance(record, DtypeRecord) or not record.args:
        raise ValueError("a numpy array has no type of number")
    code, state = record.args[0], record.state
    if not isinstance(code, str) or not re.fullmatch(r"[fiu][1248]|b1", code) or code == "f1":
        raise ValueError(f"a numpy array holds {ascii(code)[:20]}, not plain numbers")
    order = state[1] if isinstance(state, tuple) and len(state) > 1 else "="
    if order not in ("<", ">", "|", "="):
        raise ValueError("a numpy array has an unknown order of bytes")
    return np.dtype(code).newbyteorder(order)


def _shape_of(record: CscRecord) -> tuple[int, ...]:
    return _shape(_attribute(record, "_shape"))


def _shape(sides: Any) -> tuple[int, ...]:
    """The sides of an array; numpy's scalars among them are read as well."""
    if not isinstance(sides, tuple | list):
        raise ValueError("a shape is no tuple")
    numbers = tuple(_whole(side) for side in sides)
    if len(numbers) > 8 or any(n < 0 for n in numbers):
        raise ValueError(f"{numbers[:9]} is no shape")
    return numbers


def _whole(side: Any) -> int:
    if isinstance(side, ScalarRecord) and len(side.args) == 2:
        return int(_numbers(side.args[1], _dtype(side.args[0]), 1)[0])
    if not isinstance(side, int) or abs(side) > 2**31:
        raise ValueError("a shape holds something that is no whole number")
    return side


def _bytes(raw: Any) -> bytes:
    if isinstance(raw, BytesRecord) and raw.args[1:] in ((), ("latin1",), ("latin-1",)):
        raw = raw.args[0] if raw.args else b""
    if isinstance(raw, str):
        return raw.encode("latin1")
    if isinstance(raw, bytes):
        return raw
    raise ValueError(f"the numbers of an array are {_kind(raw)}, not bytes")


def _part(record: Record, name: str) -> np.ndarray:
    return as_array(_attribute(record, name))


def _attribute(record: Record, name: str) -> Any:
    if not isinstance(record.state, dict) or name not in record.state:
        raise ValueError(f"{_kind(record)} has no {name}")
    return record.state[name]


def _kind(value: Any) -> str:
    """What a value is, in words."""
    name = type(value).__name__
    return f"a {name.removesuffix('Record')}" if isinstance(value, Record) else f"of type {name}"
