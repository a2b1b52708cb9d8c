"""Memory of arrays that come and go: kept from one to the next, and given back at the end.

The GNU C library gives memory back to the system as soon as twice as much is free as the largest
array that was freed so far, at the end of each thread's own heap: blocks of rows of a megabyte each
are asked for anew, page by page, which takes a fifth of the time of reading Parquet. Dask has the
library of its workers do so from 64 KiB on (`MALLOC_TRIM_THRESHOLD_`), which also keeps it from
learning how large the arrays are.
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
LEARNT = 2 * MAPPED  # free ones that it would keep by itself, once an array of MAPPED was freed
ORDER = "MALLOC_TRIM_THRESHOLD_"
ORDERS = (ORDER, "MALLOC_MMAP_THRESHOLD_", "MALLOC_TOP_PAD_")

_lock = threading.Lock()
_at_work = 0


def _library(told: bool) -> Any:
    """The C library, where it can be told, and was told something or nothing before."""
    order = os.environ.get(ORDER, "").isdigit() if told else not os.environ.keys() & {*ORDERS}
    library = ctypes.CDLL(None) if order and os.name == "posix" else None
    return library if hasattr(library, "mallopt") and hasattr(library, "malloc_trim") else None


@contextmanager
def memory_kept(told: bool = False) -> Iterator[None]:
    """Keep free memory as long as something is at work in here, in whatever thread.

    What is free at the end is given back. Then a worker of Dask's is told again what it was told
    before; elsewhere the library has learnt of large arrays, as it does by itself when they are
    freed.

    Args:
        told: whether this is for processes that have been told by the environment to keep less;
            else it is for others. Nothing happens where it is for the other kind.
    """
    global _at_work
    library = _library(told)
    if library is None:
        yield
        return
    with _lock:
        _at_work += 1
        if _at_work == 1:
            _set(library, KEPT if told else LEARNT, MAPPED)
    try:
        yield
    finally:
        with _lock:
            _at_work -= 1
            if not _at_work:
                if told:
                    _set(library, int(os.environ[ORDER]), PLAIN)
                library.malloc_trim(0)


def _set(library: Any, trim: int, mapped: int) -> None:
    library.mallopt(TRIM, min(trim, (1 << 31) - 1))
    library.mallopt(MAP, mapped)
