"""What to do about a table that cannot be read: tried on the very file before it is told."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from typing import Any

import numpy as np

from descend.data.asked import Asked, Undecided
from descend.data.cells import SECONDS
from descend.data.numerals import KNOWN
from descend.data.queried import in_query
from descend.data.quoting import in_shell
from descend.data.table import Complaint, TableFile
from descend.errors import DataError, DescendError

__all__ = ["remedy_for", "settled", "spelled"]

SIGNS = {"\t": "tab", " ": "space"}


def spelled(options: Mapping[str, Any], shell: bool) -> str:
    """Options as they are written on the command line, or as arguments of `read`.

    >>> spelled({"decimal": ",", "header": 2}, True), spelled({"decimal": ","}, False)
    ('--decimal "," --header 2', 'decimal=","')
    """
    if shell:
        return " ".join(
            in_shell(
                name, ",".join(value) if isinstance(value, tuple) else SIGNS.get(value, str(value))
            )
            for name, value in options.items()
        )
    return ", ".join(
        f'{name}="{value}"' if isinstance(value, str) else f"{name}={list(value) if isinstance(value, tuple) else value}"
        for name, value in options.items()
    )  # fmt: skip


def settled(error: Undecided, how: Asked, open_again: Any, sql: str | None) -> DataError:
    """The error with those of its choices that work."""
    works = []
    for choice in error.choices:
        with suppress(DescendError):
            open_again(how._replace(**choice), sql)
            works.append(spelled(choice, how.shell))
    remedy = f"say so: {', or '.join(works)}" if works else None
    if len(works) == 1 and len(error.choices) == 1:
        remedy = (
            f"leave out what is above: {works[0]}" if "skip" in works[0] else f"write {works[0]}"
        )
    return DataError(error.message, remedy=remedy)


def remedy_for(
    table: TableFile, complaints: Sequence[Complaint], wanted: Sequence[str]
) -> str | None:
    """One remedy for all columns at once, or two where the file does not say which."""
    kinds = {each.kind for each in complaints}
    if "doubt" in kinds:
        works = _ways(table, wanted, complaints)
        return f"say which: {', or '.join(works)}" if works else None
    if kinds == {"text"}:
        works = [] if table.sql is not None else _ways(table, wanted, complaints)
        if len(works) == 1:
            return f"write {works[0]}"
        if works:
            return f"say which: {', or '.join(works)}"
        return _converted(table, complaints, wanted)
    if kinds == {"time"}:
        return _seconds(table, complaints, wanted)
    return next((each.remedy for each in complaints if each.remedy), None)


def _ways(table: TableFile, wanted: Sequence[str], complaints: Sequence[Complaint]) -> list[str]:
    """The options for other ways of writing numbers that read all columns."""
    texts = [text.strip() for each in complaints for _, text in each.texts]
    works: dict[str, str] = {}
    for way in KNOWN:
        if not any(map(way.reads, texts)):
            continue
        options = {"decimal": way.decimal} if not way.thousands else {"thousands": way.thousands}
        if way.thousands not in ("", ".", ",") and way.decimal == ",":
            options = {"decimal": ",", **options}
        first = next((way.value(text) for text in texts if way.reads(text)), None)
        if str(first) in works or not _reads(table, table.how._replace(**options), wanted):
            continue
        works[str(first)] = spelled(options, table.how.shell)
    if len(works) == 1:
        return [*works.values()]
    return [f"{words} ({float(value):.15g})" for value, words in works.items()]


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
        way = next((way for way in KNOWN if all(map(way.reads, texts))), None)
        column = in_query(each.name)
        cast = f"TRY_CAST({column} AS DOUBLE)"
        if way is not None:
            inner = column if not way.thousands else f"replace({column}, '{way.thousands}', '')"
            inner = inner if way.decimal == "." else f"replace({inner}, ',', '.')"
            cast = f"TRY_CAST({inner} AS DOUBLE)"
        else:
            lossless = False
        casts.append(f"{cast} AS {column}")
    query = f"SELECT * REPLACE ({', '.join(casts)}) FROM data"
    if not _reads(table, table.how, wanted, query, drop=not lossless):
        return "correct it in the file"
    if lossless:
        return f"convert it: {in_shell('sql', query)}"
    return f"correct it, or leave out such rows: {in_shell('sql', query)} --missing drop"


def _seconds(
    table: TableFile, complaints: Sequence[Complaint], wanted: Sequence[str]
) -> str | None:
    """A query that makes seconds of dates."""
    if table.sql is not None or not table.how.shell:
        first = complaints[0].name
        if table.how.shell:
            return f"{SECONDS}, as epoch({first}) - min(epoch({first})) OVER ()"
        return f'{SECONDS}: (t["{first}"] - t["{first}"][0]) / np.timedelta64(1, "s")'
    columns = ", ".join(
        f"epoch({c}) - min(epoch({c})) OVER () AS {c}"
        for c in (in_query(e.name) for e in complaints)
    )
    query = f"SELECT * REPLACE ({columns}) FROM data"
    works = _reads(table, table.how, wanted, query)
    return f"{SECONDS}: {in_shell('sql', query)}" if works else SECONDS


def _reads(
    table: TableFile, how: Asked, names: Iterable[str], sql: str | None = None, drop: bool = False
) -> bool:
    """Whether the same columns are read, and at least half of their rows are numbers."""
    if table.again is None:
        return False
    with suppress(DescendError):
        columns = table.again(how, sql).read(names).values()
        finite = np.logical_and.reduce([np.isfinite(column) for column in columns])
        return (
            bool(finite.sum() * 2 >= len(finite) and finite.sum() >= 2)
            if drop
            else bool(len(finite))
        )
    return False
