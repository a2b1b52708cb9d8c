"""What to do about a table that cannot be read: tried on the very file before it is told."""

from __future__ import annotations

import datetime
import re
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from typing import Any

import numpy as np
from numpy.typing import NDArray

from descend.data.asked import Asked, Undecided
from descend.data.cells import SECONDS
from descend.data.numerals import KNOWN, Numerals
from descend.data.queried import in_query
from descend.data.quoting import in_shell, quoted, spelled
from descend.data.table import Complaint, TableFile
from descend.errors import DataError, DescendError
from descend.visible import visible

__all__ = ["remedy_for", "settled"]

Array = NDArray[Any]
_BESIDE = r"[^\d+.,<>≤≥~≈±()-]*"  # a bound, an error or a loss in brackets is no unit
AROUND = re.compile(
    rf"({_BESIDE}?)[-+]?\d*[\d.,'\u2019 \u00a0\u2009\u202f]*\d\.?(?:[eE][-+]?\d+)?({_BESIDE})"
)
_DAYS = (
    "%d/%m/%Y", "%m/%d/%Y", "%d.%m.%Y", "%Y/%m/%d", "%d-%m-%Y", "%m-%d-%Y", "%Y.%m.%d", "%Y%m%d",
    "%d.%m.%y", "%d/%m/%y", "%m/%d/%y", "%d-%b-%Y", "%d-%b-%y", "%d %b %Y", "%d %B %Y", "%b %d %Y",
    "%b %d, %Y", "%B %d, %Y", "%Y-%m-%d",
)  # fmt: skip
_TIMES = ("%H:%M", "%H:%M:%S", "%H:%M:%S.%f", "%I:%M %p", "%I:%M:%S %p")
DATES = (*_TIMES, *(day + time for day in _DAYS for time in ("", *(" " + t for t in _TIMES))))


def settled(error: Undecided, how: Asked, open_again: Any, sql: str | None) -> DataError:
    """The error with those of its choices that work."""
    works = []
    for choice in error.choices:
        with suppress(DescendError):
            table = open_again(how._replace(**choice), sql)
            if "sep" in choice:
                table.read(table.columns)
            strange = bool(how.wanted) and how.wanted.isdisjoint(table.columns)
            if strange and not table.bare and "header" in choice:
                continue
            works.append(spelled(choice, how.shell))
            if table.bare and (strange or "skip" in choice):
                works[-1] += (
                    f", and {'--names' if how.shell else 'names='} says what they are called"
                )
    remedy = f"say so: {', or '.join(works)}" if works else None
    if len(works) == 1:
        above = "skip" in error.choices[0] and len(error.choices) == 1
        remedy = f"leave out what is above: {works[0]}" if above else f"write {works[0]}"
    return DataError(error.message, remedy=remedy)


def remedy_for(
    table: TableFile, complaints: Sequence[Complaint], wanted: Sequence[str]
) -> str | None:
    """One remedy for all columns at once, or two where the file does not say which."""
    kinds = {each.kind for each in complaints}
    if "doubt" in kinds:
        works = _ways(table, wanted, complaints)
        return f"say which: {', or '.join(works)}" if works else None
    if kinds == {"text"} and table.how.shell and table.sql is None and len(complaints) == 1:
        forms = _moments([text.strip() for _, text in complaints[0].texts])
        if forms:
            return _seconds(table, complaints, wanted, forms)
    if kinds == {"text"}:
        works = [] if table.sql is not None else _ways(table, wanted, complaints)
        if len(works) == 1:
            return f"write {works[0]}"
        if works:
            return f"say which: {', or '.join(works)}"
        return _converted(table, complaints, wanted)
    if kinds == {"time"}:
        return _seconds(table, complaints, wanted)
    if kinds == {"list"} and table.how.shell and table.sql is None:
        columns = ", ".join(f"unnest({c}) AS {c}" for c in map(in_query, wanted))
        query = f"SELECT {columns} FROM data"
        if _reads(table, wanted, query, ()):
            return f"make rows of them: {in_shell('sql', query)}"
    return next((each.remedy for each in complaints if each.remedy), None)


def _ways(table: TableFile, wanted: Sequence[str], complaints: Sequence[Complaint]) -> list[str]:
    """The options for other ways of writing numbers that read all columns."""
    texts = [text.strip() for each in complaints for _, text in each.texts]
    row, _ = complaints[0].texts[0]
    works: dict[tuple[float, ...], tuple[str, float]] = {}
    for way in KNOWN:
        if not any(map(way.reads, texts)):
            continue
        options: dict[str, Any]
        options = {"decimal": way.decimal} if not way.thousands else {"thousands": way.thousands}
        if way.thousands not in ("", ".", ",") and way.decimal == ",":
            options = {"decimal": ",", **options}
        columns = _columns(table, table.how._replace(**options), wanted)
        if columns is not None and _has_rows(columns, complaints):
            shown = tuple(float(columns[each.name][each.texts[0][0]]) for each in complaints)
            words = spelled(options, table.how.shell)
            works.setdefault(shown, (words, float(columns[complaints[0].name][row])))
    if len(works) == 1:
        return [words for words, _ in works.values()]
    return [f"{words} ({value:.15g})" for words, value in works.values()]


def _converted(
    table: TableFile, complaints: Sequence[Complaint], wanted: Sequence[str]
) -> str | None:
    """A query that makes numbers of what can be, and leaves out the rows of what cannot."""
    if table.sql is not None:
        return "correct it, or convert it in the query, as TRY_CAST(column AS DOUBLE)"
    if not table.how.shell or table.again is None:
        return "correct it, or leave out such rows before the fit"
    casts, lossless = [], True
    for each in complaints:
        texts = [text.strip() for _, text in each.texts]
        # What stands in some cells only, such as an asterisk or an error, tells something of them.
        before, after = _around(texts) if each.share == 0 else ("", "")
        bare = [text.removeprefix(before).removesuffix(after).strip() for text in texts]
        other = next((way for way in KNOWN if all(map(way.reads, bare))), None)
        if each.share > 0 and other is not None and _spoils(other, table.numerals):
            other = None
        column = in_query(each.name)
        lossless = lossless and other is not None
        inner = column
        for part in filter(None, (before, after)):
            inner = f"replace({inner}, {quoted(part)}, '')"
        casts.append(f"TRY_CAST({_plain(inner, other or table.numerals)} AS DOUBLE) AS {column}")
    query = f"SELECT * REPLACE ({', '.join(casts)}) FROM data"
    if query != visible(query) or not _reads(table, wanted, query, complaints, lossless):
        return "correct it in the file"
    if lossless:
        return f"convert it: {in_shell('sql', query)}"
    return f"correct it, or leave out such rows: {in_shell('sql', query)} --missing drop"


def _seconds(
    table: TableFile,
    complaints: Sequence[Complaint],
    wanted: Sequence[str],
    forms: Sequence[str] = ("",),
) -> str | None:
    """A query that makes seconds of dates; one for each way in which they can be read."""
    if table.sql is not None or not table.how.shell:
        first = complaints[0].name
        if table.how.shell:
            return f"{SECONDS}, as epoch({first}) - min(epoch({first})) OVER ()"
        return f'{SECONDS}: (t["{first}"] - t["{first}"][0]) / np.timedelta64(1, "s")'
    queries = []
    for form in forms:
        columns = []
        for each in complaints:
            column = in_query(each.name)
            moment = f"strptime({column}, {quoted(form)})" if form else column
            columns.append(f"epoch({moment}) - min(epoch({moment})) OVER () AS {column}")
        query = f"SELECT * REPLACE ({', '.join(columns)}) FROM data"
        if _reads(table, wanted, query, complaints):
            queries.append(in_shell("sql", query))
    return f"{SECONDS}: {', or '.join(queries)}" if queries else SECONDS


def _around(texts: Sequence[str]) -> tuple[str, str]:
    """What stands before and behind the number in every text, such as a unit; else nothing."""
    found = {(m[1], m[2]) if (m := AROUND.fullmatch(text)) else None for text in texts}
    (only,) = found if len(found) == 1 else (None,)
    return ("", "") if only is None else only


def _moments(texts: Sequence[str]) -> list[str]:
    """The ways of writing dates that read all texts."""
    return [form for form in DATES if all(_is_date(text, form) for text in texts)]


def _is_date(text: str, form: str) -> bool:
    try:
        datetime.datetime.strptime(text, form)
    except ValueError:
        return False
    return True


def _spoils(way: Numerals, numerals: Numerals) -> bool:
    """Whether a query for numbers written in one way makes others of those in another."""
    return way.thousands == numerals.decimal or (
        way.decimal == numerals.thousands and way.decimal != "."
    )


def _plain(column: str, way: Numerals) -> str:
    """A text as a query reads it as a number."""
    for sign in ("'", "\u2019") if way.thousands == "'" else way.thousands:
        column = f"replace({column}, {quoted(sign)}, '')"
    return column if way.decimal == "." else f"replace({column}, ',', '.')"


def _columns(
    table: TableFile, how: Asked, names: Iterable[str], sql: str | None = None
) -> dict[str, Array] | None:
    """The same columns, read in another way, if that succeeds."""
    if table.again is not None:
        with suppress(DescendError):
            return table.again(how, sql).read(names)
    return None


def _has_rows(columns: Mapping[str, Array], complaints: Sequence[Complaint]) -> bool:
    """Whether the rows are there of which something was said: an odd file may lose some."""
    return all(row < len(columns[each.name]) for each in complaints for row, _ in each.texts)


def _reads(
    table: TableFile,
    names: Iterable[str],
    sql: str,
    complaints: Sequence[Complaint],
    lossless: bool = True,
) -> bool:
    """Whether a query makes numbers of all such cells, or at least leaves half of the rows."""
    columns = _columns(table, table.how, names, sql)
    if not columns or not _has_rows(columns, complaints):
        return False
    finite = {name: np.isfinite(column) for name, column in columns.items()}
    numbers = [finite[each.name][row] for each in complaints for row, _ in each.texts]
    if lossless:
        return all(numbers)
    if any(numbers):  # of 1.900,5 without its comma, which is none
        return False
    rows = np.logical_and.reduce([*finite.values()])
    return int(rows.sum()) >= max(2, len(rows) / 2)
