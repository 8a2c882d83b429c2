"""How the kernels are compiled: two decorators and one cache folder.

numba's own cache looks only at the file that a function stands in, so an edit of a called function in another file
would go unseen; here the folder's name holds a hash of all kernel sources.
"""

import hashlib
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numba

_FAST_FLAGS = {"nsz", "arcp", "contract", "afn", "reassoc"}
"""fastmath without ``nnan`` and ``ninf``: comparisons that guard against them must stay."""


def kernel(function: Callable) -> Any:
    """Compile with reassociation and fused multiply-add: for shading, where the last bit does not matter."""
    return _compile(function, fastmath=_FAST_FLAGS)


def exact_kernel(function: Callable) -> Any:
    """Compile in strict IEEE arithmetic: for coverage, where two triangles must agree on their common edge."""
    return _compile(function, fastmath=False)


def inlined(function: Callable) -> Any:
    """A function that takes the place of its call: the loop around it can still become SIMD code, and no array passed
    in has its references counted, which would cost more than most of these functions."""
    return numba.njit(inline="always")(function)


def _compile(function: Callable, *, fastmath: Any) -> Any:
    before = numba.config.CACHE_DIR  # type: ignore[attr-defined]
    numba.config.CACHE_DIR = str(_CACHE_FOLDER)  # type: ignore[attr-defined]
    try:
        return numba.njit(cache=True, nogil=True, error_model="numpy", fastmath=fastmath)(function)
    finally:
        numba.config.CACHE_DIR = before  # type: ignore[attr-defined]


def _cache_folder() -> Path:
    digest = hashlib.sha256()
    for source in sorted(Path(__file__).parent.glob("*.py")):
        digest.update(source.read_bytes())
    home = os.environ.get("NUMBA_CACHE_DIR") or os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    name = f"kernels-{digest.hexdigest()[:16]}"
    for root in (Path(home) / "handbridge", Path(tempfile.gettempdir()) / f"handbridge-{os.getuid()}"):
        try:
            (root / name).mkdir(parents=True, exist_ok=True)
        except OSError:
            continue
        if os.access(root / name, os.W_OK):
            return root / name
    raise OSError("no folder to cache compiled code in; set NUMBA_CACHE_DIR to one that can be written")


_CACHE_FOLDER = _cache_folder()
