"""Columns of floats out of an Arrow stream, a batch at a time, without a library for it.

The structures are those of Arrow's C data interface
(https://arrow.apache.org/docs/format/CDataInterface.html, CStreamInterface.html).
"""

from __future__ import annotations

import ctypes
from ctypes import (
    CFUNCTYPE,
    POINTER,
    Structure,
    byref,
    c_char_p,
    c_double,
    c_int,
    c_int64,
    c_void_p,
)
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["StreamError", "float_columns"]

Array = NDArray[Any]
FIRST_ROWS = 1 << 16
SHARE = 32  # arrays grow by one part in as many: what is not used of them stays small


class StreamError(RuntimeError):
    """A stream that could not be read to its end."""


class _Batch(Structure):
    """`ArrowArray`."""


_Batch._fields_ = [
    ("length", c_int64), ("null_count", c_int64), ("offset", c_int64), ("n_buffers", c_int64),
    ("n_children", c_int64), ("buffers", POINTER(c_void_p)),
    ("children", POINTER(POINTER(_Batch))), ("dictionary", c_void_p),
    ("release", CFUNCTYPE(None, POINTER(_Batch))), ("private_data", c_void_p),
]  # fmt: skip


class _Stream(Structure):
    """`ArrowArrayStream`."""


_Stream._fields_ = [
    ("get_schema", c_void_p), ("get_next", CFUNCTYPE(c_int, POINTER(_Stream), POINTER(_Batch))),
    ("get_last_error", CFUNCTYPE(c_char_p, POINTER(_Stream))), ("release", c_void_p),
    ("private_data", c_void_p),
]  # fmt: skip


def float_columns(capsule: object, count: int, most: float = np.inf) -> list[Array]:
    """Read a stream whose `count` columns are all float64; missing values become NaN.

    Args:
        capsule: what `__arrow_c_stream__()` returned.
        most: bytes of all columns together.

    Raises:
        StreamError: the stream ended with an error, in its words.
        MemoryError: there is more.
    """
    pointer = ctypes.pythonapi.PyCapsule_GetPointer
    pointer.restype, pointer.argtypes = c_void_p, [ctypes.py_object, c_char_p]
    stream = _Stream.from_address(pointer(capsule, b"arrow_array_stream"))
    columns = [np.empty(FIRST_ROWS) for _ in range(count)]
    n_rows = 0
    while True:
        batch = _Batch()
        if stream.get_next(byref(stream), byref(batch)):
            told = stream.get_last_error(byref(stream)) or b"the stream ended early"
            raise StreamError(told.decode("utf-8", "replace"))
        if not batch.release:
            break
        try:
            end = n_rows + batch.length
            if 8 * count * end > most:
                raise MemoryError
            for index, column in enumerate(columns):
                if end > len(column):
                    column.resize(max(end, len(column) + len(column) // SHARE), refcheck=False)
                _take(batch.children[index].contents, batch.offset, column[n_rows:end])
            n_rows = end
        finally:
            batch.release(byref(batch))
    for column in columns:
        column.resize(n_rows, refcheck=False)
    return columns


def _take(child: Any, offset: int, into: Array) -> None:
    """Copy a column of a batch."""
    n, first = len(into), child.offset + offset
    if n == 0:
        return
    values = (c_double * (first + n)).from_address(child.buffers[1])
    into[:] = np.frombuffer(values, np.float64)[first:]
    if child.null_count and child.buffers[0]:
        size = (first + n + 7) // 8
        bits = np.frombuffer((ctypes.c_uint8 * size).from_address(child.buffers[0]), np.uint8)
        there = np.unpackbits(bits, bitorder="little")[first : first + n]
        into[there == 0] = np.nan
