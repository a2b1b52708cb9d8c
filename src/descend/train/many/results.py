"""The results of many fits as the user gets them: the record, which can report itself."""

from __future__ import annotations

from descend.many_records import ManyRecord
from descend.show.many import many_report

__all__ = ["ManyFits"]


class ManyFits(ManyRecord):
    """The results of many fits: `ManyRecord` says what is in them."""

    def report(self) -> str:
        """A summary over all fits as text."""
        return many_report(self)

    def __str__(self) -> str:
        return self.report()
