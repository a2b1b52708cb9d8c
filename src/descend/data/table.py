"""An open table: its columns by name, as numbers, as labels, or as they are."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from descend.data.asked import Asked
from descend.data.numerals import PLAIN
from descend.errors import DataError, suggest

__all__ = ["Complaint", "PlainTable", "ReadAgain", "TableFile", "as_moments"]

Array = NDArray[Any]
MOST_NAMES = 12
DAY = datetime.date(1970, 1, 1)  # of times without one


class ReadAgain(Exception):
    """A table that turned out, on the way, to be written otherwise than its beginning promised."""


class Complaint(NamedTuple):
    """Why a column cannot be read as numbers.

    Attributes:
        name: of the column.
        kind: text, doubt, time, list or other.
        message: the whole sentence.
        texts: of the cells that are no numbers, with their rows; some of them if there are many.
        remedy: what to do, where no option helps.
        share: of the column's cells that are numbers.
    """

    name: str
    kind: str
    message: str
    texts: Sequence[tuple[int, str]] = ()
    remedy: str | None = None
    share: float = 0.0


Advice = Callable[["TableFile", Sequence[Complaint], Sequence[str]], str | None]


class TableFile:
    """An open table: `columns` are its names in order, `read` fetches some of them.

    Attributes:
        path: as the user wrote it.
        notes: what the user should know of how the file was read.
        bare: whether the names do not stand in the file.
        numerals: how its numbers are written.
        sql: the query whose result it is, if it is one.
        again: opens the same file with other options.
        advise: finds what to do about columns that are no numbers.
        files: that are read while its rows are asked for; none of what is in memory.
        lasting: whether its rows can be asked for again at little cost.
    """

    files: Sequence[str] = ()
    lasting = True

    def __init__(self, path: str, columns: Sequence[str], how: Asked) -> None:
        self.path = path
        self.columns = tuple(columns)
        self.how = how
        self.notes: tuple[str, ...] = ()
        self.bare = False
        self.twice: frozenset[str] = frozenset(
            name for name in self.columns if self.columns.count(name) > 1
        )
        self.numerals = PLAIN
        self.sql: str | None = None
        self.kept: Any = None
        self.again: Callable[[Asked, str | None], TableFile] | None = None
        self.advise: Advice | None = None

    def read(self, names: Iterable[str]) -> dict[str, Array]:
        """Return columns as float64 arrays of shape (rows,), missing values as NaN.

        Raises:
            DataError: a column is absent (with the nearest name) or holds no numbers (with
                samples and their rows).
        """
        wanted = list(dict.fromkeys(names))
        for name in wanted:
            self._check_known(name)
        found = self._numbers(wanted)
        complaints = [each for each in found if isinstance(each, Complaint)]
        if complaints:
            self._refuse(complaints, wanted)
        arrays = [each for each in found if not isinstance(each, Complaint)]
        return dict(zip(wanted, arrays, strict=True))

    def prepare(self, names: Sequence[str]) -> None:
        """Refuse what `batches` could not give, as `read` does."""
        self.read(names)

    @property
    def seeks(self) -> bool:
        """Whether `batches` can begin anywhere without reading what comes before."""
        return False

    def batches(
        self, names: Sequence[str], first: int = 0, alone: bool = False
    ) -> Iterator[Sequence[Array]]:
        """Give columns as `read` does, some rows at a time: arrays valid until the next are.

        Args:
            first: the row to begin with, where the table `seeks`.
            alone: whether the thread that asks does all the work, beside others that do the same.

        Raises:
            DataError: the rows cannot be read to their end.
            ReadAgain: what has been given does not count, and is to be asked for anew.
        """
        yield [*self.read(names).values()]

    def rows_about(self) -> float | None:
        """About how many rows there are, where that can be told without reading them."""
        return None

    def check_digits(self, name: str, largest: float) -> None:
        """Warn where a column has whole numbers that float64 rounds.

        Args:
            largest: of its numbers, without their signs.
        """

    def cancel(self, thread: int) -> None:
        """End what `batches` is waiting for in that thread."""

    def close(self) -> None:
        """Give up the files."""

    def everything(self) -> dict[str, Array]:
        """Return all columns: numbers as float64, moments as datetime64, others as texts."""
        for name in self.columns:
            self._check_known(name)
        return self._as_they_are()

    def labels(self, name: str) -> Array:
        """Return a column that names groups, numbers or text, of shape (rows,).

        Raises:
            DataError: the column is absent, or a label is missing.
        """
        self._check_known(name)
        labels = self._labels(name)
        missing = np.flatnonzero(labels == "") if labels.dtype.kind in "U" else None
        if missing is None:
            missing = np.flatnonzero(np.isnan(labels))
        if missing.size:
            raise DataError(
                f'the column "{name}" says no group in row {missing[0]}, counting from 0',
                remedy="leave out such rows, or name a group for them",
            )
        return labels

    def _check_known(self, name: str) -> None:
        if name not in self.columns:
            shown = ", ".join(self.columns[:MOST_NAMES])
            shown += " …" if len(self.columns) > MOST_NAMES else ""
            raise DataError(
                f'"{self.path}" has no column "{name}"{suggest(name, self.columns)}',
                remedy=f"its columns are {shown}",
            )
        if name in self.twice:
            raise DataError(
                f'"{self.path}" has more than one column "{name}"',
                remedy="give each its own name in the first line",
            )

    def _refuse(self, complaints: Sequence[Complaint], wanted: Sequence[str]) -> None:
        remedy = None if self.advise is None else self.advise(self, complaints, wanted)
        raise DataError("; ".join(each.message for each in complaints[:3]), remedy=remedy)

    def _numbers(self, names: Sequence[str]) -> Sequence[Array | Complaint]:
        """Columns as numbers, or why that is not possible."""
        raise NotImplementedError

    def _labels(self, name: str) -> Array:
        raise NotImplementedError

    def _as_they_are(self) -> dict[str, Array]:
        raise NotImplementedError


class PlainTable(TableFile):
    """A table of numbers in memory."""

    def __init__(self, path: str, values: dict[str, Array], how: Asked) -> None:
        super().__init__(path, tuple(values), how)
        self._values = values

    def _numbers(self, names: Sequence[str]) -> Sequence[Array | Complaint]:
        return [self._values[name] for name in names]

    def _labels(self, name: str) -> Array:
        return self._values[name]

    def _as_they_are(self) -> dict[str, Array]:
        return dict(self._values)


def as_moments(cells: Iterable[Any]) -> Array:
    """Dates and times, texts or Python's own, as datetime64 in UTC; missing ones as NaT."""
    found = []
    for cell in cells:
        if isinstance(cell, str):
            try:
                cell = datetime.datetime.fromisoformat(cell.strip())
            except ValueError:
                cell = None
        if isinstance(cell, datetime.time):
            cell = datetime.datetime.combine(DAY, cell)
        elif isinstance(cell, datetime.timedelta):
            cell = datetime.datetime.combine(DAY, datetime.time()) + cell
        if isinstance(cell, datetime.datetime) and cell.tzinfo is not None:
            cell = cell.astimezone(datetime.UTC).replace(tzinfo=None)
        found.append(np.datetime64("NaT" if cell is None else cell, "us"))
    return np.array(found, "datetime64[us]")
