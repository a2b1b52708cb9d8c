"""Tables written to files: Parquet, CSV, TSV and JSON, by DuckDB."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray

from descend.data.quoting import quoted
from descend.show.output import check_output_path, written_whole

__all__ = ["TableWriter", "write_table"]

FORMS = {
    ".parquet": "FORMAT parquet, COMPRESSION zstd",
    ".pq": "FORMAT parquet, COMPRESSION zstd",
    ".csv": "FORMAT csv, HEADER",
    ".tsv": "FORMAT csv, HEADER, DELIMITER '\t'",
    ".json": "FORMAT json, ARRAY true",
    ".jsonl": "FORMAT json",
}
"""How DuckDB writes a file, by its ending."""


def write_table(
    columns: Mapping[str, NDArray[Any]], path: str | os.PathLike[str], kind: str
) -> None:
    """Write columns of equal length to a file, whole or not at all.

    Raises:
        UsageError: as `check_output_path`, which knows the `kind`; or the disk refused.
    """
    target = check_output_path(path, kind)
    import duckdb

    arrays = {name: np.ascontiguousarray(array) for name, array in columns.items()}
    with written_whole(target) as temporary, duckdb.connect() as link:
        link.execute("SET enable_progress_bar = false").fetchall()
        link.register("written", arrays)
        place, form = quoted(str(temporary)), FORMS[target.suffix.lower()]
        with _told():
            link.execute(f"COPY (SELECT * FROM written) TO {place} ({form})")


class TableWriter:
    """A table that is written piece by piece, whole or not at all, within little memory.

    The pieces are kept in a scratch file until the last has come.

    Args:
        path, kind: as of `write_table`.
        scratch: the folder for the scratch file, if not the system's.

    Raises:
        UsageError: as `write_table`.

    >>> from pathlib import Path
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     with TableWriter(f"{folder}/rows.csv", "predictions") as writer:
    ...         writer.add({"x": np.array([1.0, 2.0])})
    ...         writer.add({"x": np.array([3.0])})
    ...     Path(folder, "rows.csv").read_text().split()
    ['x', '1.0', '2.0', '3.0']
    """

    def __init__(
        self, path: str | os.PathLike[str], kind: str, scratch: str | None = None
    ) -> None:
        import duckdb

        self._target = check_output_path(path, kind)
        self._ends = ExitStack()
        folder = self._ends.enter_context(
            tempfile.TemporaryDirectory(prefix="descend-", dir=scratch)
        )
        self._link = self._ends.enter_context(duckdb.connect(f"{folder}/rows"))
        self._link.execute("SET enable_progress_bar = false").fetchall()
        self._link.execute("SET memory_limit = '200MB'").fetchall()
        self._begun = False

    def add(self, columns: Mapping[str, NDArray[Any]]) -> None:
        """Add rows, of columns of equal length, the same ones each time."""
        own = {name: np.ascontiguousarray(array) for name, array in columns.items()}
        self._link.register("piece", own)
        how = "INSERT INTO rows" if self._begun else "CREATE TABLE rows AS"
        with _told():
            self._link.execute(f"{how} SELECT * FROM piece")
        self._begun = True

    def __enter__(self) -> TableWriter:
        return self

    def __exit__(self, kind: Any, *_: object) -> None:
        with self._ends:
            if kind is None and self._begun:
                form = FORMS[self._target.suffix.lower()]
                with written_whole(self._target) as temporary, _told():
                    self._link.execute(f"COPY rows TO {quoted(str(temporary))} ({form})")


@contextmanager
def _told() -> Iterator[None]:
    """A disk that refuses is an `OSError`, as it is for other files."""
    import duckdb

    try:
        yield
    except duckdb.IOException as error:
        raise OSError(str(error).splitlines()[0]) from error
