"""What results share: a report as text and as HTML; small ones also all of it as plain values."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

from descend.records.record import jsonable
from descend.show.numbers import WIDTH

__all__ = ["Shown", "Uncertain"]


class Shown:
    """A result with a report."""

    __slots__ = ()

    def _told(self) -> tuple[str, list[Any]]:
        """The title, and the sections that are left to say."""
        raise NotImplementedError

    def report(self, width: int = WIDTH) -> str:
        """Return the report, which `print` prints."""
        from descend.show.layout import as_text

        return as_text(*self._told(), width)

    def __str__(self) -> str:
        return self.report()

    def _repr_html_(self) -> str:
        from descend.show.layout import as_html

        return as_html(*self._told())


class Uncertain(Shown):
    """A small result, with a report and a short name."""

    def to_json_dict(self) -> dict[str, Any]:
        """Return all fields as plain Python values, ready for `json.dumps(allow_nan=False)`."""
        return {f.name: jsonable(getattr(self, f.name)) for f in fields(self)}  # type: ignore[arg-type]

    def __repr__(self) -> str:
        return f"<{self.report().splitlines()[0]}>"
