"""Tables written to files: Parquet, CSV, TSV and JSON, by DuckDB."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from descend.data.quoting import quoted
from descend.show.output import check_output_path, written_whole

__all__ = ["write_table"]

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
        try:
            link.execute(f"COPY (SELECT * FROM written) TO {place} ({form})")
        except duckdb.IOException as error:
            raise OSError(str(error).splitlines()[0]) from error
