"""Any source in pieces that DuckDB takes in with the types of its columns."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from descend.data.frames import is_table
from descend.data.queried import QueriedTable
from descend.data.streams.objects import is_of
from descend.data.streams.source import check_equal, check_known
from descend.data.table import TableFile
from descend.errors import UsageError

__all__ = ["Lent", "pieces_of"]


class Lent:
    """An Arrow stream as DuckDB takes it, by the only method that it asks for.

    Args:
        mended: of what failed while it was read, whether asking anew helps.
    """

    def __init__(
        self, capsule: Any, mended: Callable[[Exception], bool] = lambda _error: False
    ) -> None:
        self._capsule, self.mended = capsule, mended

    def __arrow_c_stream__(self, requested_schema: Any = None) -> Any:
        return self._capsule


def pieces_of(
    source: Any, names: Sequence[str], by: Sequence[str], called: str
) -> Iterator[Any]:
    """Pieces of a source, in order, each with these columns at least.

    Raises:
        DataError: a column is absent.
        UsageError: rows cannot be read from such an object.
    """
    if isinstance(source, TableFile):
        yield _of_table(source, names, by)
    elif is_of(source, "duckdb", "DuckDBPyRelation"):
        _check(called, names, source.columns)
        yield Lent(source.__arrow_c_stream__())
    elif is_of(source, "polars", "LazyFrame"):
        _check(called, names, source.collect_schema().names())
        query = source.select(list(names))
        batches = hasattr(query, "collect_batches")
        for frame in query.collect_batches(maintain_order=True) if batches else [query.collect()]:
            yield Lent(frame.__arrow_c_stream__())
    elif is_of(source, "dask", "DataFrame", "FrameBase") and hasattr(source, "npartitions"):
        _check(called, names, list(source.columns))
        chosen = source[list(names)]
        for index in range(chosen.npartitions):
            yield _of_block(chosen.get_partition(index).compute(), names, called)
    elif is_of(source, "pyarrow", "Dataset"):
        _check(called, names, source.schema.names)
        yield Lent(source.scanner(columns=list(names)).to_reader().__arrow_c_stream__())
    elif is_table(source) or hasattr(source, "__arrow_c_stream__"):
        yield _of_block(source, names, called)
    else:
        made = source() if callable(source) else source
        if not hasattr(made, "__iter__") or isinstance(made, str | np.ndarray):
            raise UsageError(
                f"rows cannot be read from an object of type {type(source).__name__}",
                remedy="give a file, a relation, a frame, or a function that gives blocks of rows",
            )
        for number, block in enumerate(made):
            yield _of_block(block, names, f"block {number} of {called}")


def _check(called: str, names: Sequence[str], known: Sequence[str]) -> None:
    for name in names:
        check_known(called, name, known)


def _of_table(table: TableFile, names: Sequence[str], by: Sequence[str]) -> Lent:
    assert table.again is not None
    # Only in the result of a query whole numbers stay whole, and keys keep their digits.
    whole = table.again(
        table.how._replace(in_blocks=True), table.sql or "SELECT * FROM data"
    )
    assert isinstance(whole, QueriedTable)
    return Lent(whole.typed(names, by), whole.mended)


def _of_block(block: Any, names: Sequence[str], called: str) -> Any:
    if not is_table(block) and hasattr(block, "__arrow_c_stream__"):
        return Lent(block.__arrow_c_stream__())
    if not is_table(block):
        raise UsageError(
            f"{called} is of type {type(block).__name__}, whose columns have no names",
            remedy='give dicts of columns, such as {"x": x, "y": y}, or frames',
        )
    _check(called, names, [*block] if isinstance(block, Mapping) else [*map(str, block.columns)])
    if is_of(block, "polars", "DataFrame"):
        return Lent(block.select(list(names)).__arrow_c_stream__())
    columns = {name: _plain(block[name]) for name in names}
    check_equal(f"{called} has columns with", columns)
    return columns


def _plain(column: Any) -> Any:
    """A column as DuckDB takes it from NumPy."""
    array = np.asarray(column.to_numpy() if hasattr(column, "to_numpy") else column)
    if array.dtype.kind == "M":
        return array.astype("datetime64[us]")
    if array.dtype.kind == "S":
        return array.astype(np.str_)
    return np.ascontiguousarray(array)
