"""What rows come from, as a stream sees it: batches of any lengths, and whether again."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from descend.data.table import ReadAgain, TableFile
from descend.data.validate import EXACT, real_array
from descend.errors import DataError, suggest, warn

__all__ = ["FileSource", "MemorySource", "Source", "as_floats", "check_equal", "check_known"]

Array = NDArray[Any]
MOST_NAMES = 12


class Source:
    """Rows of some columns.

    Attributes:
        called: what the user calls it, in sentences.
        names: of the columns, in the order in which they are given.
        why_kept: why the rows are written to a scratch file at the first pass; empty where they
            are read anew at every pass.
        notes: what the user should know of how it was read.
        in_memory: whether it is held in memory anyway.
    """

    def __init__(self, called: str, names: Sequence[str], why_kept: str = "") -> None:
        self.called, self.names, self.why_kept = called, tuple(names), why_kept
        self.notes: tuple[str, ...] = ()
        self.in_memory = False
        self.lost: dict[str, None] = {}

    def batches(self) -> Iterator[Sequence[Array]]:
        """Give all rows once, in order: float64 of shape (rows,), valid until the next are.

        Raises:
            DataError: the source does not hold what it promised.
            ReadAgain: what has been given does not count, and is to be asked for anew.
        """
        raise NotImplementedError

    @property
    def seeks(self) -> bool:
        """Whether `batches_from` can begin anywhere without reading what comes before."""
        return False

    @property
    def n_files(self) -> int:
        """How many files it consists of."""
        return 0

    def batches_from(self, first: int, alone: bool = False) -> Iterator[Sequence[Array]]:
        """The same from a row on, where the source `seeks`.

        Args:
            alone: whether the thread that asks does all the work, beside others that do the same.
        """
        raise NotImplementedError

    def rows_about(self) -> float | None:
        """About how many rows there are, where that can be told without reading them."""
        return None

    def check(self) -> None:
        """Refuse a source that is no longer what it was."""

    def differs(self, what: str) -> DataError:
        """What to say where a pass gave other rows than the first."""
        return DataError(f"{self.called} has changed while it was read: {what}", remedy=_AT_REST)

    def check_digits(self, name: str, largest: float) -> None:
        """Warn where a column has whole numbers that float64 rounds."""
        if name in self.lost:
            warn(
                f'the column "{name}" holds whole numbers beyond 2**53, which floats do not hold '
                "exactly; subtract a common part from them first"
            )

    def cancel(self, thread: int) -> None:
        """End what `batches` is waiting for in that thread."""

    def close(self) -> None:
        """Give up what is held."""

    def _floats(self, value: Any, name: str) -> Array:
        return as_floats(value, name, self.lost)


_AT_REST = "begin anew when nothing writes to it"


class MemorySource(Source):
    """Columns in memory."""

    def __init__(self, called: str, columns: dict[str, Array]) -> None:
        super().__init__(called, tuple(columns))
        self.in_memory = True
        self._columns = columns
        check_equal("the columns have", columns)

    def batches(self) -> Iterator[Sequence[Array]]:
        yield [self._floats(column, name) for name, column in self._columns.items()]

    def rows_about(self) -> float | None:
        return float(len(next(iter(self._columns.values()), ())))


class FileSource(Source):
    """A table in files, or the result of a query over them."""

    def __init__(self, table: TableFile, names: Sequence[str]) -> None:
        why = "" if table.lasting else "reading it takes longer than reading its numbers"
        if table.sql is not None:
            why = "the query is run once"
        super().__init__(f'"{table.path}"', names, why)
        self._table, self.sql = table, table.sql
        self.notes, self.in_memory = table.notes, not table.files
        self.seen = [_Seen.of(file) for file in table.files]
        table.prepare(names)

    @property
    def path(self) -> str:
        """As the user wrote it."""
        return self._table.path

    @property
    def seeks(self) -> bool:
        return self._table.seeks

    def batches(self) -> Iterator[Sequence[Array]]:
        return self.batches_from(0)

    @property
    def n_files(self) -> int:
        return len(self.seen)

    def batches_from(self, first: int, alone: bool = False) -> Iterator[Sequence[Array]]:
        try:
            yield from self._table.batches(self.names, first, alone)
        except ReadAgain:
            self._table.prepare(self.names)  # a column may hold text after all
            raise

    def rows_about(self) -> float | None:
        return self._table.rows_about()

    def check(self) -> None:
        for seen in self.seen:
            seen.check()

    def check_digits(self, name: str, largest: float) -> None:
        self._table.check_digits(name, largest)

    def cancel(self, thread: int) -> None:
        self._table.cancel(thread)

    def close(self) -> None:
        self._table.close()


class _Seen(NamedTuple):
    """A file as it was."""

    path: str
    size: int
    moment: int

    @classmethod
    def of(cls, path: str) -> _Seen:
        now = os.stat(path)
        return cls(path, now.st_size, now.st_mtime_ns)

    def check(self) -> None:
        try:
            now = _Seen.of(self.path)
        except OSError:
            raise DataError(
                f'"{self.path}" is no longer there, and was being read', remedy="put it back"
            ) from None
        if now != self:
            raise DataError(f'"{self.path}" has changed while it was read', remedy=_AT_REST)


def as_floats(value: Any, name: str, lost: dict[str, None]) -> Array:
    """A column as float64 of shape (rows,), None as NaN.

    Args:
        lost: takes the name of a column whose whole numbers are rounded.

    Raises:
        DataError: it holds no numbers, or more than one a row.

    >>> as_floats([1, None], "x", {}), as_floats(np.array([True]), "x", {})
    (array([ 1., nan]), array([1.]))
    """
    masked = isinstance(getattr(value, "mask", None), np.ndarray)
    array = value if type(value) is np.ndarray or masked else np.asarray(value)
    if masked or array.dtype.kind not in "iubf":
        floats = real_array(value, f'the column "{name}"')
    elif array.dtype.kind in "iu" and array.dtype.itemsize == 8 and array.size:
        floats = array.astype(np.float64)
        if (
            max(floats.max(), -floats.min()) >= EXACT
            and (floats.astype(object) != array.astype(object)).any()
        ):
            lost[name] = None
    else:
        floats = array.astype(np.float64, copy=False)
    if floats.ndim != 1:
        raise DataError(
            f'the column "{name}" has the shape {floats.shape}: one number a row is needed',
            remedy="give each column an array of its own",
        )
    return floats


def check_equal(
    said: str, columns: Mapping[str, Sequence[Any] | Array], each: str = "each column"
) -> None:
    """Refuse columns of unequal lengths; `said` is whose they are, `each` what one is called."""
    lengths = {name: len(column) for name, column in columns.items()}
    if len({*lengths.values()}) > 1:
        told = ", ".join(f"{name} {length}" for name, length in lengths.items())
        raise DataError(
            f"{said} unequal numbers of rows: {told}",
            remedy=f"give {each} one entry for each row",
        )


def check_known(called: str, name: str, known: Sequence[str]) -> None:
    """Refuse a column that is not there."""
    if name not in known:
        shown = ", ".join(known[:MOST_NAMES])
        shown += " …" if len(known) > MOST_NAMES else ""
        raise DataError(
            f'{called} has no column "{name}"{suggest(name, known)}',
            remedy=f"its columns are {shown}",
        )
