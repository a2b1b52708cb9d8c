"""What is a source of rows, and what its columns are called, before any are read."""

from __future__ import annotations

import itertools
import os
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from descend.data.arrow import ArrowStream
from descend.data.frames import column_names, is_table
from descend.data.read import open_table
from descend.data.table import TableFile
from descend.errors import DataError, UsageError

__all__ = ["Named", "is_source", "named"]

ARRAYS = (np.ndarray, Mapping, list, tuple, int, float, np.generic, type(None))


class Named(NamedTuple):
    """A source with the names of its columns; of what is given but once, all of it is still there.

    Attributes:
        where: what the user calls it.
    """

    source: Any
    columns: list[str]
    where: str


def is_source(x: Any) -> bool:
    """Whether rows come from it, rather than being there as arrays or a frame in memory.

    >>> is_source("runs.parquet"), is_source(iter([])), is_source([1.0]), is_source({"x": [1.0]})
    (True, True, False, False)
    """
    if isinstance(x, ARRAYS) or x is None:
        return False
    if isinstance(x, str | os.PathLike | TableFile) or _is_lazy(x):
        return True
    if hasattr(x, "__array__") or hasattr(x, "columns"):
        return False
    return callable(x) or hasattr(x, "__arrow_c_stream__") or hasattr(x, "__iter__")


def _is_lazy(x: Any) -> bool:
    kind = type(x)
    lazy = {"DuckDBPyRelation", "LazyFrame"}
    return kind.__name__ in lazy or kind.__module__.split(".")[0] in ("dask", "dask_expr")


def named(source: Any) -> Named:
    """A source with the names of its columns.

    Raises:
        DataError: there is no such file, or it gives no block.
        UsageError: its blocks have no names.

    >>> named(lambda: iter([{"x": [1.0], "y": [2.0]}])).columns
    ['x', 'y']
    """
    if isinstance(source, str | os.PathLike):
        path = str(os.fspath(source))
        return Named(source, [*open_table(path).columns], f'"{path}"')
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
    if blocks is made and not callable(source):  # it gives its blocks but once
        source = itertools.chain([first], blocks)
    return Named(source, columns, where)
