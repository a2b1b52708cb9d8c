"""The memory of a worker while it works: kept from one array to the next, and given back after.

Dask has the C library of its workers give memory back to the system as soon as 64 KiB are free
(`MALLOC_TRIM_THRESHOLD_`), which also keeps it from learning how large the arrays are that come and
go: each array of a block is then asked for anew, page by page.
"""

from __future__ import annotations

import ctypes
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

__all__ = ["memory_kept"]

TRIM, MAP = -1, -3  # parameters of mallopt: malloc.h of the GNU C library
PLAIN = 128 << 10  # its own threshold of both
KEPT, MAPPED = 256 << 20, 32 << 20  # bytes: free ones that are kept; arrays that are mapped alone

_lock = threading.Lock()
_at_work = 0


def _library() -> tuple[Any, int] | None:
    """The C library and its threshold, where it was told one and can be told another."""
    told = os.environ.get("MALLOC_TRIM_THRESHOLD_", "")
    library = ctypes.CDLL(None) if told.isdigit() and os.name == "posix" else None
    if library is None or not (hasattr(library, "mallopt") and hasattr(library, "malloc_trim")):
        return None
    return library, int(told)


@contextmanager
def memory_kept() -> Iterator[None]:
    """Keep free memory as long as some thread is at work in here; then it is as it was before."""
    global _at_work
    found = _library()
    if found is None:
        yield
        return
    library, told = found
    with _lock:
        _at_work += 1
        if _at_work == 1:
            _set(library, KEPT, MAPPED)
    try:
        yield
    finally:
        with _lock:
            _at_work -= 1
            if not _at_work:
                _set(library, told, PLAIN)
                library.malloc_trim(0)


def _set(library: Any, trim: int, mapped: int) -> None:
    library.mallopt(TRIM, min(trim, (1 << 31) - 1))
    library.mallopt(MAP, mapped)
