"""Tables in files, whoever wrote them: text, workbooks, Parquet, JSON, or a query over them."""

from __future__ import annotations

import functools
import glob
import os
import re
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from descend.data.asked import Asked, Undecided, asked
from descend.data.table import Complaint, PlainTable, TableFile
from descend.data.validate import EXACT
from descend.errors import DataError, UsageError, ends_at_users_line, suggest, warn

__all__ = ["open_table", "read"]

Array = NDArray[Any]
# Bytes of a file of nothing but numbers, and of another one: DuckDB's own start takes as long as
# reading such a file without it.
SMALL, SMALL_CELLS = 2_000_000, 400_000
NOTHING = Asked()
SEPARATORS = {".csv": ",", ".tsv": "\t"}
FAR = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+):/?/")


@ends_at_users_line
def read(
    path: str | os.PathLike[str],
    *,
    sheet: str | int | None = None,
    encoding: str | None = None,
    decimal: str | None = None,
    thousands: str | None = None,
    sep: str | None = None,
    header: bool | int | None = None,
    skip: int | None = None,
    names: Sequence[str] | None = None,
) -> dict[str, Array]:
    """Read a table from a file: what `fit` takes as one.

    How a text is written (its encoding, the sign between columns, decimal points or commas, signs
    between thousands, names, a row of units) is seen in the file; what is not is said. Where a file
    can be read in two ways, it is refused, with the options that settle it.

    Args:
        path: text (.csv, .tsv, .txt, .dat or any other name, also packed as .gz), a workbook
            (.xlsx, .xls, .xlsb, .ods), .parquet, .json, .jsonl, a pattern such as `run*.csv`
            for several files with the same columns, or `-` for standard input.
        sheet: of a workbook: its name, or its number from 1; else the first that holds a table.
        encoding: of a text, as Python calls it.
        decimal: the sign before decimals, `"."` or `","`.
        thousands: the sign between thousands: `","`, `"."`, `" "` or `"'"`.
        sep: the sign between columns; `" "` stands for any number of blanks and tabs.
        header: how many lines at the top are no data: 0 (or False) none, 1 (or True) names,
            2 names and units, ….
        skip: how many lines, or rows of a sheet, come before all that.
        names: of the columns, instead of those in the file.

    Returns:
        name → array of shape (rows,): numbers as float64 with NaN where they are missing, dates
        and times as datetime64, anything else as text.

    Raises:
        DataError: there is no such file, it holds no table, its rows have unequal lengths, or it
            can be read in more than one way.
        UsageError: an option that cannot be meant.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     file = Path(folder, "decay.csv")
    ...     _ = file.write_text("t;v\\ns;V\\n0;3,5\\n1;1,9\\n2;1,1\\n")
    ...     read(file, decimal=",", header=2)
    {'t': array([0., 1., 2.]), 'v': array([3.5, 1.9, 1.1])}
    """
    how = asked(
        sheet=sheet, encoding=encoding, decimal=decimal, thousands=thousands, sep=sep,
        header=header, skip=skip, names=names,
    )  # fmt: skip
    table = open_table(os.fspath(path), how=how)
    for note in table.notes:
        warn(note)
    return table.everything()


def open_table(path: str, sql: str | None = None, how: Asked = NOTHING) -> TableFile:
    """Open a table for reading, whole or in part.

    Args:
        path: see `read`.
        sql: a query whose result is the table; the file is called `data` in it.
        how: what the user says of it.

    Raises:
        DataError: there is no such file, it is empty or cannot be read, or the query fails.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     _ = Path(folder, "points.csv").write_text("x,y\\n0,6\\n1,15\\n")
    ...     table = open_table(folder + "/points.csv")
    ...     print(table.columns, table.read(["y"]))
    ('x', 'y') {'y': array([ 6., 15.])}
    """
    files = _files(path)

    @functools.cache
    def source() -> Any:
        from descend.data.sources import Sources

        return Sources(path, files, min(SMALL, SMALL_CELLS), how.scratch)

    def again(how: Asked, sql: str | None) -> TableFile:
        found: TableFile = source().table(how, sql)
        return found

    if sql is None and how.nothing and len(files) == 1:
        separator = SEPARATORS.get(Path(path).suffix.lower())
        if separator and os.path.isfile(path) and os.path.getsize(path) <= SMALL:
            plain = _read_plain(path, separator)
            if plain is not None:
                table: TableFile = PlainTable(path, plain, how)
                table.again = again
                return table
    try:
        table = again(how, sql)
    except Undecided as error:
        from descend.data.remedy import settled

        raise settled(error, how, again, sql) from None
    table.again, table.advise = again, _advice
    return table


def _advice(table: TableFile, complaints: Sequence[Complaint], wanted: Sequence[str]) -> str | None:
    from descend.data.remedy import remedy_for

    return remedy_for(table, complaints, wanted)


def _files(path: str) -> list[str]:
    """The files that a path names: itself, or those that match the pattern."""
    if path == "-":
        return [path]
    if os.path.isdir(path):
        raise DataError(f'"{path}" is a directory', remedy="name a file in it")
    if not os.path.exists(path):
        _check_near(path)
        if glob.has_magic(path):
            found = sorted(filter(os.path.isfile, glob.glob(path, recursive=True)))
            for file in found:
                _check_file(file)
            if found:
                return found
            raise DataError(f'no file is called as in "{path}"', remedy="check the pattern")
        folder = os.path.dirname(path) or "."
        near = os.listdir(folder) if os.path.isdir(folder) else []
        raise DataError(f'there is no file "{path}"{suggest(os.path.basename(path), near)}')
    _check_file(path)
    return [path]


def _check_near(path: str) -> None:
    if far := FAR.match(path):
        raise UsageError(
            f'"{path}" is not on this machine: nothing is fetched by {far[1]}',
            remedy="copy it to this machine, or pass an Arrow stream: any object with "
            "__arrow_c_stream__",
        )


def _check_file(path: str) -> None:
    if not os.access(path, os.R_OK):
        raise DataError(f'"{path}" may not be read', remedy="check its permissions")
    if os.path.isfile(path) and os.path.getsize(path) == 0:
        raise DataError(f'"{path}" is empty')


def _read_plain(path: str, separator: str) -> dict[str, Array] | None:
    """A small file with a header and nothing but numbers; None where it is anything else."""
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
    if (np.abs(values) >= EXACT).any():  # whole numbers that floats do not hold are told
        return None
    columns = np.ascontiguousarray(values.T)
    return dict(zip(header, columns, strict=True))
