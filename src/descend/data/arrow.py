"""Columns of floats out of an Arrow stream, a batch at a time, without a library for it.

The structures are those of Arrow's C data interface
(https://arrow.apache.org/docs/format/CDataInterface.html, CStreamInterface.html).
"""

from __future__ import annotations

import ctypes
from collections.abc import Iterator, Sequence
from ctypes import (
    CFUNCTYPE,
    POINTER,
    Structure,
    byref,
    c_char_p,
    c_int,
    c_int64,
    c_uint8,
    c_void_p,
)
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = ["ArrowStream", "Field", "StreamError", "float_columns"]

Array = NDArray[Any]
FIRST_ROWS = 1 << 16
SHARE = 32  # arrays grow by one part in as many: what is not used of them stays small
NUMBERS = {
    "c": np.int8, "C": np.uint8, "s": np.int16, "S": np.uint16, "i": np.int32, "I": np.uint32,
    "l": np.int64, "L": np.uint64, "e": np.float16, "f": np.float32, "g": np.float64,
}  # fmt: skip
"""By the format of a column of numbers: what NumPy calls them."""
TRUTHS, NOTHING, DECIMAL = "b", "n", "d:"
TEXTS = ("u", "U", "vu", "z", "Z", "vz", "w:")


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


class _Schema(Structure):
    """`ArrowSchema`."""


_Schema._fields_ = [
    ("format", c_char_p), ("name", c_char_p), ("metadata", c_void_p), ("flags", c_int64),
    ("n_children", c_int64), ("children", POINTER(POINTER(_Schema))), ("dictionary", c_void_p),
    ("release", CFUNCTYPE(None, POINTER(_Schema))), ("private_data", c_void_p),
]  # fmt: skip


class _Stream(Structure):
    """`ArrowArrayStream`."""


_Stream._fields_ = [
    ("get_schema", CFUNCTYPE(c_int, POINTER(_Stream), POINTER(_Schema))),
    ("get_next", CFUNCTYPE(c_int, POINTER(_Stream), POINTER(_Batch))),
    ("get_last_error", CFUNCTYPE(c_char_p, POINTER(_Stream))), ("release", c_void_p),
    ("private_data", c_void_p),
]  # fmt: skip


class Field(NamedTuple):
    """A column of a stream: its name, and how Arrow writes its values."""

    name: str
    format: str
    coded: bool

    @property
    def kind(self) -> str:
        """Of what is no number, NumPy's letter for it: U, M, m or O; of numbers f."""
        if self.format.startswith(TEXTS):
            return "U"
        if self.coded:
            return "O"
        if self.format.startswith("t"):
            return "m" if self.format.startswith(("tD", "ti")) else "M"
        plain = self.format in NUMBERS or self.format in (TRUTHS, NOTHING)
        return "f" if plain or _decimal(self.format) else "O"


class ArrowStream:
    """A stream of batches, each some rows of all its columns.

    Args:
        capsule: what `__arrow_c_stream__()` returned.

    Raises:
        StreamError: it holds no table, or failed, in its words.
    """

    def __init__(self, capsule: object) -> None:
        pointer = ctypes.pythonapi.PyCapsule_GetPointer
        pointer.restype, pointer.argtypes = c_void_p, [ctypes.py_object, c_char_p]
        self._capsule = capsule
        self._stream = _Stream.from_address(pointer(capsule, b"arrow_array_stream"))
        schema = _Schema()
        self._check(self._stream.get_schema(byref(self._stream), byref(schema)))
        try:
            if schema.format != b"+s":
                raise StreamError("the stream holds one column without a name, and no table")
            fields = [schema.children[j].contents for j in range(schema.n_children)]
            self.fields = [
                Field((f.name or b"").decode(), f.format.decode(), bool(f.dictionary))
                for f in fields
            ]
        finally:
            schema.release(byref(schema))

    def _check(self, code: int) -> None:
        if code:
            told = self._stream.get_last_error(byref(self._stream)) or b"the stream ended early"
            raise StreamError(told.decode("utf-8", "replace"))

    def batches(self, chosen: Sequence[int], whole: int = 0) -> Iterator[list[Array]]:
        """Give the rows once, as float64 with NaN for missing values.

        Args:
            chosen: the numbers of the columns that are wanted, all of numbers.
            whole: how many of the first of these are given as the whole numbers that they are;
                none of their values may be missing.

        Returns:
            arrays of shape (rows of the batch,), valid until the next batch is asked for.

        Raises:
            StreamError: the stream ended with an error, in its words.
        """
        formats = [self.fields[j].format for j in chosen]
        while True:
            batch = _Batch()
            self._check(self._stream.get_next(byref(self._stream), byref(batch)))
            if not batch.release:
                return
            try:
                yield [
                    (_whole if place < whole else _floats)(
                        batch.children[j].contents, how, batch.offset, batch.length
                    )
                    for place, (j, how) in enumerate(zip(chosen, formats, strict=True))
                ]
            finally:
                batch.release(byref(batch))


def float_columns(capsule: object, count: int, most: float = np.inf) -> list[Array]:
    """Read the first `count` columns of a stream, all numbers; missing values become NaN.

    Args:
        capsule: what `__arrow_c_stream__()` returned.
        most: bytes of all columns together.

    Raises:
        StreamError: the stream ended with an error, in its words.
        MemoryError: there is more.
    """
    columns = [np.empty(FIRST_ROWS) for _ in range(count)]
    n_rows = 0
    for batch in ArrowStream(capsule).batches(range(count)):
        end = n_rows + len(batch[0])
        if 8 * count * end > most:
            raise MemoryError
        for column, values in zip(columns, batch, strict=True):
            if end > len(column):
                column.resize(max(end, len(column) + len(column) // SHARE), refcheck=False)
            column[n_rows:end] = values
        n_rows = end
    for column in columns:
        column.resize(n_rows, refcheck=False)
    return columns


def _whole(child: Any, how: str, offset: int, n: int) -> Array:
    """A column of whole numbers, none of which is missing."""
    return _values(child, how, child.offset + offset, n) if n else np.empty(0, np.int64)


def _decimal(how: str) -> tuple[int, int] | None:
    """The digits behind the point of a decimal number, and its bytes."""
    if not how.startswith(DECIMAL):
        return None
    _, scale, *bits = map(int, how[len(DECIMAL) :].split(","))
    size = (bits or [128])[0] // 8
    return (scale, size) if size <= 16 else None


def _floats(child: Any, how: str, offset: int, n: int) -> Array:
    """A column of a batch: what stands there, where it is float64 without gaps."""
    first = child.offset + offset
    if n == 0 or how == NOTHING:
        return np.full(n, np.nan)
    values = _values(child, how, first, n)
    if child.null_count and child.buffers[0]:
        values = values.astype(np.float64)
        values[~_bits(child.buffers[0], first, n)] = np.nan
    return values.astype(np.float64, copy=False)


def _values(child: Any, how: str, first: int, n: int) -> Array:
    place = child.buffers[1]
    if how == TRUTHS:
        return _bits(place, first, n)
    if (decimal := _decimal(how)) is not None:
        scale, size = decimal
        if size <= 8:
            return _at(place, np.dtype(f"i{size}"), first, n) / 10.0**scale
        low, high = _at(place, np.dtype("i8"), 2 * first, 2 * n).reshape(n, 2).T
        if (high == low >> 63).all():  # whole numbers of 64 bits: rounded by one division alone
            return low / 10.0**scale
        return (high * 2.0**64 + low.astype(np.uint64)) / 10.0**scale
    return _at(place, np.dtype(NUMBERS[how]), first, n)


def _at(place: int, kind: np.dtype[Any], first: int, n: int) -> Array:
    """Numbers as they stand in memory."""
    size = kind.itemsize
    held = (c_uint8 * (n * size)).from_address(place + first * size)
    return np.frombuffer(memoryview(held), kind)


def _bits(place: int, first: int, n: int) -> NDArray[np.bool_]:
    begin = first // 8
    found = _at(place, np.dtype(np.uint8), begin, (first + n + 7) // 8 - begin)
    bits = np.unpackbits(found, bitorder="little")
    return bits[first - 8 * begin :][:n].astype(bool)
