"""Tables in files: CSV, TSV, Parquet and JSON, or an SQL query over them, read by DuckDB."""

from __future__ import annotations

import csv
import os
import re
import tempfile
import warnings
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from descend.data.validate import EXACT
from descend.errors import DataError, DescendWarning, UsageError, suggest

__all__ = ["TableFile", "open_table"]

Array = NDArray[Any]
# skip=0: left to itself, DuckDB drops leading rows that do not fit the later ones.
_READERS = {
    ".csv": "read_csv({path}, skip=0)",
    ".txt": "read_csv({path}, skip=0)",
    ".dat": "read_csv({path}, skip=0)",
    ".tsv": "read_csv({path}, skip=0, delim='\\t')",
    ".parquet": "read_parquet({path})",
    ".pq": "read_parquet({path})",
    ".json": "read_json_auto({path})",
    ".jsonl": "read_json_auto({path}, format='newline_delimited')",
    ".ndjson": "read_json_auto({path}, format='newline_delimited')",
}
_SEPARATORS = {".csv": ",", ".tsv": "\t"}
_COMPRESSED = (".gz", ".zst")
_SMALL = 2_000_000  # bytes; DuckDB's own start takes as long as NumPy needs for such a file
_NUMBERS = re.compile(r"(U?(TINY|SMALL|BIG|HUGE)?INT(EGER)?|FLOAT|DOUBLE|BOOLEAN|DECIMAL.*)$")
_TIMES = re.compile(r"(DATE|TIME)")
_ECHO = re.compile(r"LINE \d+:|\^|Original Line:")
_MISWRITTEN = ("ParserException", "BinderException", "CatalogException")
_IN_SQL = "write a query such as SELECT * FROM data: the file is called data in it"
_MOST_SHOWN = 3


def open_table(path: str, sql: str | None = None) -> TableFile:
    """Open a table for reading; nothing but its columns' names is read yet.

    Args:
        path: a file ending in .csv, .tsv, .txt, .parquet, .json or .jsonl, also .gz or .zst of
            these, or `-` for CSV on standard input.
        sql: a query whose result is the table; the file is called `data` in it.

    Raises:
        DataError: there is no such file, it is empty or cannot be read, or the query fails.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     _ = Path(folder, "points.csv").write_text("x,y\\n0,6\\n1,15\\n")
    ...     table = open_table(folder + "/points.csv")
    ...     print(table.columns, table.read(["y"]))
    ('x', 'y') {'y': array([ 6., 15.])}
    """
    suffix = _check_file(path)
    plain_kind = sql is None and suffix in _SEPARATORS and path != "-"
    if plain_kind and os.path.getsize(path) <= _SMALL:
        plain = _read_plain(path, _SEPARATORS[suffix])
        if plain is not None:
            return TableFile(path, tuple(plain), plain)
    return _QueriedTable(path, suffix, sql)


class TableFile:
    """An open table: `columns` are its names in order, `read` fetches some of them."""

    def __init__(self, path: str, columns: tuple[str, ...], values: dict[str, Array]) -> None:
        self.path = path
        self.columns = columns
        self._values = values

    def read(self, names: Iterable[str]) -> dict[str, Array]:
        """Return columns as float64 arrays of shape (rows,), missing values as NaN.

        Raises:
            DataError: a column is absent (with the nearest name) or holds no numbers (with
                samples and their rows).
        """
        wanted = list(dict.fromkeys(names))
        for name in wanted:
            self._check_known(name)
        return self._fetch(wanted)

    def _check_known(self, name: str) -> None:
        if name not in self.columns:
            shown = ", ".join(self.columns[:12]) + (" …" if len(self.columns) > 12 else "")
            raise DataError(
                f'"{self.path}" has no column "{name}"{suggest(name, self.columns)}',
                remedy=f"its columns are {shown}",
            )

    def labels(self, name: str) -> Array:
        """Return a column that names groups, numbers or text, of shape (rows,).

        Raises:
            DataError: the column is absent, or a label is missing.
        """
        self._check_known(name)
        labels = self._labels(name)
        missing = np.flatnonzero(labels == "") if labels.dtype.kind in "U" else None
        if missing is None:
            missing = np.flatnonzero(np.isnan(labels))
        if missing.size:
            raise DataError(
                f'the column "{name}" says no group in row {missing[0]}, counting from 0',
                remedy="leave out such rows, or name a group for them",
            )
        return labels

    def _labels(self, name: str) -> Array:
        return self._values[name]

    def _fetch(self, names: list[str]) -> dict[str, Array]:
        return {name: self._values[name] for name in names}


def _check_file(path: str) -> str:
    """Return the suffix that tells the format; refuse what is no readable file."""
    if path == "-":
        return ".csv"
    suffixes = [suffix.lower() for suffix in Path(path).suffixes]
    suffix = suffixes[-1] if suffixes else ""
    if suffix in _COMPRESSED and len(suffixes) > 1:
        suffix = suffixes[-2] + suffix
    if os.path.isdir(path):
        raise DataError(f'"{path}" is a directory', remedy="name a file in it")
    if not os.path.exists(path):
        folder = os.path.dirname(path) or "."
        near = os.listdir(folder) if os.path.isdir(folder) else []
        hint = suggest(os.path.basename(path), near)
        raise DataError(f'there is no file "{path}"{hint}')
    if suffix.removesuffix(".gz").removesuffix(".zst") not in _READERS:
        known = ", ".join(sorted(_READERS))
        raise DataError(
            f'"{path}" is no table that can be read: its name does not end in a known suffix',
            remedy=f"name it by its format: {known}, or these with .gz",
        )
    if not os.access(path, os.R_OK):
        raise DataError(f'"{path}" may not be read', remedy="check its permissions")
    if os.path.isfile(path) and os.path.getsize(path) == 0:
        raise DataError(f'"{path}" is empty')
    return suffix


def _read_plain(path: str, separator: str) -> dict[str, Array] | None:
    """A small file with a header and nothing but numbers; None leaves it to DuckDB."""
    try:
        with open(path, encoding="utf-8-sig", newline="") as lines:
            header = [name.strip() for name in lines.readline().rstrip("\r\n").split(separator)]
            if not all(re.fullmatch(r"[^\W\d][\w .%/()\[\]-]*", name) for name in header):
                return None
            if len(set(map(str.casefold, header))) < len(header):
                return None
            with warnings.catch_warnings():
                warnings.simplefilter("error")
                values = np.loadtxt(lines, delimiter=separator, comments=None, ndmin=2)
    except (ValueError, OSError, UserWarning):
        return None
    if values.shape[0] == 0 or values.shape[1] != len(header):
        return None
    if (np.abs(values) >= EXACT).any():  # DuckDB tells whole numbers that floats do not hold
        return None
    columns = np.ascontiguousarray(values.T)
    return dict(zip(header, columns, strict=True))


class _QueriedTable(TableFile):
    """A table behind DuckDB: the file, or the result of a query over it."""

    def __init__(self, path: str, suffix: str, sql: str | None) -> None:
        import duckdb

        self._errors = (duckdb.Error, RuntimeError)
        self._link = duckdb.connect(
            config={
                "autoinstall_known_extensions": False, "autoload_known_extensions": False,
                "python_enable_replacements": False, "threads": os.cpu_count() or 1,
                "temp_directory": os.path.join(tempfile.gettempdir(), f"descend-{os.getpid()}"),
            }
        )  # fmt: skip
        with suppress(duckdb.Error):  # versions that do not have this optimizer
            # It would let the CSV reader convert, which reads no DOUBLE from `true` and makes
            # of TRY_CAST a CAST.
            self._link.execute("SET disabled_optimizers = 'type_pushdown'")
        self._allow_only(path)
        self._suffix = suffix
        self._sql = sql
        self._options = ""
        super().__init__(path, (), {})
        self._describe()

    def _allow_only(self, path: str) -> None:
        """From here on no query reads or writes anything but this file, or says otherwise."""
        read = _quoted_path(path)
        plain = "'" + path.replace("'", "''") + "'"
        self._link.execute(f"SET allowed_paths = [{read}, {plain}]")
        self._link.execute("SET enable_external_access = false")
        self._link.execute("SET lock_configuration = true")

    def _query(self, sql: str) -> str:
        """The query as one SELECT, without what may stand behind it.

        Raises:
            UsageError: it is none, or there are several statements.
        """
        try:
            statements = self._link.extract_statements(sql)
        except self._errors as error:
            self._refuse(error)
        kinds = [statement.type.name for statement in statements]
        if kinds != ["SELECT"]:
            found = f"holds {len(kinds)} statements ({', '.join(kinds)})"
            if len(kinds) == 1:
                found = f"is {kinds[0]}"
            raise UsageError(f"the SQL query is to be one SELECT, and {found}", remedy=_IN_SQL)
        return str(statements[0].query).strip().removesuffix(";")

    def _describe(self) -> None:
        """Create the view `data` (and the query's result over it) and learn columns and types."""
        if self._sql is not None and not self._sql.strip():
            raise UsageError("the SQL query is empty", remedy=_IN_SQL)
        stem = self._suffix.removesuffix(".gz").removesuffix(".zst")
        reader = _READERS[stem].format(path=_quoted_path(self.path))
        if "read_csv" in reader:
            reader = reader.removesuffix(")") + self._options + ")"
        kind = "TEMP TABLE" if self.path == "-" else "TEMP VIEW"
        self._run(f"CREATE OR REPLACE {kind} data AS SELECT * FROM {reader}")
        # On lines of its own, so that a remark at its end ends there.
        self._source = "data" if self._sql is None else f"(\n{self._query(self._sql)}\n)"
        described = self._run(f"DESCRIBE SELECT * FROM {self._source}").fetchall()
        self.columns = tuple(row[0] for row in described)
        self._twice = _twice_in_header(self.path, stem) if self._sql is None else set()
        self._types = {row[0]: str(row[1]) for row in described}
        if stem == ".csv" and list(self._types.values()) == ["VARCHAR"]:
            _refuse_ragged(self.path)

    def _run(self, query: str) -> Any:
        try:
            return self._link.execute(query)
        except self._errors as error:
            self._refuse(error)

    def _refuse(self, error: Exception) -> None:
        lines = [line.strip() for line in str(error).splitlines()]
        told = " ".join([line for line in lines if line and not _ECHO.match(line)][:2])
        what = "the query" if self._sql is not None else f'"{self.path}"'
        if self._sql is not None and type(error).__name__ == "PermissionException":
            raise UsageError(
                "the SQL query reads or writes something else than the file that was named",
                remedy=_IN_SQL,
            ) from None
        if self._sql is not None and type(error).__name__ in _MISWRITTEN:
            raise UsageError(f"the SQL query cannot be run: {told}", remedy=_IN_SQL) from None
        remedy = None if self._sql is None else _IN_SQL
        raise DataError(f"{what} cannot be read: {told}", remedy=remedy) from None

    def _fetch(self, names: list[str]) -> dict[str, Array]:
        for name in names:
            if name in self._twice:
                raise DataError(
                    f'"{self.path}" has more than one column "{name}"',
                    remedy="give each its own name in the first line",
                )
            self._check_type(name)
        chosen = ", ".join(f"CAST({_identifier(name)} AS DOUBLE)" for name in names)
        query = f"SELECT {chosen or '1'} FROM {self._source}"
        try:
            fetched = list(self._link.execute(query).fetchnumpy().values())
        except self._errors as error:
            if "sample_size" in self._options or "onver" not in str(error):
                self._refuse(error)
            # The first rows promised a type that a later row breaks: look at all of them.
            self._options += ", sample_size=-1"
            self._describe()
            return self._fetch(names)
        found = {name: _dense(values) for name, values in zip(names, fetched, strict=False)}
        for name, values in found.items():
            if "INT" in self._types[name] and (np.abs(values) >= EXACT).any():
                self._warn_of_lost_digits(name)
        return found

    def _warn_of_lost_digits(self, name: str) -> None:
        """Say where a column has whole numbers that float64 rounds."""
        column = _identifier(name)
        numbered = f"SELECT row_number() OVER () - 1 AS row, {column} AS v FROM {self._source}"
        lost = self._run(
            f"SELECT row, v, count(*) OVER () FROM ({numbered}) WHERE abs(v::HUGEINT) > 1::HUGEINT "
            "<< 53 AND TRY_CAST(v::DOUBLE AS HUGEINT) IS DISTINCT FROM v::HUGEINT "
            "ORDER BY row LIMIT 1"
        ).fetchone()
        if lost is None:
            return
        row, value, count = lost
        more = f" ({count} rows in all)" if count > 1 else ""
        query = f"SELECT * REPLACE ({column} - {value} AS {column}) FROM data"
        warnings.warn(
            DescendWarning(
                f'the column "{name}" holds whole numbers beyond 2**53, which floats do not hold '
                f"exactly: {value} in row {row}{more}, counting from 0; "
                f"subtract a common part from them first: {_in_shell(query)}"
            ),
            stacklevel=2,
        )

    def _labels(self, name: str) -> Array:
        if _NUMBERS.match(self._types[name]):
            return self._fetch([name])[name]
        text = f"COALESCE(CAST({_identifier(name)} AS VARCHAR), '')"
        (found,) = self._run(f"SELECT {text} FROM {self._source}").fetchnumpy().values()
        return np.asarray(found, dtype=np.str_)

    def _check_type(self, name: str) -> None:
        kind = self._types[name]
        if _NUMBERS.match(kind):
            return
        column = self._in_query(name)
        if _TIMES.match(kind):
            raise DataError(
                f'the column "{name}" holds dates or times ({kind})',
                remedy="turn it into seconds since the first, so that a rate is one per second "
                "(/ 86400 for days): "
                + _in_shell(
                    f"SELECT epoch({column}) - min(epoch({column})) OVER () AS t, * FROM data"
                ),
            )
        if kind == "VARCHAR":
            self._refuse_text(name)
            return
        raise DataError(
            f'the column "{name}" holds {kind}, no numbers',
            remedy="take a number out of it: "
            + _in_shell(f"SELECT {column}[1] AS first, * FROM data"),
        )

    def _in_query(self, name: str) -> str:
        """The column as a person writes it in a query: in quotes only where it must be."""
        words = "SELECT 1 FROM duckdb_keywords() WHERE keyword_name = lower(?)"
        if not re.fullmatch(r"[A-Za-z_]\w*", name):
            return _identifier(name)
        return _identifier(name) if self._link.execute(words, [name]).fetchall() else name

    def _refuse_text(self, name: str) -> None:
        column = _identifier(name)
        numbered = f"SELECT row_number() OVER () - 1 AS row, {column} AS v FROM {self._source}"
        found = self._run(
            f"SELECT row, v, count(*) OVER () FROM ({numbered}) WHERE v IS NOT NULL AND "
            f"TRY_CAST(v AS DOUBLE) IS NULL ORDER BY row LIMIT {_MOST_SHOWN}"
        ).fetchall()
        if not found:
            return
        shown = ", ".join(f'"{_short(value)}" in row {row}' for row, value, _ in found)
        more = f" ({found[0][2]} rows in all)" if found[0][2] > len(found) else ""
        column = self._in_query(name)
        cast = f"TRY_CAST({column} AS DOUBLE)"
        if re.fullmatch(r"\s*[-+]?\d+,\d+\s*", found[0][1]):
            cast = f"CAST(replace({column}, ',', '.') AS DOUBLE)"
        raise DataError(
            f'the column "{name}" holds text: {shown}{more}, counting from 0',
            remedy="correct it, or convert it: "
            + _in_shell(f"SELECT * REPLACE ({cast} AS {column}) FROM data"),
        )


def _twice_in_header(path: str, stem: str) -> set[str]:
    """Names that stand more than once in the first line, all but the first renamed by DuckDB."""
    separator = _SEPARATORS.get(stem)
    if separator is None or not (path.lower().endswith(stem) and os.path.isfile(path)):
        return set()
    with open(path, encoding="utf-8-sig", errors="replace", newline="") as lines:
        header = [name.strip() for name in next(csv.reader(lines, delimiter=separator), [])]
    return {name for name in header if header.count(name) > 1}


def _refuse_ragged(path: str) -> None:
    """Name the line whose fields do not match the header, which hides the commas from DuckDB."""
    if not path.endswith(".csv"):
        return
    with open(path, encoding="utf-8-sig", errors="replace", newline="") as lines:
        reader = csv.reader(lines)
        width = len(next(reader))
        for row in reader:
            if row and len(row) != width:
                raise DataError(
                    f'line {reader.line_num} of "{path}" has {len(row)} fields, '
                    f"and the header has {width}",
                    remedy="correct that line; a text that contains a comma stands in quotes",
                )


def _dense(values: Any) -> Array:
    """DuckDB marks missing values by a mask; here they are NaN."""
    if isinstance(values, np.ma.MaskedArray):
        return np.asarray(values.astype(np.float64).filled(np.nan))  # type: ignore[attr-defined]
    return np.ascontiguousarray(values, dtype=np.float64)


def _in_shell(query: str) -> str:
    """The option as a shell reads it, whatever quotes the query has."""
    if not set(query) & set('"$`\\!'):
        return f'--sql "{query}"'
    return "--sql '" + query.replace("'", "'\\''") + "'"


def _identifier(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _short(text: str) -> str:
    return text if len(text) <= 30 else text[:28] + "…"


def _quoted_path(path: str) -> str:
    """The path as an SQL text in which no sign is a wildcard."""
    if path == "-":
        return "'/dev/stdin'"
    plain: Sequence[str] = [f"[{ch}]" if ch in "*?[" else ch for ch in path]
    return "'" + "".join(plain).replace("'", "''") + "'"
