"""Whether values rise by factors or in even steps: what pictures, zooms and the studio go by."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["by_factors"]

Array = NDArray[Any]
GEOMETRIC = 1.02  # factors that differ by less are one factor
WIDE = 8  # times the first of whole numbers, the last of those that rise by factors


def by_factors(values: Array) -> bool:
    """Whether each value is about the same multiple of the one before, and the last one far away.

    Of whole numbers, which cannot be, whether they lie wider apart the larger they are.

    Args:
        values: (n,) ascending.

    >>> by_factors(np.geomspace(1e-3, 1, 7)), by_factors(np.linspace(1, 2, 7))
    (True, False)
    >>> by_factors(np.array([1.0, 2.0, 3.0, 5.0, 8.0, 13.0])), by_factors(np.arange(1.0, 20.0))
    (True, False)
    """
    if len(values) < 3 or not (values > 0).all():
        return False
    if (values == np.rint(values)).all() and values[-1] >= WIDE * values[0]:
        steps = np.diff(values)
        return bool(steps[-1] >= 2 * steps[0])
    factors = values[1:] / values[:-1]
    return bool(factors.max() <= GEOMETRIC * factors.min()) and bool(values[-1] > 3 * values[0])
