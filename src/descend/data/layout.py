"""Which rows of a table are names, units and data, and what each column holds."""

from __future__ import annotations

import datetime
import re
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from descend.data.asked import Asked, Undecided
from descend.data.numerals import KNOWN, PLAIN, Numerals, admitted, choose, is_missing, is_number
from descend.errors import UsageError

__all__ = [
    "MOST_UNITS", "Layout", "Row", "column_kind", "from_names", "lay_out", "looked_at",
    "named_apart", "written",
]  # fmt: skip

# Of a longer or wider table as many rows and cells are looked at, from all of its length.
MOST_ROWS, LEAST_ROWS, MOST_CELLS = 2000, 60, 20_000
MOST_UNITS = 3  # rows of units, comments and the like under the names
TIME = re.compile(r"\d{4}-\d\d-\d\d([ T]\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:\d\d)?)?")
MOST_ABOVE = 100  # rows of titles and remarks above the names
UNSEEN = "\u200b\u2060\ufeff"  # signs without a width
RULE = re.compile(r"[-=_+|:*~]{3,}")
UNIT = re.compile(r"[^\W\d_]|[%°Ωµμ‰$€£\[(]")
WORDS = {"true", "false"}


class Row(NamedTuple):
    """A row of cells, texts or what a workbook holds, and the line of the file it stands in."""

    line: int
    cells: Sequence[Any]


class Layout(NamedTuple):
    """How a table is to be read.

    Attributes:
        names: of the columns, as they stand in the file; of those without one, column0, column1, ….
        first: the index of the first row of data among the rows.
        numerals: how numbers are written.
        rival: another way that reads other numbers in some cells.
        kinds: what each column holds: whole, number, mixed, truth, time or text.
        bare: whether the names do not stand in the file.
        notes: what the user should know.
        example: how a number is read that is not written as here, if there is one.
    """

    names: tuple[str, ...]
    first: int
    numerals: Numerals
    rival: Numerals | None
    kinds: tuple[str, ...]
    bare: bool
    notes: tuple[str, ...]
    example: str

    @property
    def told(self) -> tuple[str, ...]:
        """All that the user should know."""
        return (*self.notes, self.example) if self.example else self.notes


def lay_out(
    rows: Sequence[Row], how: Asked, path: str, above: Sequence[str] = (), semicolons: bool = False
) -> Layout:
    """Find names, units and data.

    Args:
        rows: of equal lengths, without comments and blank lines.
        above: names that a comment above the rows seems to give.
        semicolons: whether these part the columns.

    Raises:
        Undecided: it cannot be told whether the first row are names.
        UsageError: not as many names as columns.
    """
    width = len(rows[0].cells) if rows else len(above)
    numeric = [_is_numeric(rows[1:] or rows, j) for j in range(width)]
    head = how.header
    if head is None:
        head = _head(rows, numeric, path, how)
    units = head - 1 if head else 0
    if how.header is None and head:
        units = _units(rows, numeric)
    body = looked_at(rows[head and 1 + units :])
    columns = [[row.cells[j] for row in body] for j in range(width)]
    measured = [column for j, column in enumerate(columns) if _is_numeric(body, j)]
    texts = dict.fromkeys(text for c in measured for text in map(written, c) if text is not None)
    evidence = [text for text in texts if is_number(text)]
    ways = admitted(how.decimal, how.thousands) or KNOWN
    numerals, rival = choose(evidence, ways, semicolons)
    kinds = tuple(column_kind(column, numerals) for column in columns)
    names, bare = _names(rows, head, above, how, width, path)
    notes, example = [], ""
    if units and how.header is None:
        told = [row for row in rows[1 : 1 + units] if not _is_rule(row)]
        if told:
            notes.append(_left_out(told, path, ("holds units and no numbers", "hold units")))
    if numerals != PLAIN and evidence and rival is None and how.decimal is how.thousands is None:
        odd = next((text for text in evidence if PLAIN.value(text) is None), None)
        if odd is not None and numerals.reads(odd):
            example = f'"{odd}" is read as {numerals.value(odd):.15g}'
    return Layout(names, head and 1 + units, numerals, rival, kinds, bare, tuple(notes), example)


def looked_at(rows: Sequence[Row]) -> Sequence[Row]:
    """All rows of a short table; of a long one the first, and others from all of its length."""
    most = max(LEAST_ROWS, min(MOST_ROWS, MOST_CELLS // max(1, len(rows[0].cells) if rows else 1)))
    if len(rows) <= most:
        return rows
    half = most // 2
    return [*rows[:half], *rows[half :: (len(rows) - half) // half + 1], rows[-1]]


def written(cell: Any) -> str | None:
    """The text of a cell without blanks around it; None of a workbook's numbers and dates."""
    return cell.strip() if isinstance(cell, str) else None


def from_names(
    rows: list[Row], how: Asked, path: str, called: str = "line"
) -> tuple[list[Row], tuple[str, ...]]:
    """The rows from that on which has names that are wanted, and what is to be said of others."""
    if how.header is None and how.names is None:
        for index, row in enumerate(rows[:MOST_ABOVE]):
            if len(how.wanted.intersection(map(written, row.cells))) > 1:
                words = ("stands above the names", "stand above the names")
                notes = (_left_out(rows[:index], path, words, called),) if index else ()
                return rows[index:], notes
    return rows, ()


def _left_out(rows: Sequence[Row], path: str, words: tuple[str, str], called: str = "line") -> str:
    """What is said of rows that are no data; `words` of one row and of several."""
    first, last = rows[0].line, rows[-1].line
    shown = "; ".join(", ".join(filter(None, map(_shown, row.cells))) for row in rows)
    if len(rows) == 1:
        return f'{called} {first} of "{path}" {words[0]}, and is left out: {shown[:60]}'
    return f'{called}s {first} to {last} of "{path}" {words[1]}, and are left out: {shown[:60]}'


def _shown(cell: Any) -> str:
    """A cell as a name; a workbook's whole numbers, such as years, are floats."""
    if isinstance(cell, float) and cell.is_integer():
        cell = int(cell)
    return "" if cell is None else str(cell).strip().strip(UNSEEN)


def _is_rule(row: Row) -> bool:
    """Whether a row is a line drawn with signs, such as `----- -----`."""
    return all(RULE.fullmatch(_shown(cell)) for cell in row.cells)


def _known(cell: Any) -> bool:
    """Whether a cell holds something."""
    return cell is not None and not (isinstance(cell, str) and is_missing(cell.strip()))


def _number(cell: Any) -> bool:
    return is_number(cell.strip()) if isinstance(cell, str) else type(cell) in (int, float)


def _time(cell: Any) -> bool:
    if isinstance(cell, str):
        return TIME.fullmatch(cell.strip()) is not None
    return isinstance(cell, datetime.date | datetime.time | datetime.timedelta)


def _is_numeric(rows: Sequence[Row], j: int) -> bool:
    """Whether at least half of what a column holds are numbers."""
    cells = [row.cells[j] for row in looked_at(rows) if _known(row.cells[j])]
    return 0 < len(cells) <= 2 * sum(map(_number, cells))


def column_kind(cells: Sequence[Any], numerals: Numerals) -> str:
    """What a column holds; `mixed` are numbers and something else.

    >>> column_kind(["1", "NA", "2"], Numerals()), column_kind(["1.5", "?", "2"], Numerals())
    ('number', 'mixed')
    """
    known = [cell for cell in cells if _known(cell)]
    texts = [cell.strip() for cell in known if isinstance(cell, str)]
    if len(texts) == len(known) and known:
        if len(known) == len(cells) and all(re.fullmatch("[-+]?[0-9]+", text) for text in texts):
            return "whole"
        if all(text.lower() in WORDS for text in texts):
            return "truth"
    if all(isinstance(cell, bool) for cell in known) and known:
        return "truth"
    if all(map(_time, known)) and known:
        return "time"
    count = sum(
        type(cell) in (int, float) or (isinstance(cell, str) and numerals.value(cell) is not None)
        for cell in known
    )
    if count == len(known):
        return "number"
    return "mixed" if 2 * count >= len(known) else "text"


def _head(rows: Sequence[Row], numeric: Sequence[bool], path: str, how: Asked) -> int:
    """1 if the first row are names, 0 if it is data."""
    if not rows:
        return 0
    first = rows[0].cells
    if all(_number(cell) or _time(cell) or not _known(cell) for cell in first):
        return 0 if any(map(_known, first)) else 1
    if not any(numeric):
        return 1
    measured = [cell for cell, counts in zip(first, numeric, strict=True) if counts]
    if any(_known(cell) and not _number(cell) for cell in measured):
        return 1
    words = {j: written(cell) for j, cell in enumerate(first) if not numeric[j] and _known(cell)}
    if not any(map(_known, measured)) or not how.wanted.isdisjoint(map(written, first)):
        return 1
    if any(written(row.cells[j]) == word for row in rows[1:] for j, word in words.items()):
        return 0
    choices = ({"header": 1}, {"header": 0})
    raise Undecided(f'line {rows[0].line} of "{path}" may be names of columns, or data', choices)


def _units(rows: Sequence[Row], numeric: Sequence[bool]) -> int:
    """How many rows under the names hold no number where the others do."""
    count = 0
    for row in rows[1 : 1 + MOST_UNITS]:
        cells = [cell for cell, counts in zip(row.cells, numeric, strict=True) if counts]
        told = [cell for cell in cells if _known(cell)]
        if _is_rule(row):
            count += 1
            continue
        if not told or any(_number(cell) or _time(cell) for cell in told):
            break
        if not any(isinstance(cell, str) and UNIT.search(cell) for cell in told):
            break
        count += 1
    return count


def _names(
    rows: Sequence[Row], head: int, above: Sequence[str], how: Asked, width: int, path: str
) -> tuple[tuple[str, ...], bool]:
    if how.names is not None:
        if len(how.names) != width:
            raise UsageError(
                f'there {_are(len(how.names))} for the {width} columns of "{path}"',
                remedy="give each column a name, in order",
            )
        return how.names, False
    found: Sequence[Any] = rows[0].cells if head else above if len(above) == width else ()
    texts = [_shown(cell) for cell in found] or [""] * width
    bare = not any(texts)
    return tuple(text or f"column{j}" for j, text in enumerate(texts)), bare


def _are(count: int) -> str:
    return "is one name" if count == 1 else f"are {count} names"


def named_apart(names: Sequence[str]) -> Iterator[str]:
    """Names for a language to which upper and lower case are one.

    >>> list(named_apart(["t", "T", "x", "x"]))
    ['t', 'T_1', 'x', 'x_1']
    """
    taken = {name.casefold() for name in names}
    seen: set[str] = set()
    for name in names:
        other, count = name, 0
        while other.casefold() in seen or (count and other.casefold() in taken):
            count += 1
            other = f"{name}_{count}"
        seen.add(other.casefold())
        yield other
