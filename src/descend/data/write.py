"""Tables written to files: Parquet, CSV, TSV and JSON, by DuckDB."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from descend.errors import UsageError, suggest

__all__ = ["WRITERS", "check_table_path", "write_table"]

WRITERS = {
    ".parquet": "FORMAT parquet, COMPRESSION zstd",
    ".pq": "FORMAT parquet, COMPRESSION zstd",
    ".csv": "FORMAT csv, HEADER",
    ".tsv": "FORMAT csv, HEADER, DELIMITER '\t'",
    ".json": "FORMAT json, ARRAY true",
    ".jsonl": "FORMAT json",
}
"""How DuckDB writes a file, by its ending."""


def check_table_path(path: str | os.PathLike[str]) -> tuple[Path, str]:
    """Return a place to write to, and how.

    Raises:
        UsageError: an ending that is not known, or a folder that is not there.
    """
    target = Path(path)
    how = WRITERS.get(target.suffix.lower())
    if how is None:
        raise UsageError(
            f'"{target.name}" ends in nothing that can be written'
            f"{suggest(target.suffix, WRITERS)}",
            remedy=f"name it with one of {', '.join(WRITERS)}",
        )
    if not target.parent.is_dir():
        raise UsageError(f'the folder "{target.parent}" is not there', remedy="make it first")
    return target, how


def write_table(path: str | os.PathLike[str], columns: Mapping[str, NDArray[Any]]) -> None:
    """Write columns of equal length to a file, under a temporary name first.

    Raises:
        UsageError: an ending that is not known, or a folder that is not there.
    """
    target, how = check_table_path(path)
    import duckdb

    arrays = {name: np.ascontiguousarray(array) for name, array in columns.items()}
    handle, temporary = tempfile.mkstemp(dir=target.parent, suffix=target.suffix)
    os.close(handle)
    try:
        with duckdb.connect() as connection:
            connection.execute("SET enable_progress_bar = false").fetchall()
            connection.register("fitted", arrays)
            quoted = temporary.replace("'", "''")
            connection.execute(f"COPY (SELECT * FROM fitted) TO '{quoted}' ({how})")
        os.replace(temporary, target)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
