"""The rows of a source with a code that tells their groups apart, again and again.

Parquet files are read as they are. What else rows come from is copied once, with its types, into
a database in a scratch folder.
"""

from __future__ import annotations

import os
import tempfile
import threading
from collections.abc import Iterator, Sequence
from contextlib import closing, suppress
from typing import Any, NamedTuple

import duckdb
import numpy as np
from numpy.typing import NDArray

from descend.data.arrow import ArrowStream, StreamError
from descend.data.groups.pieces import Lent, pieces_of
from descend.data.quoting import identifier, quoted
from descend.data.room import check_room, refuse_full
from descend.data.sealed import FAILURES, NO_ROOM, pattern
from descend.data.streams.source import FileSource, check_known
from descend.data.table import TableFile
from descend.errors import DataError

__all__ = ["GroupedRows"]

Array = NDArray[Any]
MEMORY = "200MB"  # for queries
THREADS = 2
ORDINAL = "descend_row"
WHOLE = {
    "TINYINT": "i1", "SMALLINT": "i2", "INTEGER": "i4", "BIGINT": "i8", "UTINYINT": "u1",
    "USMALLINT": "u2", "UINTEGER": "u4", "BOOLEAN": "?",
}  # fmt: skip
"""Types of a key that is its own code, and what NumPy calls them."""
NESTED = ("[", "STRUCT", "MAP", "UNION")


class _From(NamedTuple):
    """A table of DuckDB, and the number of its first row."""

    table: str
    ordinal: str
    first: int
    rows: int


class GroupedRows:
    """Rows of some columns, with the columns that say which of them belong together.

    Args:
        source: a path, an open table, or what else `open_stream` takes.
        names: of the columns of numbers. by: of the columns of keys.
        place: the folder for a copy.

    Attributes:
        called: what the user calls the source.
        n_rows: how many rows there are, with those that have no key.
        is_plain: whether the key is one whole number, and its own code.

    Raises:
        DataError: a column is absent, or holds no numbers; a key that is a list.
        UsageError: rows cannot be read from such an object.
    """

    def __init__(
        self, source: Any, names: Sequence[str], by: Sequence[str], place: str, called: str
    ) -> None:
        self.names, self.by, self.called, self._place = tuple(names), tuple(by), called, place
        self._cursors: dict[int, Any] = {}
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        self._files: FileSource | None = None
        table = source if isinstance(source, TableFile) else None
        if table is not None:
            for name in by:
                check_known(called, name, table.columns)
            self._files = FileSource(table, names)
        if table is not None and table.lasting and table.files and not self._has_texts(table):
            self._link = _connected(":memory:")
            self._from = [*self._parquet(table.files)]
        else:
            self._copy(source, table)
        types = self._types()
        self.types = [types[name] for name in by]
        for name, kind in zip(by, self.types, strict=True):
            if any(sign in kind for sign in NESTED):
                raise DataError(
                    f'the column "{name}" holds {kind}, by which no rows are told apart',
                    remedy="name columns of numbers, texts or dates",
                )
        self.is_plain = len(by) == 1 and self.types[0] in WHOLE
        self.n_rows = sum(part.rows for part in self._from)

    # --- where they are

    def _has_texts(self, table: TableFile) -> bool:
        with closing(_connected(":memory:")) as link:
            files = ", ".join(map(pattern, table.files[:1]))
            told = link.execute(f"DESCRIBE SELECT * FROM read_parquet([{files}])").fetchall()
        kinds = {row[0]: str(row[1]) for row in told}
        return any(kinds.get(name, "VARCHAR") == "VARCHAR" for name in self.names)

    def _parquet(self, files: Sequence[str]) -> Iterator[_From]:
        first = 0
        for file in files:
            table = f"read_parquet({pattern(file)}, file_row_number=true)"
            ((rows,),) = self._rows(f"SELECT count(*) FROM {table}")
            yield _From(table, "file_row_number", first, rows)
            first += rows

    def _copy(self, source: Any, table: TableFile | None) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="descend-", dir=self._place)
        self._link = _connected(os.path.join(self._folder.name, "rows"))
        rows = None if table is None else table.rows_about()
        if rows is not None:
            check_room(self._place, 8 * rows * (len(self.names) + len(self.by)), self.called)
        columns = [
            *(f"{identifier(n)}" for n in self.by if n not in self.names),
            *(f"CAST({identifier(n)} AS DOUBLE) AS {identifier(n)}" for n in self.names),
        ]
        wanted = [*dict.fromkeys([*self.by, *self.names])]
        again = True
        while again:
            again, begun = False, False
            self._rows("DROP TABLE IF EXISTS kept")
            for piece in pieces_of(table or source, wanted, self.by, self.called):
                self._link.register("piece", piece)
                how = "INSERT INTO kept" if begun else "CREATE TABLE kept AS"
                try:
                    self._link.execute(f"{how} SELECT {', '.join(columns)} FROM piece")
                except FAILURES as error:
                    if not (isinstance(piece, Lent) and piece.mended(error)):
                        self.refuse(error)
                    again = True
                    break
                self._link.unregister("piece")
                begun = True
        if not begun:
            raise DataError(f"{self.called} gives no rows", remedy="give at least one")
        ((rows,),) = self._rows("SELECT count(*) FROM kept")
        self._from = [_From("kept", "rowid", 0, rows)]

    def _types(self) -> dict[str, str]:
        told = self._rows(f"DESCRIBE SELECT * FROM {self._from[0].table}")
        types = {row[0]: str(row[1]) for row in told}
        for name in (*self.by, *self.names):
            check_known(self.called, name, [*types])
        return types

    def _rows(self, query: str) -> list[Any]:
        try:
            return list(self._link.execute(query).fetchall())
        except FAILURES as error:
            self.refuse(error)
            raise

    def refuse(self, error: Exception) -> None:
        """Say what DuckDB complains of, in words of ours."""
        if self._files is not None:
            self._files.check()
        if NO_ROOM.search(str(error)):
            refuse_full(self._place, self.called)
        lines = [line.strip() for line in str(error).splitlines() if line.strip()]
        raise DataError(f"{self.called} cannot be read: {' '.join(lines[:2])}") from None

    # --- what they are

    def identity(self) -> dict[str, str]:
        """What tells these rows from others, as far as it can be told, in words."""
        if self._files is not None and self._files.seen:
            found = {
                f'the file "{os.path.abspath(seen.path)}"':
                f"{seen.size} bytes of {seen.moment} ns" for seen in self._files.seen
            }  # fmt: skip
            return found | ({"the query": self._files.sql} if self._files.sql else {})
        columns = ", ".join(map(identifier, dict.fromkeys([*self.by, *self.names])))
        ((mark,),) = self._rows(f"SELECT bit_xor(hash(rowid, {columns})) FROM kept")
        return {"the hash of the rows": f"{mark} of {self.n_rows}"}

    def check(self) -> None:
        """Refuse files that are no longer what they were."""
        if self._files is not None:
            self._files.check()

    @property
    def _present(self) -> str:
        known = []
        for name, kind in zip(self.by, self.types, strict=True):
            known.append(f"{identifier(name)} IS NOT NULL")
            if kind in ("FLOAT", "DOUBLE"):
                known.append(f"NOT isnan({identifier(name)})")
        return " AND ".join(known)

    def _codes(self) -> tuple[str, str]:
        """Two whole numbers that are equal for equal keys; together they differ for others."""
        if self.is_plain:
            return f"CAST({identifier(self.by[0])} AS BIGINT)", "CAST(0 AS BIGINT)"
        keys = [
            f"CASE WHEN {identifier(n)} = 0 THEN 0 ELSE {identifier(n)} END"
            if kind in ("FLOAT", "DOUBLE") else identifier(n)
            for n, kind in zip(self.by, self.types, strict=True)
        ]  # fmt: skip
        texts = ", ".join(f"CAST({key} AS VARCHAR)" for key in keys)
        return (
            f"CAST(hash({', '.join(keys)}) >> 1 AS BIGINT)",
            f"CAST(hash(concat_ws(chr(31), {texts}, '')) >> 1 AS BIGINT)",
        )

    def _selected(self, columns: str, first: int) -> str:
        parts = []
        for part in self._from:
            if first >= part.first + part.rows and part is not self._from[-1]:
                continue
            begin = max(0, first - part.first)
            after = f" AND {part.ordinal} >= {begin}" if begin else ""
            row = f"CAST({part.ordinal} + {part.first} AS BIGINT) AS {ORDINAL}"
            parts.append(f"SELECT {row}, {columns} FROM {part.table} WHERE {self._present}{after}")
        return " UNION ALL ".join(parts)

    def codes(self) -> Iterator[Array]:
        """The codes of the rows that have a key, in order."""
        code, _ = self._codes()
        for _, codes in self._read(self._selected(f"{code} AS c", 0), 2):
            yield codes

    def blocks(self, first: int = 0) -> Iterator[list[Array]]:
        """Rows that have a key, some at a time, in order, from a row on.

        Returns:
            code, check and number of each row, int64; then the columns, float64 with NaN where a
            value is missing. Valid until the next are asked for.
        """
        code, check = self._codes()
        numbers = [f"CAST({identifier(n)} AS DOUBLE) AS f{j}" for j, n in enumerate(self.names)]
        chosen = ", ".join([f"{code} AS c", f"{check} AS d", *numbers])
        last = -1
        for block in self._read(self._selected(chosen, first), 3):
            row = block[0]
            if len(row):
                if row[0] <= last or (np.diff(row) <= 0).any():
                    raise DataError(f"{self.called} gives its rows in another order than they have")
                last = int(row[-1])
            yield [block[1], block[2], row, *block[3:]]

    def _read(self, query: str, whole: int) -> Iterator[list[Array]]:
        self.check()
        cursor = self._link.cursor()
        self._cursors[threading.get_ident()] = cursor
        try:
            stream = ArrowStream(cursor.sql(query).__arrow_c_stream__())
            yield from stream.batches(range(len(stream.fields)), whole)
        except (*FAILURES, StreamError) as error:
            self.refuse(error)
        finally:
            self._cursors.pop(threading.get_ident(), None)
            cursor.close()
        self.check()

    def cancel(self, thread: int) -> None:
        """End what `codes` or `blocks` is waiting for in that thread."""
        if (cursor := self._cursors.get(thread)) is not None:
            cursor.interrupt()

    def keyed(self) -> str:
        """A query for the keys of all rows, with `descend_row`."""
        keys = ", ".join(map(identifier, self.by))
        return self._selected(keys, 0)

    def key_of(self, row: int, code: int) -> tuple[Any, ...]:
        """The key of a group, by the number of its first row and its code."""
        if self.is_plain:
            return (bool(code) if self.types[0] == "BOOLEAN" else code,)
        chosen = ", ".join(f"CAST({identifier(name)} AS VARCHAR)" for name in self.by)
        return tuple(self._rows(f"{self._selected(chosen, row)} LIMIT 1")[0][1:])

    def keys_of(self, rows: Array, codes: Array) -> tuple[dict[str, Array], Array]:
        """The keys of groups as columns, in order, and the places that the groups have.

        Args:
            rows: the number of the first row of each. codes: of their keys.
        """
        if self.is_plain:
            order = np.argsort(codes, kind="stable")
            return {self.by[0]: codes[order].astype(WHOLE[self.types[0]])}, order
        self._link.register("heads", {"row": rows, "place": np.arange(len(rows))})
        keys = ", ".join(f"k.{identifier(name)}" for name in self.by)
        found = self._link.execute(
            f"SELECT {keys}, h.place AS descend_place FROM ({self.keyed()}) k JOIN heads h "
            f"ON k.{ORDINAL} = h.row ORDER BY {keys}"
        ).fetchnumpy()
        self._link.unregister("heads")
        return {name: np.asarray(found[name]) for name in self.by}, found["descend_place"]

    def write(self, query: str, path: str, form: str) -> None:
        """Write the result of a query beside these rows into a file: the same bytes each time.

        Raises:
            duckdb.Error: it cannot be.
        """
        self._link.execute("SET threads = 1").fetchall()
        self._link.execute(f"COPY ({query}) TO {quoted(path)} ({form})").fetchall()

    def close(self) -> None:
        """Give up the files, and remove the copy."""
        for cursor in [*self._cursors.values()]:
            with suppress(duckdb.Error):
                cursor.interrupt()
        self._link.close()
        if self._files is not None:
            self._files.close()
        if self._folder is not None:
            self._folder.cleanup()
            self._folder = None


def _connected(path: str) -> Any:
    link = duckdb.connect(
        path,
        config={
            "autoinstall_known_extensions": False, "autoload_known_extensions": False,
            "threads": THREADS, "memory_limit": MEMORY,
            "temp_directory": os.path.join(tempfile.gettempdir(), f"descend-{os.urandom(8).hex()}"),
        },
    )  # fmt: skip
    for name, value in (("enable_progress_bar", "false"), ("preserve_insertion_order", "true")):
        link.execute(f"SET {name} = {value}").fetchall()
    with suppress(duckdb.Error):  # it would hold row groups of each thread as a whole
        link.execute("SET GLOBAL disable_parquet_prefetching = true").fetchall()
    return link
