"""Memory of a process that computes in steps: what one step frees, the next one takes again."""

import ctypes
import sys

M_TRIM_THRESHOLD, M_TOP_PAD, M_MMAP_THRESHOLD = -1, -2, -3
"""Names of mallopt(3)."""
LARGEST = 2**31 - 1
PAD_BYTES = 64 * 2**20


def keep_freed_memory() -> bool:
    """Keep freed memory in the process, where glibc would hand it back to the kernel.

    Maps of features are large, so glibc takes and returns each by a system call, and the kernel clears it page by page
    at every use: about a fifth of a laptop's step of ``source_only``. The most that a process holds stays as it is.

    Returns:
        Whether the C library took the settings; another one than glibc is left as it is.
    """
    if not sys.platform.startswith("linux"):
        return False
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:
        return False
    settings = ((M_MMAP_THRESHOLD, LARGEST), (M_TRIM_THRESHOLD, LARGEST), (M_TOP_PAD, PAD_BYTES))
    return all([mallopt(name, value) == 1 for name, value in settings])
