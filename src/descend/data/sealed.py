"""DuckDB over the files that were named: no other file, no network and no setting is let in."""

from __future__ import annotations

import os
import re
import tempfile
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any, NoReturn

import duckdb
import numpy as np

from descend.data.allowed import memory_allowed
from descend.data.arrow import ArrowStream
from descend.data.quoting import in_shell, quoted
from descend.data.room import refuse_full
from descend.errors import DataError, UsageError

__all__ = ["FAILURES", "NO_ROOM", "Sealed", "pattern"]

FAILURES = (duckdb.Error, RuntimeError, MemoryError)
FETCHED = 10_000  # rows at a time
SHARE = 0.5  # of the memory, for the query and for what comes out of it each
_ECHO = re.compile(r"LINE \d+:|\^|Original Line:")  # they would show what stands in the file
_LINE = re.compile(r"CSV Error on Line: (\d+)")
_FAULTS = {
    re.compile(r"Expected Number of Columns: (\d+) Found: (\d+)"): (
        "has {1} fields, and the others have {0}",
        "correct that line; a text that contains the separator stands in quotes"),
    re.compile("unterminated quote"): (
        "opens a quoted cell that does not end",
        "correct that line; a quotation mark within a quoted text is written twice"),
    re.compile("invalid state|[Ii]nvalid unicode|not utf-8|Maximum line size"): (
        "cannot be read", "correct that line"),
}  # fmt: skip
"""What DuckDB finds in a line, what is said of it, and what to do."""
_FULL, NO_ROOM = "Out of Memory", re.compile("No space left|max_temp_directory_size")
_MISWRITTEN = ("ParserException", "BinderException", "CatalogException")
_IN_SQL = "write a query such as SELECT * FROM data: the file is called data in it"


class Sealed:
    """A connection to DuckDB.

    Args:
        path: what the user calls the files.
        files: that may be read.
        arrays: tables in memory, by their names.
        threads: that read.
        scratch: the folder for what does not fit into memory, if not the system's.
        in_blocks: whether results are to be read within little memory.

    Attributes:
        most: bytes that a result may have.
    """

    def __init__(
        self,
        path: str,
        files: Sequence[str],
        arrays: Mapping[str, Mapping[str, Any]],
        threads: int,
        scratch: str | None = None,
        in_blocks: bool = False,
    ) -> None:
        self.path, self._files, self._arrays = path, files, arrays
        self._lock = threading.Lock()
        self._cursors: dict[int, Any] = {}  # by the threads that wait for them
        self._place = tempfile.gettempdir() if scratch is None else scratch
        self._in_blocks = in_blocks
        allowed = memory_allowed()
        self.most = np.inf if allowed is None else SHARE * allowed
        self._link = self._connect(threads)
        self._lone: Any = None  # a connection whose queries have no thread but their caller's

    def _connect(self, threads: int) -> Any:
        # Nobody can have made a directory of this name before.
        spill = f"descend-{os.getpid()}-{os.urandom(8).hex()}"
        link = duckdb.connect(
            config={
                "autoinstall_known_extensions": False, "autoload_known_extensions": False,
                "python_enable_replacements": False, "threads": threads,
                "temp_directory": os.path.join(self._place, spill),
            }
        )  # fmt: skip

        def put(name: str, value: str) -> None:
            link.execute(f"SET {name} = {value}").fetchall()

        if np.isfinite(self.most):  # what does not fit is written to a file for the time being
            put("memory_limit", f"'{self.most / 1e6:.0f}MB'")
        put("enable_progress_bar", "false")  # it would print to standard output
        put("preserve_insertion_order", "true")
        if self._in_blocks:
            with suppress(duckdb.Error):  # it would hold row groups of each thread as a whole
                put("GLOBAL disable_parquet_prefetching", "true")
            with suppress(duckdb.Error):  # each pass would read what stands at a file's end anew
                put("GLOBAL parquet_metadata_cache", "true")
        # One makes a join of a long list behind IN, after which rows come in any order; the other
        # lets the CSV reader convert, which reads no DOUBLE from `true` and makes of TRY_CAST a
        # CAST.
        put("disabled_optimizers", "'in_clause'")
        with suppress(duckdb.Error):  # versions that do not have this optimizer
            put("disabled_optimizers", "'in_clause,type_pushdown'")
        self._register(link)
        # From here on no query reads or writes anything but these files, or says otherwise.
        listed = ", ".join(text for file in self._files for text in (pattern(file), quoted(file)))
        put("allowed_paths", f"[{listed}]")
        put("enable_external_access", "false")
        put("lock_configuration", "true")
        return link

    def _register(self, link: Any) -> None:
        for name, columns in self._arrays.items():
            link.register(name, dict(columns))

    def rows(self, query: str, of_user: bool) -> list[Any]:
        """The rows of a result.

        Args:
            of_user: whether the user's query is part of it, which the words of a refusal tell.
        """
        try:
            with self._lock:  # passes in threads may ask as well
                return list(self._link.execute(query).fetchall())
        except FAILURES as error:
            self.refuse(error, of_user)

    def column(self, query: str) -> Any:
        """The column `v` of a result, as NumPy has it."""
        return self._link.execute(query).fetchnumpy()["v"]

    def relation(self, query: str) -> Any:
        """A result that is not fetched yet."""
        return self._link.sql(query)

    def batches(self, view: str, query: str, alone: bool = False) -> Iterator[list[Any]]:
        """A result that is all float64, some rows at a time, whatever is asked in between.

        Args:
            view: the statement that creates what the query reads.
            alone: whether the thread that asks does all the work, beside others that do the same.
        """
        with self._lock:
            if alone and self._lone is None:
                self._lone = self._connect(1)
            cursor = (self._lone if alone else self._link).cursor()
        self._cursors[threading.get_ident()] = cursor
        try:
            self._register(cursor)
            cursor.execute(view)
            capsule = _capsule(cursor.sql(query))
            if capsule is None:
                yield from _by_rows(cursor.execute(query))
            else:
                stream = ArrowStream(capsule)
                yield from stream.batches(range(len(stream.fields)))
        finally:
            self._cursors.pop(threading.get_ident(), None)
            cursor.close()

    def cancel(self, thread: int) -> None:
        """End what `batches` is waiting for in that thread."""
        if (cursor := self._cursors.get(thread)) is not None:
            cursor.interrupt()

    def close(self) -> None:
        """End the connections."""
        self._link.close()
        if self._lone is not None:
            self._lone.close()

    def one_select(self, sql: str) -> str:
        """The user's query as one SELECT, without what may stand behind it.

        Raises:
            UsageError: it is none, or there are several statements.
        """
        if not sql.strip():
            raise UsageError("the SQL query is empty", remedy=_IN_SQL)
        try:
            statements = self._link.extract_statements(sql)
        except FAILURES as error:
            self.refuse(error, True)
        kinds = [statement.type.name for statement in statements]
        if kinds != ["SELECT"]:
            found = f"holds {len(kinds)} statements ({', '.join(kinds)})"
            if len(kinds) < 2:
                found = f"is {kinds[0] if kinds else 'empty'}"
            raise UsageError(f"the SQL query is to be one SELECT, and {found}", remedy=_IN_SQL)
        return str(statements[0].query).strip().rstrip("; \n")

    def refuse(self, error: Exception, of_user: bool) -> NoReturn:
        """Raise what DuckDB complains of, in words of ours and without lines of the file."""
        if NO_ROOM.search(str(error)):
            refuse_full(self._place, "the SQL query" if of_user else f'"{self.path}"')
        if isinstance(error, MemoryError) or _FULL in str(error):
            self._refuse_size(of_user)
        place = _LINE.search(str(error))
        for fault, (what, remedy) in _FAULTS.items():
            if place and (found := fault.search(str(error))):
                told = f'line {place[1]} of "{self.path}" {what.format(*found.groups())}'
                raise DataError(told, remedy=remedy) from None
        lines = [line.strip() for line in str(error).splitlines()]
        told = " ".join([line for line in lines if line and not _ECHO.match(line)][:2])
        if not of_user:
            raise DataError(f'"{self.path}" cannot be read: {told}') from None
        if type(error).__name__ == "PermissionException":
            raise UsageError(
                "the SQL query reads or writes something else than the file that was named",
                remedy=_IN_SQL,
            ) from None
        if type(error).__name__ in _MISWRITTEN:
            raise UsageError(f"the SQL query cannot be run: {told}", remedy=_IN_SQL) from None
        raise DataError(f"the query cannot be read: {told}", remedy=_IN_SQL) from None

    def _refuse_size(self, of_user: bool) -> NoReturn:
        what = "the SQL query" if of_user else f'"{self.path}"'
        raise DataError(
            f"{what} needs more memory than the {self.most / 1e9:.3g} GB that are allowed to it",
            remedy="group rows, or take some of them: "
            + in_shell("sql", "SELECT * FROM data USING SAMPLE 10000"),
        ) from None


def _capsule(relation: Any) -> Any:
    """The result as an Arrow stream; None of older versions, which need pyarrow for it."""
    try:
        return relation.__arrow_c_stream__()
    except (AttributeError, ImportError):
        return None


def _by_rows(result: Any) -> Iterator[list[Any]]:
    while rows := result.fetchmany(FETCHED):
        yield [*np.array(rows, np.float64).T]


def pattern(path: str) -> str:
    """The path as an SQL text in which no sign is a wildcard."""
    return quoted("".join(f"[{sign}]" if sign in "*?[" else sign for sign in path))
