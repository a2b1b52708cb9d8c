"""Scales on which a parameter may be moved: functions of the number u that the method sees.

The parameter is exp(u) on the log scale, and lower + (upper − lower)/(1 + exp(−u)) on the logit
scale. They are written in NumPy, for arrays and for the stand-ins that trace them.
"""

from __future__ import annotations

from typing import Any

import numpy as np

__all__ = ["SCALES", "from_scale", "to_scale"]

Array = Any
SCALES = ("log", "logit")


def from_scale(scale: str, u: Array, lower: Array, upper: Array) -> Array:
    """Return the parameter at u. On the logit scale it stays within its bounds, rounding included.

    >>> float(from_scale("log", np.array(0.0), -np.inf, np.inf))
    1.0
    >>> float(from_scale("logit", np.array(0.0), 2.0, 4.0))
    3.0
    """
    if scale == "log":
        return np.exp(u)
    small = np.exp(np.where(u < 0, u, -u))
    part = (upper - lower) * (small / (1 + small))
    return np.where(u < 0, lower + part, upper - part)


def to_scale(scale: str, value: Array, lower: Array, upper: Array) -> Array:
    """Return the u of a parameter, which must be positive, or within its bounds.

    >>> float(to_scale("logit", np.array(3.0), 2.0, 4.0))
    0.0
    """
    if scale == "log":
        return np.log(value)
    return np.log(value - lower) - np.log(upper - value)
