"""When a fit has arrived: how far the predicted step may still go."""

import sys
from typing import Any

import numpy as np

__all__ = ["ARRIVED", "EXACT", "near"]

ARRIVED = 0.01  # the predicted step may be this share of each standard error
ROUNDING = 1e-9  # or this share of the parameter itself
EXACT = (10.0 * sys.float_info.epsilon) ** 2  # of the squares of all terms: a sum that is rounding


def near(step: Any, error: Any, x: Any) -> Any:
    """Which numbers have arrived: by the predicted step, the standard error and the number."""
    moves = np.abs(step)
    return (moves <= ARRIVED * error) | (moves <= ROUNDING * np.abs(x))
