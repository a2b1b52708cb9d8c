"""The table of a command: how it is to be read, and what is to be said of how it was."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from typing import Any, NoReturn

from descend.cli.output import Told
from descend.cli.streams import complain
from descend.data.asked import Asked, asked
from descend.data.quoting import in_shell
from descend.data.table import TableFile
from descend.errors import DataError, DescendError, UsageError
from descend.trace.formula import Formula

__all__ = [
    "asked_of", "goes_in_passes", "in_order", "named_shortly", "refuse_bare", "tell_notes",
]  # fmt: skip

OPTIONS = ("sheet", "encoding", "decimal", "thousands", "sep", "header", "skip", "names")
FEW = 1_000_000  # rows that no machine has no room for
UNIT = re.compile(r"\s*[\[(/,;:].*$|_\[.*$", re.S)  # behind a name
USUAL = ("x", "t", "time", "u", "v", "w", "z")
"""What data is called where nothing else tells a formula's data from its parameters."""


def asked_of(given: Mapping[str, Any], wanted: Iterable[str] = ()) -> Asked:
    """What was written of the table.

    Args:
        wanted: names that its columns are expected to have.
    """
    said = asked(**{name: given.get(name) for name in OPTIONS}, shell=True)
    return said._replace(wanted=frozenset(wanted))


def tell_notes(table: TableFile, given: Mapping[str, Any]) -> None:
    """Say on standard error how the file was read, where that is not plain."""
    if not given.get("quiet"):
        for note in table.notes:
            complain(f"note: {note}")


def in_order(table: str, formula: str) -> tuple[str, str]:
    """The table and the formula, whichever was written first.

    Raises:
        UsageError: both are tables.

    >>> in_order("v = a*t", __file__) == (__file__, "v = a*t")
    True
    """
    if os.path.isfile(table) and os.path.isfile(formula):
        raise UsageError(
            f'"{formula}" is a file, and a formula stands behind the table',
            remedy='write a formula in quotes, such as "y = a*x + b"',
        )
    written = "=" in table and "=" not in formula and not os.path.exists(table)
    return (formula, table) if written else (table, formula)


def named_shortly(table: TableFile, wanted: Sequence[str]) -> str | None:
    """What to write where the formula names columns without their units; None if it does not."""
    short = [UNIT.sub("", name) for name in table.columns]
    names = [s if s in wanted and short.count(s) == 1 else n for s, n in
             zip(short, table.columns, strict=True)]  # fmt: skip
    called = [name for name in names if name not in table.columns]
    if not called or table.sql is not None or table.again is None or "," in "".join(names):
        return None
    with suppress(DescendError):
        table.again(table.how._replace(names=tuple(names)), None).read(called)
        longer = ", ".join(n for n in table.columns if n not in names)
        option = in_shell("names", ",".join(names))
        return f"the columns are called {longer}; name them as the formula does: {option}"
    return None


def refuse_bare(table: TableFile, formula: Formula, wanted: Sequence[str]) -> NoReturn:
    """Say that the file names no column, and how to name them where the formula tells."""
    count, target = len(table.columns), formula.target
    listed = ", ".join(table.columns[:6]) + (" …" if count > 6 else "")
    data = [name for name in dict.fromkeys(wanted) if name != target]
    if len(data) != count - 1:
        data = [name for name in data if name in USUAL]
    remedy = "write these names in the formula, or give others in order with --names"
    if target is not None and len(data) == count - 1:
        remedy = f"name them in order: {in_shell('names', ','.join([*data, target]))}"
    raise DataError(
        f'"{table.path}" has no header: its first line holds numbers, and its columns are '
        f"called {listed}",
        remedy=remedy,
    )


def goes_in_passes(
    source: TableFile, names: list[str], given: Mapping[str, Any], told: Told
) -> bool:
    """Whether the rows are gone through in passes: as it is asked for, or since they are many."""
    asked = given.get("stream")
    if asked is not None or (source.rows_about() or 0) < FEW:
        return bool(asked)
    from descend.data.streams.opened import should_stream

    found = should_stream(source, names)
    if found.stream:
        told.line(found.said)
    return bool(found.stream)
