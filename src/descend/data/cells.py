"""Tables whose cells are in memory: small text files, sheets of workbooks."""

from __future__ import annotations

import datetime
import math
import re
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from descend.data.asked import Asked
from descend.data.layout import Layout, Row, written
from descend.data.numerals import KNOWN, Numerals, admitted, choose, is_number
from descend.data.quoting import identifier, in_shell
from descend.data.table import Complaint, TableFile, as_moments
from descend.data.validate import EXACT
from descend.errors import warn

__all__ = ["CellTable", "MOST_SHOWN", "held_text", "holds_times", "lost_digits", "two_ways"]

Array = NDArray[Any]
MOST_SHOWN = 3
SECONDS = (
    "turn it into seconds since the first, so that a rate is one per second (/ 86400 for days)"
)


class CellTable(TableFile):
    """Rows of cells, and how they are laid out."""

    def __init__(self, path: str, rows: Sequence[Row], layout: Layout, how: Asked) -> None:
        super().__init__(path, layout.names, how)
        self.layout, self.notes, self.bare = layout, layout.told, layout.bare
        self.numerals = layout.numerals
        self._rows = rows[layout.first :]

    def cells(self, index: int) -> list[Any]:
        """The cells of a column."""
        return [row.cells[index] for row in self._rows]

    def _numbers(self, names: Sequence[str]) -> Sequence[Array | Complaint]:
        found = [self._column(name) for name in names]
        if any(isinstance(each, Complaint) and each.kind in ("text", "doubt") for each in found):
            # Only some rows were looked at: all of these columns may tell how they are written.
            texts = [written(cell) for name in names for cell in self.cells(self._index(name))]
            told = [text for text in texts if text is not None and is_number(text)]
            ways = admitted(self.how.decimal, self.how.thousands) or KNOWN
            numerals, rival = choose(told, ways, self.layout.rival is not None)
            if self.layout.rival is None or rival is None:
                self.layout = self.layout._replace(numerals=numerals, rival=rival)
                self.numerals = numerals
                found = [self._column(name) for name in names]
        return found

    def _index(self, name: str) -> int:
        return self.columns.index(name)

    def _column(self, name: str) -> Array | Complaint:
        cells = self.cells(self._index(name))
        numerals, rival = self.layout.numerals, self.layout.rival
        found = np.full(len(cells), np.nan)
        wrong: list[tuple[int, str]] = []
        for row, cell in enumerate(cells):
            if isinstance(cell, str):
                value = numerals.value(cell)
                if value is None:
                    value = {"true": 1.0, "false": 0.0}.get(cell.strip().lower())
                if value is None:
                    wrong.append((row, cell))
                    continue
                if rival is not None and (told := two_ways(name, cell, row, numerals, rival)):
                    return told
                found[row] = value
            elif isinstance(cell, datetime.date | datetime.time | datetime.timedelta):
                return holds_times(name, f"such as {cell}")
            elif cell is not None:
                found[row] = cell
        if not wrong:
            if (np.abs(found) >= EXACT).any():
                self._warn_of_lost_digits(name, cells)
            return found
        if self.layout.kinds[self._index(name)] == "time":
            return holds_times(name, f"such as {wrong[0][1].strip()}")
        return held_text(name, wrong, len(wrong), 1 - len(wrong) / len(cells))

    def _warn_of_lost_digits(self, name: str, cells: Sequence[Any]) -> None:
        lost = [
            (row, int(text)) for row, cell in enumerate(cells)
            if (text := written(cell)) and re.fullmatch("[-+]?[0-9]+", text)
            and int(text) != float(text)
        ]  # fmt: skip
        if lost:
            lost_digits(name, *lost[0], len(lost), self.how.shell)

    def _labels(self, name: str) -> Array:
        if self.layout.kinds[self._index(name)] in ("number", "whole", "truth"):
            (found,) = self._numbers([name])
            if not isinstance(found, Complaint):
                return found
        return _texts(self.cells(self._index(name)))

    def _as_they_are(self) -> dict[str, Array]:
        found: dict[str, Array] = {}
        for name in self.columns:
            (column,) = self._numbers([name])
            if isinstance(column, Complaint) and column.kind == "doubt":
                self._refuse([column], [name])
            if isinstance(column, Complaint):
                cells = self.cells(self._index(name))
                moments = column.kind == "time"
                column = as_moments(cells) if moments else _texts(cells)
            found[name] = column
        return found

    def in_query(self) -> dict[str, Array]:
        """Columns as a query knows them: numbers, moments, and texts of what is neither."""
        return {
            name: column if not isinstance(column, Complaint) else _texts(self.cells(index))
            for index, (name, column) in enumerate(zip(self.columns, self._typed(), strict=True))
        }

    def _typed(self) -> list[Array | Complaint]:
        found: list[Array | Complaint] = []
        for index, name in enumerate(self.columns):
            column = self._column(name)
            if isinstance(column, Complaint) and column.kind == "time":
                column = as_moments(self.cells(index))
            found.append(column)
        return found


def _texts(cells: Sequence[Any]) -> Array:
    """Cells as texts, empty where nothing stands."""
    return np.array(["" if cell is None else str(cell).strip() for cell in cells], np.str_)


def held_text(name: str, wrong: Sequence[tuple[int, str]], count: int, share: float) -> Complaint:
    """The complaint about text in a column."""
    shown = ", ".join(f'"{_short(text)}" in row {row}' for row, text in wrong[:MOST_SHOWN])
    more = f" ({count} rows in all)" if count > MOST_SHOWN else ""
    message = f'the column "{name}" holds text: {shown}{more}, counting from 0'
    return Complaint(name, "text", message, wrong, share=share)


def holds_times(name: str, kind: str) -> Complaint:
    """The complaint about dates and times."""
    return Complaint(
        name, "time", f'the column "{name}" holds dates or times ({kind})', (), SECONDS
    )


def two_ways(name: str, text: str, row: int, first: Numerals, rival: Numerals) -> Complaint | None:
    """The complaint about a number that can be read in two ways, if it can."""
    value, other = first.value(text), rival.value(text)
    if value is None or other is None or value == other or math.isnan(value):
        return None
    message = (
        f'the column "{name}" can be read in two ways: "{text.strip()}" in row {row} is '
        f"{value:.15g} or {other:.15g}"
    )
    return Complaint(name, "doubt", message, [(row, text)])


def lost_digits(name: str, row: int, value: int, count: int, shell: bool) -> None:
    """Warn of whole numbers that float64 rounds."""
    more = f" ({count} rows in all)" if count > 1 else ""
    column = identifier(name)
    query = in_shell("sql", f"SELECT * REPLACE ({column} - {value} AS {column}) FROM data")
    warn(
        f'the column "{name}" holds whole numbers beyond 2**53, which floats do not hold exactly: '
        f"{value} in row {row}{more}, counting from 0; subtract a common part from them first"
        + (f": {query}" if shell else "")
    )


def _short(text: str) -> str:
    return text if len(text) <= 30 else text[:28] + "…"
