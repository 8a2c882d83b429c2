"""Makes pickles laid out as the official MANO files are, with the real class paths and without chumpy.

As public code that inspects MANO_RIGHT.pkl describes them: protocol 2 of Python 2, ``shapedirs`` a
``chumpy.reordering.Select`` of 10 of 20 components of a ``chumpy.ch.Ch``, ``J_regressor`` a
``scipy.sparse.csc.csc_matrix``, everything else numpy arrays of doubles.
"""

import contextlib
import pickle
import sys
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.sparse

from synth.hand.hand_file import OPEN_HAND_FOLDER
from synth.hand.mano.import_mano import main


def open_hand() -> dict[str, np.ndarray]:
    """The open hand's arrays under MANO's names, doubles as in the official files."""
    with np.load(OPEN_HAND_FOLDER / "open_hand_right.npz") as archive:
        found = {key: archive[key] for key in archive.files if archive[key].ndim}
    return {key: array.astype(np.float64) if array.dtype.kind == "f" else array for key, array in found.items()}


def mirrored(arrays: dict[str, np.ndarray], *, mirror_shapes: bool) -> dict[str, np.ndarray]:
    """The left hand of ``arrays``; without ``mirror_shapes`` it has the official file's fault."""
    x = np.array([-1.0, 1.0, 1.0])
    turns = np.tile(np.outer(x, x).ravel(), 15)
    signs = np.tile([1.0, -1.0, -1.0], 15)
    return arrays | {
        "v_template": arrays["v_template"] * x,
        "shapedirs": arrays["shapedirs"] * (x[:, None] if mirror_shapes else 1.0),
        "posedirs": arrays["posedirs"] * x[:, None] * turns,
        "f": arrays["f"][:, ::-1],
        "ft": arrays["ft"][:, ::-1],
        "hands_mean": arrays["hands_mean"] * signs,
        "hands_components": arrays["hands_components"] * signs,
    }


@contextlib.contextmanager
def chumpy_classes() -> Iterator[tuple[type, type]]:
    """``chumpy.ch.Ch`` and ``chumpy.reordering.Select`` as long as the block lasts; the modules vanish after it."""
    names = ("chumpy", "chumpy.ch", "chumpy.reordering")
    assert not set(names) & set(sys.modules)
    modules = {name: types.ModuleType(name) for name in names}
    ch = type("Ch", (), {"__module__": "chumpy.ch"})
    select = type("Select", (ch,), {"__module__": "chumpy.reordering"})
    modules["chumpy.ch"].Ch = ch  # type: ignore[attr-defined]
    modules["chumpy.reordering"].Select = select  # type: ignore[attr-defined]
    sys.modules.update(modules)
    try:
        yield ch, select
    finally:
        for name in names:
            del sys.modules[name]


def official_pickle(arrays: dict[str, np.ndarray], protocol: int = 2, **changed: Any) -> bytes:
    """``arrays`` as an official file holds them; ``changed`` replaces entries."""
    with chumpy_classes() as (ch, select):
        all_shapes = np.concatenate([arrays["shapedirs"], np.full_like(arrays["shapedirs"], 7.0)], axis=2)
        ids = np.arange(all_shapes.size).reshape(all_shapes.shape)[:, :, :10].ravel()
        source = _with_state(ch, {"x": all_shapes, "_dirty_vars": {"x"}, "_itr": None, "_depends_on_deps": {}})
        terms = {"a": source, "idxs": ids, "preferred_shape": arrays["shapedirs"].shape, "_dirty_vars": {"a"}}
        content = dict(arrays) | {
            "shapedirs": _with_state(select, terms),
            "J_regressor": scipy.sparse.csc_matrix(arrays["J_regressor"]),
            "J": arrays["J_regressor"] @ arrays["v_template"],
            "bs_style": "lbs",
            "bs_type": "lrotmin",
        }
        data = pickle.dumps(content | changed, protocol=protocol)
    # the module names of the numpy and scipy that wrote the official files
    for new, old in (
        (b"numpy._core.multiarray", b"numpy.core.multiarray"),
        (b"scipy.sparse._csc", b"scipy.sparse.csc"),
    ):
        assert new in data
        data = data.replace(b"c" + new + b"\n", b"c" + old + b"\n") if protocol < 4 else data
    return data


def _with_state(kind: type, state: dict[str, Any]) -> Any:
    thing = kind()
    thing.__dict__.update(state)
    return thing


def refused(folder: Path, data: bytes, capsys: pytest.CaptureFixture) -> str:
    """The one line that ``data`` ends in; nothing ran and nothing was written."""
    (folder / "MANO_RIGHT.pkl").write_bytes(data)
    assert main([f"file={folder}/MANO_RIGHT.pkl", f"out={folder}/out"]) == 1
    error = capsys.readouterr().err
    assert error.count("\n") == 1 and error.startswith(f"handbridge import-mano: file={folder}/MANO_RIGHT.pkl")
    assert sorted(f.name for f in folder.iterdir()) == ["MANO_RIGHT.pkl"]
    return error
