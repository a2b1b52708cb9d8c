"""What of a fit its reliability is worked out of."""

from __future__ import annotations

from typing import Any, Protocol

from descend.records.record import FitRecord
from descend.trust.complete import Completion

__all__ = ["Fitted", "Reasons"]


class Reasons(Protocol):
    """What stands behind a fit."""

    @property
    def completion(self) -> Completion | None:
        """The data with the fitted model; None for a loaded fit."""

    @property
    def leaves(self) -> Any:
        """The parameters, leaf by leaf."""


class Fitted(FitRecord):
    """A fit: its record, and what stands behind it."""

    __slots__ = ()

    _evidence: Reasons
