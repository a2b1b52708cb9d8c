"""What the columns of a source are called, before any rows are read."""

from __future__ import annotations

import functools
import os
import re
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from descend.data.arrow import ArrowStream
from descend.data.frames import column_names, is_table
from descend.data.read import open_table
from descend.data.table import TableFile
from descend.errors import DataError, UsageError

__all__ = ["Named", "named"]


QUERY = re.compile(r"\s*(select|with|from)\s", re.IGNORECASE)


class Named(NamedTuple):
    """A source with the names of its columns; of what is given but once, all of it is still there.

    Attributes:
        where: what the user calls it.
    """

    source: Any
    columns: list[str]
    where: str


def named(source: Any) -> Named:
    """A source with the names of its columns.

    Raises:
        DataError: there is no such file, or it gives no block.
        UsageError: its blocks have no names.

    >>> named(lambda: iter([{"x": [1.0], "y": [2.0]}])).columns
    ['x', 'y']
    """
    if isinstance(source, str | os.PathLike):
        if QUERY.match(str(source)) and not os.path.exists(source):
            raise UsageError(
                f'"{source}" is a query, and rows come from what it gives',
                remedy='hand that over: import duckdb, and write duckdb.sql("…") in its place',
            )
        source = open_table(str(os.fspath(source)))
    if isinstance(source, TableFile):
        return Named(source, [*source.columns], f'"{source.path}"')
    where = f"the {type(source).__name__}"
    if hasattr(source, "collect_schema"):
        return Named(source, [*source.collect_schema().names()], where)
    if hasattr(source, "columns"):
        return Named(source, [*map(str, source.columns)], where)
    if hasattr(source, "schema") and hasattr(source.schema, "names"):
        return Named(source, [*source.schema.names], where)
    if hasattr(source, "__arrow_c_stream__"):
        fields = ArrowStream(source.__arrow_c_stream__()).fields
        return Named(source, [field.name for field in fields], where)
    return _of_blocks(source, where)


def _of_blocks(source: Any, where: str) -> Named:
    """The names of the first block's columns."""
    made = source() if callable(source) else source
    blocks = iter(made)
    first = next(blocks, None)
    if first is None:
        raise DataError(f"{where} gives no rows", remedy="give at least one block of them")
    if hasattr(first, "__arrow_c_stream__") and not is_table(first):
        columns = [field.name for field in ArrowStream(first.__arrow_c_stream__()).fields]
    elif is_table(first):
        columns = column_names(first)
    else:
        raise UsageError(
            f"{where} gives blocks of type {type(first).__name__}, whose columns have no names",
            remedy='give dicts of columns, such as {"x": x, "y": y}, or frames',
        )
    if blocks is made:  # it gives its blocks but once
        whole = _from(first, blocks)
        source = _Begun(source, whole) if callable(source) else whole
    return Named(source, columns, where)


def _from(first: Any, rest: Iterator[Any]) -> Iterator[Any]:
    """A generator, which is what it is called in messages."""
    yield first
    yield from rest


class _Begun:
    """A function whose first result has been begun: all of that is what the first call gives."""

    def __init__(self, function: Callable[[], Any], whole: Any) -> None:
        functools.update_wrapper(self, function)
        self._function, self._whole = function, whole

    def __call__(self) -> Any:
        whole, self._whole = self._whole, None
        return self._function() if whole is None else whole
