"""A band around the fitted values."""

from __future__ import annotations

from typing import Any

from numpy.typing import NDArray

from descend.lean import dataclass

__all__ = ["Band"]


@dataclass
class Band:
    """A band around the fitted values.

    Attributes:
        fitted, low, high, stderr: shaped like the prediction; stderr is that of the fitted value
            in a confidence band, that of a new observation in a prediction band.
        kind: `confidence` or `prediction`.
        simultaneous: whether it holds for all x at once.
    """

    kind: str
    level: float
    simultaneous: bool
    fitted: NDArray[Any]
    stderr: NDArray[Any]
    low: NDArray[Any]
    high: NDArray[Any]
