"""What every result shares: a report as text and as HTML, and all of it as plain values."""

from __future__ import annotations

from typing import Any

from descend.show.numbers import WIDTH

__all__ = ["Shown"]


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
