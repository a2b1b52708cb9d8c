"""What a table behind DuckDB is made of, and how large its parts are."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any, NamedTuple

from numpy.typing import NDArray

from descend.data.text import Dialect

__all__ = ["Arrays", "Foreign", "Part", "Text", "is_parquet", "rows_about", "size_of"]

Array = NDArray[Any]


class Text(NamedTuple):
    """A text file in UTF-8, and how it is written."""

    file: str
    dialect: Dialect


class Foreign(NamedTuple):
    """A file that DuckDB reads by itself, and how."""

    file: str
    reader: str


class Arrays(NamedTuple):
    """Columns in memory."""

    columns: Mapping[str, Array]


Part = Text | Foreign | Arrays


def is_parquet(part: Part) -> bool:
    return isinstance(part, Foreign) and part.reader.startswith("read_parquet")


def size_of(part: Text | Foreign) -> int:
    """About how many bytes the columns of a file take as numbers."""
    if isinstance(part, Foreign):
        return os.path.getsize(part.file)
    return int(rows_about(part) * 8 * part.dialect.width)


def rows_about(part: Text) -> float:
    """How many rows a text has, if all lines are as long as the first ones."""
    rows = part.dialect.body
    if not rows:
        return 0
    line = sum(1 + len(cell) for row in rows for cell in row.cells) / len(rows)
    return os.path.getsize(part.file) / line
