"""What results on uncertainty share: a report, JSON, and how ends are written."""

from __future__ import annotations

import dataclasses
import math
import os
from collections.abc import Sequence
from typing import Any

from descend.records.record import jsonable
from descend.show.layout import Section, as_html, as_text
from descend.show.numbers import WIDTH, aligned, full

__all__ = ["DIGITS", "MOST_PANELS", "NAME_WIDTH", "Path", "Shown", "end_of", "entered"]

Path = str | os.PathLike[str] | None

NAME_WIDTH = 24
DIGITS = 6
MOST_PANELS = 9  # of a picture


class Shown:
    """A record with a report."""

    def _told(self) -> tuple[str, list[Section]]:
        raise NotImplementedError

    def report(self, width: int = WIDTH) -> str:
        """Return the report, which `print` prints."""
        title, sections = self._told()
        return as_text(title, sections, width)

    def to_json_dict(self) -> dict[str, Any]:
        """Return all fields as plain Python values, ready for `json.dumps(allow_nan=False)`."""
        named = {f.name: getattr(self, f.name) for f in dataclasses.fields(self)}  # type: ignore[arg-type]
        return {name: _plain(value) for name, value in named.items()}

    def __str__(self) -> str:
        return self.report()

    def __repr__(self) -> str:
        return f"<{self.report().splitlines()[0]}>"

    def _repr_html_(self) -> str:
        return as_html(*self._told())


def _plain(value: Any) -> Any:
    """Records inside of records become dicts as well."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: _plain(getattr(value, f.name)) for f in dataclasses.fields(value)}
    if hasattr(value, "_asdict"):
        return {name: _plain(entry) for name, entry in value._asdict().items()}
    if isinstance(value, dict):
        return {name: _plain(entry) for name, entry in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(entry) for entry in value]
    return jsonable(value)


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
