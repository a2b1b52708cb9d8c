"""A band around fitted values."""

from __future__ import annotations

from typing import Any

import numpy as np

from descend.lean import dataclass

__all__ = ["Band"]

Array = np.ndarray[Any, np.dtype[Any]]


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
    fitted: Array
    stderr: Array
    low: Array
    high: Array
