"""What results on uncertainty share: a short name, JSON, and how ends are written."""

from __future__ import annotations

import dataclasses
import math
import os
from collections.abc import Sequence
from typing import Any

from descend.records.record import jsonable
from descend.show.layout import Section
from descend.show.numbers import aligned, full
from descend.show.shown import Shown

__all__ = ["DIGITS", "MOST_PANELS", "NAME_WIDTH", "Path", "Uncertain", "end_of", "entered"]

Path = str | os.PathLike[str] | None

NAME_WIDTH = 24
DIGITS = 6
MOST_PANELS = 9  # of a picture


class Uncertain(Shown):
    """A record with a report."""

    def to_json_dict(self) -> dict[str, Any]:
        """Return all fields as plain Python values, ready for `json.dumps(allow_nan=False)`."""
        return {f.name: jsonable(getattr(self, f.name)) for f in dataclasses.fields(self)}  # type: ignore[arg-type]

    def __repr__(self) -> str:
        return f"<{self.report().splitlines()[0]}>"


def end_of(value: float, digits: int = DIGITS) -> str:
    """An end of an interval in words."""
    if math.isinf(value):
        return "∞" if value > 0 else "-∞"
    return "—" if math.isnan(value) else full(value, digits)


def entered(table: Section, cells: Sequence[tuple[str, ...]]) -> None:
    """Give a table its rows: names, then columns of numbers that stand below one another."""
    if cells:
        columns = list(zip(*cells, strict=True))
        table.rows = list(zip(columns[0], *(aligned(c) for c in columns[1:]), strict=True))
