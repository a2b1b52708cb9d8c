"""Quantiles of Student's t, Fisher's F, χ² and the normal distribution; SciPy is imported on use.

Degrees of freedom are infinite where the scale of the errors is known: t becomes normal then, and
k·F becomes χ².
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from descend.errors import UsageError

__all__ = [
    "check_level",
    "expanded_tails",
    "region_factor",
    "student_factor",
]

Array = np.ndarray[Any, np.dtype[Any]]


def check_level(level: float) -> float:
    """Return a level of confidence as a float.

    Raises:
        UsageError: it is no number between 0 and 1.

    >>> check_level(95)
    Traceback (most recent call last):
    descend.errors.UsageError: level=95 is not between 0 and 1
      do: write level=0.95
    """
    good = isinstance(level, int | float | np.number) and not isinstance(level, bool)
    if not good or not 0 < float(level) < 1:
        percent = good and 1 < float(level) < 100
        hint = f"{float(level) / 100:g}" if percent else "0.95"
        raise UsageError(f"level={level!r} is not between 0 and 1", remedy=f"write level={hint}")
    return float(level)


def student_factor(level: float, dof: float) -> float:
    """How many standard errors a two-sided interval reaches to either side.

    >>> round(student_factor(0.95, 10), 4), round(student_factor(0.95, math.inf), 4)
    (2.2281, 1.96)
    """
    from scipy import special

    upper = 0.5 + 0.5 * level
    return float(special.ndtri(upper) if math.isinf(dof) else special.stdtrit(dof, upper))


def expanded_tails(level: float, dof: float, stretch: Any = 1.0) -> Array:
    """(..., 2) which quantiles of bootstrap draws reach as far as Student's t does.

    Draws scatter normally where estimates are known to scatter as t: the quantile z of the normal
    distribution is put where stretch·t lies, at Φ(±stretch·t). Hesterberg, "What teachers should
    know about the bootstrap" (2015): the expanded percentile interval.

    Args:
        dof: of the variance that the draws take from the data; infinite where they are told it.
        stretch: (...) the true standard error over that of the draws.

    >>> expanded_tails(0.95, math.inf).round(4), expanded_tails(0.95, 10).round(4)
    (array([0.025, 0.975]), array([0.0129, 0.9871]))
    """
    from scipy import special

    reach = stretch * student_factor(level, dof)
    return np.asarray(special.ndtr(np.stack([-reach, reach], axis=-1)))


def region_factor(level: float, count: int, dof: float) -> float:
    """The square root of k·F(k, ν): how far a region in k dimensions reaches, in standard errors.

    Scheffé, "The Analysis of Variance" (1959), section 3.5; for k = 1 it is Student's t.

    >>> round(region_factor(0.95, 1, 10), 4), round(region_factor(0.95, 2, math.inf) ** 2, 4)
    (2.2281, 5.9915)
    """
    from scipy import special

    if math.isinf(dof):
        return float(np.sqrt(special.chdtri(count, 1 - level)))
    return float(np.sqrt(count * special.fdtri(count, dof, level)))
