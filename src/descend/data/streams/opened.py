"""Any source, opened as a stream; and whether it should be one."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any, NamedTuple

from descend.data.allowed import memory_free
from descend.data.asked import Asked
from descend.data.read import NOTHING, open_table
from descend.data.room import in_bytes, place_for
from descend.data.streams.iterated import source_of_blocks
from descend.data.streams.objects import source_of_object
from descend.data.streams.source import FileSource, Source
from descend.data.streams.stream import Stream
from descend.data.table import TableFile
from descend.errors import UsageError
from descend.graph.blocks import BLOCK

__all__ = ["Judgement", "judge", "open_stream", "should_stream"]

SHARE = 0.5  # of the free memory may be filled by columns
KINDS = (
    "a file, a pattern such as run*.parquet, a relation of DuckDB, a frame or LazyFrame of polars, "
    "a Dask DataFrame or Array, a Dataset of pyarrow, an object with __arrow_c_stream__, or an "
    "iterator over blocks"
)


def open_stream(
    source: Any,
    names: Sequence[str],
    *,
    sql: str | None = None,
    how: Asked = NOTHING,
    scratch: str | os.PathLike[str] | None = None,
    keeps: bool = False,
    block: int = BLOCK,
) -> Stream:
    """Open a source for reading in blocks.

    Args:
        source: a path as `read` takes it, or an open table; a relation of DuckDB; a frame or
            LazyFrame of polars; a Dask DataFrame or Array; a Dataset of pyarrow; a table, a reader
            or any other object with `__arrow_c_stream__`; a dict of columns; a function that
            returns an iterator over blocks, an object that can be iterated over, or a generator.
            Blocks are dicts of columns, frames, or tuples with one array for each name.
        names: of the columns that are wanted.
        sql: a query whose result is read instead; the file is called `data` in it. One that joins
            or groups gives its rows in the same order at each run only with ORDER BY.
        how: what the user says of a text or a workbook.
        scratch: the folder for copies, if not the system's.
        keeps: whether the numbers of Parquet are kept there too, if the folder is named: for many
            passes.
        block: rows of a block.

    Raises:
        DataError: there is no such file or column, or a column holds no numbers.
        UsageError: the source is of no kind that is known, or `sql` is no query over a file.

    >>> def blocks():
    ...     yield {"x": [1, 2]}
    ...     yield {"x": [3]}
    >>> with open_stream(blocks, ["x"]) as stream:
    ...     survey = stream.survey()
    >>> survey.n_rows, survey.columns["x"].mean
    (3, 2.0)
    """
    wanted = list(dict.fromkeys(names))
    if not wanted:
        raise UsageError("no column is wanted", remedy="name at least one")
    folder = None if scratch is None else os.fspath(scratch)
    place = place_for(folder, how.shell)
    found = _source(source, wanted, sql, how._replace(scratch=folder, in_blocks=True))
    if keeps and folder is not None and isinstance(found, FileSource) and not found.why_kept:
        found.why_kept = "they are read faster from there than from Parquet"
    return Stream(found, place, block=block, shell=how.shell)


def _source(source: Any, names: list[str], sql: str | None, how: Asked) -> Source:
    if isinstance(source, str | os.PathLike):
        return FileSource(open_table(str(os.fspath(source)), sql, how), names)
    if isinstance(source, TableFile):
        own = source.how._replace(scratch=how.scratch, in_blocks=True)
        assert source.again is not None
        return FileSource(source.again(own, source.sql), names)
    if sql is not None:
        raise UsageError(
            f"sql= reads files, and the source is of type {type(source).__name__}",
            remedy="name a file, or pass a relation of DuckDB: duckdb.sql(…)",
        )
    found = source_of_object(source, names) or source_of_blocks(source, names)
    if found is None:
        raise UsageError(
            f"rows cannot be read from an object of type {type(source).__name__}",
            remedy=f"give {KINDS}",
        )
    return found


class Judgement(NamedTuple):
    """Whether a source should be read in blocks.

    Attributes:
        stream: None where it is not known before all of it is read.
        said: why, in a sentence; empty where it should not.
    """

    stream: bool | None
    said: str = ""


def should_stream(
    source: Any, names: Sequence[str], *, sql: str | None = None, how: Asked = NOTHING
) -> Judgement:
    """Whether the columns of a source would fill more than half of the memory that is free.

    A source that can be read only once, such as standard input, is to be opened first, and judged
    by `judge`.

    >>> should_stream({"x": [1.0, 2.0]}, ["x"])
    Judgement(stream=False, said='')
    """
    with open_stream(source, names, sql=sql, how=how) as stream:
        return judge(stream)


def judge(stream: Stream) -> Judgement:
    """The same of an open stream."""
    if stream.in_memory:
        return Judgement(False)
    rows, free = stream.rows_about(), memory_free()
    if rows is None or free is None:
        return Judgement(None)
    need = rows * len(stream.names) * 8
    if need <= SHARE * free:
        return Judgement(False)
    return Judgement(
        True,
        f"about {rows:.3g} rows of {len(stream.names)} columns take {in_bytes(need)}, more than "
        f"half of the {in_bytes(free)} of memory that are free: they are read in blocks",
    )
