"""Freed memory that is kept is not cleared by the kernel again."""

import subprocess
import sys

import pytest

from dualmod.runtime.malloc import keep_freed_memory

LARGE_AGAIN_AND_AGAIN = """
import resource
import numpy as np
from dualmod.runtime.malloc import keep_freed_memory
if {kept}:
    assert keep_freed_memory()
for step in range(30):
    maps = [np.ones(2**21) for _ in range(4)]
    del maps
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt)
"""


def faults(kept: bool) -> int:
    """Page faults of a process that takes and frees four maps of 16 MB in each of 30 steps."""
    script = LARGE_AGAIN_AND_AGAIN.format(kept=kept)
    return int(subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True).stdout)


def test_each_page_is_taken_once() -> None:
    if not keep_freed_memory():
        pytest.skip("this C library has no mallopt")
    assert 4 * faults(kept=True) < faults(kept=False)
