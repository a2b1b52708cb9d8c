"""Tables in text: which sign parts the columns, which lines are comments, and the cells."""

from __future__ import annotations

import csv
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

from descend.data.asked import Asked, Undecided
from descend.data.layout import MOST_UNITS, Layout, Row, from_names, lay_out
from descend.data.numerals import is_missing, is_number
from descend.errors import DataError

__all__ = ["Dialect", "Lines", "cells_of", "read_rows", "sniff", "without_remark"]

SEPARATORS = (",", ";", "\t", "|", " ", ":")
"""In the order in which they are preferred where several do as well; a blank is any blanks."""
MOST_LINES = 200  # that are looked at to find the separator
COMMENTS = ("#", "%", "!", "//")
MARKS = "".join(sign[0] for sign in COMMENTS)
BEHIND = re.compile(r"\s(?:#|//)(?:\s|$)")  # a number: `3.5 # a remark`
ERRORS = ("#N/A", "#NA", "#DIV/0!", "#VALUE!", "#REF!", "#NAME?", "#NUM!", "#NULL!")  # of Excel
SAYS_SEPARATOR = re.compile(r'\s*"?sep=(.)"?[,;|\s]*', re.I)
BEFORE_NAME = re.compile(r"\s+(?![(\[])")
WIDE = re.compile(r"\s{2,}|\t")


class Lines(NamedTuple):
    """The rows of a text, and what stands beside them.

    Attributes:
        rows: cells with the number of their line, counted from 1.
        above: the comments before the first row, without their sign.
        within: whether comments stand between the rows, or behind them.
        gaps: whether there are rows of nothing but separators, which are left out.
        unclosed: the line in which a quoted cell begins that does not end; 0 if there is none.
    """

    rows: list[Row]
    above: Sequence[str]
    within: bool
    gaps: bool
    unclosed: int


class Dialect(NamedTuple):
    """How a text is cut into cells, and what they are."""

    sep: str
    width: int
    lines: Lines
    layout: Layout

    @property
    def body(self) -> list[Row]:
        """The rows of data."""
        return self.lines.rows[self.layout.first :]

    @property
    def skipped(self) -> int:
        """How many rows stand above the data, comments and empty lines among them."""
        rows, first = self.lines.rows, self.layout.first
        last = rows[first - 1] if self.body or not rows else rows[-1]
        begin: int = self.body[0].line - 1 if self.body else last.line
        # A cell in quotes may go over several lines.
        further: int = sum(cell.count("\n") for row in rows[:first] for cell in row.cells)
        return begin - further

    @property
    def units(self) -> tuple[str, ...]:
        """What stands in the row under the names, if that holds no numbers."""
        rows = self.lines.rows[1 : self.layout.first]
        return tuple(map(str.strip, rows[0].cells)) if rows else ()


def sniff(lines: Sequence[str], how: Asked, path: str, head: int | None = None) -> Dialect:
    """Find out how a text is to be read.

    Args:
        lines: of the file: all, or the first and some later ones.
        head: how many are the first ones, if they are not all.

    Raises:
        DataError: rows of unequal lengths, with their line.
        Undecided: the text can be read in more than one way.
    """
    skip = how.skip or 0
    sep = how.sep
    if skip < len(lines) and (said := SAYS_SEPARATOR.fullmatch(lines[skip].strip("\ufeff\r\n"))):
        sep, skip = sep or said[1], skip + 1
    if sep is None:
        sep = _separator(lines[skip : skip + MOST_LINES])
    found = read_rows(lines, sep, skip)
    if found.unclosed and head is None:
        raise DataError(
            f'a quoted cell begins in line {found.unclosed} of "{path}" and does not end',
            remedy="correct that line; a quotation mark within a quoted text is written twice",
        )
    if not found.rows:
        raise DataError(f'"{path}" holds no table: it has no line but comments')
    rows, notes = from_names(found.rows, how, path)
    if head is not None:
        # A piece from further on may begin within a quoted cell.
        width = _width(rows)
        rows = [row for row in rows if row.line <= head or len(row.cells) == width]
    rows, width = _even(rows, head is None)
    rows = [_header(rows, lines, width, sep, how), *rows[1:]]
    rows = _with_short_units(rows, width)
    _check_even(rows, width, path, sep, how)
    found = found._replace(rows=rows)
    above = _names_above(found.above, sep, width, how)
    layout = lay_out(rows, how, path, above, sep == ";")
    return Dialect(sep, width, found, layout._replace(notes=(*notes, *layout.notes)))


def read_rows(lines: Iterable[str], sep: str, skip: int = 0) -> Lines:
    """Cut lines into cells, without empty lines and comments."""
    rows: list[Row] = []
    above, within, gaps = list[str](), False, False
    begun = unclosed = 0  # the line in which the row began that is being read

    def told() -> Iterator[str]:
        nonlocal within, gaps, begun, unclosed
        seen = False
        for number, line in enumerate(lines, start=1):
            if begun:  # a quoted cell goes on, whatever the line looks like
                yield line
                continue
            line = line.lstrip("\ufeff")
            text = line.lstrip(" \t")
            if number <= skip or not text.strip(" \t\r\n\x1a"):  # which ends files of DOS
                gaps = gaps or (number > skip and sep in line)
                continue
            marked = text[0] in MARKS or "#" in line or "//" in line
            plain = without_remark(line, sep) if marked else line
            if not plain and not seen:
                above.append(text.strip().lstrip("".join(COMMENTS)).strip())
            within = within or (seen and plain != line)
            if plain:
                seen, begun = True, number
                yield plain
        unclosed = begun

    for cells in cells_of(told(), sep):
        if any(map(str.strip, cells)):
            rows.append(Row(begun, cells))
        else:
            gaps = True
        begun = 0
    return Lines(rows, above, within, gaps, unclosed)


def without_remark(line: str, sep: str) -> str:
    """A line without the remark behind its last number; nothing of a comment.

    >>> without_remark("1,2.5 # the first", ","), without_remark("# 1,2.5", ",")
    ('1,2.5', '')
    """
    text = line.lstrip()
    if text.startswith(COMMENTS) and not text.startswith(ERRORS):
        return ""
    if ("#" in line or "//" in line) and '"' not in line and (found := BEHIND.search(line)):
        before = line[: found.start()]
        if is_number(before.split(None if sep == " " else sep)[-1].strip()):
            return before
    return line


def cells_of(lines: Iterable[str], sep: str) -> Iterator[list[str]]:
    """Cells of lines; quotes may hold separators and ends of lines.

    >>> [*cells_of(["1  2", '3 "a b"'], " ")]
    [['1', '2'], ['3', 'a b']]
    """
    if sep != " ":
        try:
            yield from csv.reader(lines, delimiter=sep, skipinitialspace=sep != "\t")
        except csv.Error as error:
            raise DataError(f"a cell is too long to be one: {error}") from error
        return
    for line in lines:
        if '"' not in line:
            yield line.split()
        else:
            plain = " ".join(line.split())
            yield next(csv.reader([plain], delimiter=" ", skipinitialspace=True))


def _separator(lines: Sequence[str]) -> str:
    """The sign that cuts the lines into equally many cells, most of them numbers."""
    best, found = -1.0, ","
    for sep in SEPARATORS:
        rows = [row.cells for row in read_rows(lines, sep).rows]
        if not rows:
            continue
        width = _width([Row(0, cells) for cells in rows])
        if width < 2:
            continue
        even = sum(len(_trimmed(cells, width)) == width for cells in rows) / len(rows)
        later = [cell.strip() for cells in rows[1:] or rows for cell in cells]
        value = sum(map(_worth, later)) / max(1, len(later))
        head = len(_trimmed(rows[0], width)) == width
        if sep == ":" and (not head or any(map(is_number, rows[0]))):  # times of a day
            continue
        score = round(even + 2 * value + head / 2, 2)
        if score > best:
            best, found = score, sep
    return found


def _worth(cell: str) -> float:
    """How much a cell looks like one."""
    if is_number(cell):
        return 0.9 if " " in cell else 1.0
    if is_missing(cell):
        return 0.75
    return 0.5 if re.fullmatch(r"[^,;|\t]*", cell) else 0.0


def _width(rows: Sequence[Row]) -> int:
    """How many cells most rows have; where as many rows have more, that many."""
    counts = Counter(len(row.cells) for row in rows)
    most = max(counts.values())
    return max(width for width, count in counts.items() if count == most)


def _trimmed(cells: Sequence[str], width: int) -> Sequence[str]:
    """The cells without empty ones beyond the last column."""
    if len(cells) > width and not any(cell.strip() for cell in cells[width:]):
        return cells[:width]
    return cells


def _even(rows: Sequence[Row], whole: bool) -> tuple[list[Row], int]:
    """The rows without empty cells beyond the last column, and how many columns there are.

    Args:
        whole: whether these are all rows of the file.
    """
    width = _width(rows)
    counts = {len(row.cells) for row in rows}
    if whole and width - 1 in counts and width > 2:
        # Separators behind the last column, in some of the lines.
        beyond = [row.cells[width - 1] for row in rows if len(row.cells) >= width]
        width -= not any(map(str.strip, beyond))
    fitted = [
        row if len(row.cells) <= width else row._replace(cells=_trimmed(row.cells, width))
        for row in rows
    ]
    return fitted, width


def _header(rows: Sequence[Row], lines: Sequence[str], width: int, sep: str, how: Asked) -> Row:
    """The first row, with as many cells as the others where that can be seen."""
    line, cells = rows[0]
    if len(cells) == width or len(rows) == 1:
        return rows[0]
    if how.header and how.names is not None and len(how.names) == width:
        return Row(line, how.names)
    if sep == " " and len(cells) > width:
        for names in _worded(lines[line - 1].strip()):
            if len(names) == width:
                return Row(line, names)
        return rows[0]
    if len(cells) == width - 1 and not any(row.cells[-1].strip() for row in rows[1:]):
        return Row(line, [*cells, ""])
    return rows[0]


def _worded(text: str) -> tuple[list[str], list[str]]:
    """Names of several words, such as `time (s)`.

    They are parted by more than one blank, or by a tab; or what stands in brackets belongs to the
    name before it.
    """
    return WIDE.split(text), BEFORE_NAME.split(text)


def _with_short_units(rows: list[Row], width: int) -> list[Row]:
    """The rows, with those of units under the names as long as the others."""
    if len(rows[0].cells) != width or any(map(is_number, rows[0].cells)):
        return rows
    fitted = list(rows)
    for index in range(1, min(1 + MOST_UNITS, len(rows) - 1)):
        line, cells = rows[index]
        if any(is_number(cell.strip()) for cell in cells):
            break
        if len(cells) != width:
            kept = [*cells[: width - 1], " ".join(cells[width - 1 :])]
            fitted[index] = Row(line, kept + [""] * (width - len(kept)))
    return fitted


def _names_above(comments: Sequence[str], sep: str, width: int, how: Asked) -> Sequence[str]:
    """The names that a comment above the numbers gives, as `np.savetxt(header=…)` writes it.

    Of several, that with the names of the formula counts, else the last.
    """
    found: list[list[str]] = []
    for comment in filter(None, comments):
        for sign in (sep, " ", ",", "\t", ";"):
            names = [name.strip() for name in next(cells_of([comment], sign), [])]
            if len(names) == width and not all(map(is_number, names)):
                found.append(names)
                break
        else:
            found += [names for names in _worded(comment) if len(names) == width][:1]
    return max(reversed(found), key=lambda names: len(how.wanted.intersection(names)), default=())


def _check_even(rows: Sequence[Row], width: int, path: str, sep: str, how: Asked) -> None:
    """Refuse rows that are not as long as the others."""
    odd = [index for index, row in enumerate(rows) if len(row.cells) != width]
    if not odd:
        return
    row, after = rows[odd[0]], odd[-1] + 1
    has = f'line {row.line} of "{path}" has {_fields(len(row.cells))}'
    if len(rows) - after >= 2 and not any(_all_numbers(row.cells) for row in rows[:after]):
        # Lines above the table, or names that do not fit it.
        _check_commas(has, row, rows[after], sep)
        lines = f"the lines from {rows[after].line} on have {_fields(width)}"
        raise Undecided(f"{has}, and {lines}", _choices(rows, odd, width, sep, how))
    whole = odd[0] == 0 or _all_numbers(rows[0].cells)
    raise DataError(
        f"{has}, and {'the others have' if whole else 'the header has'} {width}",
        remedy=f"correct that line; a text that contains a {_called(sep)} stands in quotes",
    )


def _check_commas(has: str, head: Row, body: Row, sep: str) -> None:
    """Refuse decimal commas between commas."""
    names, cells = len(head.cells), [cell.strip() for cell in body.cells]
    twice = len(cells) == 2 * names and all(map(str.isdigit, cells[1::2]))
    whole = names < len(cells) < 2 * names and all(c.lstrip("+-").isdigit() for c in cells)
    if sep == "," and names > 1 and (twice or whole):
        raise DataError(
            f"{has}, and the others have {len(cells)}: decimal commas and commas between "
            "columns cannot be told apart",
            remedy="write the file with semicolons between the columns, or with decimal points",
        )


def _choices(
    rows: Sequence[Row], odd: Sequence[int], width: int, sep: str, how: Asked
) -> list[dict[str, Any]]:
    """Options with which a table may be read whose first lines have other lengths."""
    last, after = rows[odd[-1]], rows[odd[-1] + 1]
    cells = [cell.strip() for cell in last.cells]
    if odd == [0] and len(cells) == width - 1 and any(is_number(c.strip()) for c in after.cells):
        choices: list[dict[str, Any]] = [{"names": ("row", *cells), "header": 1}]
    else:
        choices = [{"skip": after.line - 1}]
        for names in (cells[-width:], cells[:width]):
            if len(cells) > width and how.wanted.issuperset(names):
                choices = [{"skip": after.line - 1, "names": tuple(names)}]
    if width == 2 and sep == "," and {len(rows[index].cells) for index in odd} == {1}:
        choices = [{"sep": ";"}, *choices]
    return choices


def _all_numbers(cells: Sequence[str]) -> bool:
    return all(is_number(cell.strip()) for cell in cells)


def _fields(count: int) -> str:
    return "1 field" if count == 1 else f"{count} fields"


def _called(sep: str) -> str:
    names = {",": "comma", ";": "semicolon", "\t": "tab", " ": "blank"}
    return names.get(sep, sep)
