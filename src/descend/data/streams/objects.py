"""Tables that other libraries hold: Arrow streams, frames, relations, lazy queries, partitions.

None of these libraries is imported here: an object is known by what it offers, or by the module
that its class is from.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from descend.data.arrow import ArrowStream, StreamError
from descend.data.frames import column_names, is_table, take_columns
from descend.data.quoting import identifier
from descend.data.streams.source import MemorySource, Source, check_known
from descend.data.validate import refuse_kind
from descend.errors import DataError, UsageError

__all__ = ["arrow_columns", "is_of", "source_of_object"]

Array = NDArray[Any]


def source_of_object(value: Any, names: Sequence[str]) -> Source | None:
    """The source that an object of another library is; None of any other object.

    Raises:
        DataError: a column is absent, or holds no numbers.
    """
    for knows, make in KINDS:
        if knows(value):
            return make(value, names)
    return None


def is_of(value: Any, library: str, *classes: str) -> bool:
    """Whether a class of these names, from this library, is among those of an object."""
    return any(
        each.__name__ in classes and each.__module__.lstrip("_").split(".")[0] == library
        for each in type(value).__mro__
    )


# --- Arrow


class ArrowSource(Source):
    """An object with `__arrow_c_stream__`; a table in memory gives its rows again."""

    def __init__(self, value: Any, names: Sequence[str]) -> None:
        called = f"the {type(value).__name__}"
        held = hasattr(value, "num_rows") or hasattr(value, "__len__")
        super().__init__(called, names, "" if held else "its rows are given once")
        self._value, self._begun, self.in_memory = value, False, held

    def batches(self) -> Iterator[Sequence[Array]]:
        if self.why_kept and self._begun:
            raise given_once(self.called)
        self._begun = True
        return arrow_columns(self._value, self.names, self.called)

    def rows_about(self) -> float | None:
        if hasattr(self._value, "num_rows"):
            return float(self._value.num_rows)
        return None if self.why_kept else float(len(self._value))


def arrow_columns(value: Any, names: Sequence[str], called: str) -> Iterator[list[Array]]:
    """Columns of an object with `__arrow_c_stream__`, as float64, some rows at a time.

    Raises:
        DataError: a column is absent, holds no numbers, or the stream fails.
    """
    try:
        stream = ArrowStream(value.__arrow_c_stream__())
        known = [field.name for field in stream.fields]
        for name in names:
            check_known(called, name, known)
            if known.count(name) > 1:
                raise DataError(
                    f'{called} has more than one column "{name}"', remedy="rename one of them"
                )
            field = stream.fields[known.index(name)]
            if field.kind != "f":
                refuse_kind(f'the column "{name}"', field.kind)
        yield from stream.batches([known.index(name) for name in names])
    except StreamError as error:
        raise DataError(f"{called} cannot be read: {error}") from None


def given_once(called: str) -> UsageError:
    """What to say where rows are asked for again that are gone."""
    return UsageError(
        f"{called} gives its rows once, and they have been asked for before",
        remedy="make a new one, or pass a function that returns one at each call",
    )


class RelationSource(Source):
    """A relation of DuckDB, read through the user's own connection."""

    def __init__(self, value: Any, names: Sequence[str]) -> None:
        super().__init__("the relation", names, "the query is run once")
        types = dict(zip(value.columns, map(str, value.types), strict=True))
        for name in names:
            check_known(self.called, name, [*types])
            if not types[name].startswith(RELATED):
                raise DataError(f'the column "{name}" holds {types[name]}, no numbers')
        self._value = value

    def batches(self) -> Iterator[Sequence[Array]]:
        chosen = ", ".join(
            f"CAST({identifier(name)} AS DOUBLE) AS {identifier(name)}" for name in self.names
        )
        try:
            yield from arrow_columns(self._value.project(chosen), self.names, self.called)
        except Exception as error:
            if not is_of(error, "duckdb", "Error"):
                raise
            raise DataError(f"the relation cannot be read: {error}") from None


RELATED = (
    "TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT", "UTINYINT", "USMALLINT", "UINTEGER",
    "UBIGINT", "UHUGEINT", "FLOAT", "DOUBLE", "DECIMAL", "BOOLEAN",
)  # fmt: skip
"""How the types of DuckDB begin that are numbers."""


class LazySource(Source):
    """A LazyFrame of polars, collected in batches where its version can."""

    def __init__(self, value: Any, names: Sequence[str]) -> None:
        super().__init__("the LazyFrame", names, "the query is run once")
        known = value.collect_schema().names()
        for name in names:
            check_known(self.called, name, known)
        self._query = value.select(list(names))

    def batches(self) -> Iterator[Sequence[Array]]:
        if hasattr(self._query, "collect_batches"):
            frames = self._query.collect_batches(maintain_order=True)
        else:
            frames = [self._query.collect()]
        for frame in frames:
            yield from arrow_columns(frame, self.names, self.called)


class DaskSource(Source):
    """A collection of Dask, computed partition by partition."""

    def __init__(self, value: Any, names: Sequence[str], called: str) -> None:
        super().__init__(called, names, "each part of it is computed once")
        self._value = value

    def _parts(self) -> Iterator[Any]:
        raise NotImplementedError


class DaskFrame(DaskSource):
    """A DataFrame of Dask."""

    def __init__(self, value: Any, names: Sequence[str]) -> None:
        super().__init__(value, names, "the Dask DataFrame")
        for name in names:
            check_known(self.called, name, list(value.columns))

    def batches(self) -> Iterator[Sequence[Array]]:
        chosen = self._value[list(self.names)]
        for index in range(chosen.npartitions):
            part = chosen.get_partition(index).compute()
            yield [self._floats(part[name].to_numpy(), name) for name in self.names]


class DaskArray(DaskSource):
    """An Array of Dask: its columns are the wanted ones, in their order."""

    def __init__(self, value: Any, names: Sequence[str]) -> None:
        super().__init__(value, names, "the Dask Array")
        width = 1 if value.ndim == 1 else value.shape[1] if value.ndim == 2 else -1
        if width != len(names):
            raise DataError(
                f"the Dask Array has the shape {value.shape}, and {len(names)} columns are wanted: "
                f"{', '.join(names)}",
                remedy=f"give one of the shape (rows, {len(names)}), or a Dask DataFrame",
            )

    def batches(self) -> Iterator[Sequence[Array]]:
        for index in range(self._value.numblocks[0]):
            part = np.asarray(self._value.blocks[index].compute())
            columns = part.reshape(len(part), len(self.names)).T
            yield [self._floats(c, n) for c, n in zip(columns, self.names, strict=True)]


class DatasetSource(Source):
    """A Dataset of pyarrow, of which only these columns are read."""

    def __init__(self, value: Any, names: Sequence[str]) -> None:
        kind = type(getattr(value, "format", None)).__name__
        why = "" if kind in BINARY else "reading it may take longer than reading its numbers"
        super().__init__(f"the {type(value).__name__}", names, why)
        for name in names:
            check_known(self.called, name, value.schema.names)
        self._value = value

    def batches(self) -> Iterator[Sequence[Array]]:
        reader = self._value.scanner(columns=list(self.names)).to_reader()
        return arrow_columns(reader, self.names, self.called)

    def rows_about(self) -> float | None:
        return None if self.why_kept else float(self._value.count_rows())


BINARY = ("ParquetFileFormat", "IpcFileFormat")
"""The formats of pyarrow that hold numbers as such."""


def _in_memory(value: Any, names: Sequence[str]) -> Source:
    for name in names:
        check_known("the table", name, column_names(value))
    return MemorySource("the table", take_columns(value, names))


KINDS: Sequence[tuple[Callable[[Any], bool], Callable[[Any, Sequence[str]], Source]]] = (
    (lambda v: is_of(v, "duckdb", "DuckDBPyRelation"), RelationSource),
    (lambda v: is_of(v, "polars", "LazyFrame"), LazySource),
    (lambda v: is_of(v, "dask", "DataFrame", "FrameBase") and hasattr(v, "npartitions"), DaskFrame),
    (lambda v: is_of(v, "dask", "Array") and hasattr(v, "numblocks"), DaskArray),
    (lambda v: is_of(v, "pyarrow", "Dataset"), DatasetSource),
    (lambda v: is_of(v, "pandas", "DataFrame"), _in_memory),
    (lambda v: hasattr(v, "__arrow_c_stream__"), ArrowSource),
    (is_table, _in_memory),
)
"""Whether an object is of a kind, and the source that it is then; the first that knows it."""
