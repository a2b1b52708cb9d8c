"""The delta method: what the covariance of the parameters says of everything made of them."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from descend.lean import dataclass
from descend.records.band import Band
from descend.trust.quantiles import region_factor, student_factor

__all__ = ["Derived", "band", "derived"]

Array = np.ndarray[Any, np.dtype[Any]]


@dataclass
class Derived:
    """A function of the parameters, with the error that theirs give it.

    Attributes:
        value, stderr: of the function's shape.
        covariance: (m, m) of its m numbers.
        low, high: the interval of `level` by Student's t.
    """

    expression: str
    value: Any
    stderr: Any
    covariance: Array
    level: float
    low: Any
    high: Any

    def __str__(self) -> str:
        if np.ndim(self.value):
            return f"{self.value} ± {self.stderr}"
        return f"{self.value:.7g} ± {self.stderr:.3g}"


def band(
    fitted: Array, jacobian: Array, covariance: Array, dof: float, level: float,
    simultaneous: bool = False, noise: Array | float | None = None,
) -> Band:  # fmt: skip
    """The band of the fitted values; of new observations where there is `noise`.

    Pointwise bands take Student's t. A simultaneous confidence band takes Scheffé's √(p·F(p, ν)),
    and holds at all x; a simultaneous prediction band holds for the m observations asked for, by
    the smaller of √(m·F(m, ν)) and Bonferroni's t. Seber and Wild, "Nonlinear Regression" (1989),
    section 5.4; Scheffé (1959), section 3.5; Lieberman, "Prediction regions for several
    predictions from a single regression line" (1961).

    Args:
        fitted: the prediction, with m numbers.
        jacobian: (m, p) its derivatives. covariance: (p, p).
        noise: the standard deviation of an observation, shaped like the prediction, or one number.

    >>> found = band(np.zeros(1), np.ones((1, 1)), np.array([[4.0]]), math.inf, 0.95)
    >>> found.stderr, found.high.round(3)
    (array([2.]), array([3.92]))
    """
    known = np.isfinite(np.diag(covariance))
    inner = np.where(known[:, None] & known, covariance, 0.0)
    variance = np.einsum("mi,ij,mj->m", jacobian, inner, jacobian).reshape(fitted.shape)
    kind = "confidence"
    if noise is not None:
        variance, kind = variance + np.square(noise), "prediction"
    error = np.sqrt(np.maximum(variance, 0.0))
    factor = student_factor(level, dof)
    if simultaneous and noise is None:
        factor = region_factor(level, int(known.sum()), dof)
    elif simultaneous:
        m = fitted.size
        each = student_factor(1 - (1 - level) / m, dof)
        factor = min(region_factor(level, m, dof), each)
    return Band(
        kind, level, simultaneous, fitted, error, fitted - factor * error, fitted + factor * error
    )


def derived(
    expression: str, value: Any, jacobian: Array, covariance: Array, dof: float, level: float
) -> Derived:
    """A function of the parameters with its error, to first order.

    Args:
        value: a number or an array of m numbers. jacobian: (m, p).
    """
    known = np.isfinite(np.diag(covariance))
    inner = np.where(known[:, None] & known, covariance, 0.0)
    spread = jacobian @ inner @ jacobian.T
    error = np.sqrt(np.maximum(np.diag(spread), 0.0)).reshape(np.shape(value))
    # What depends on a number without an error has none either.
    lost = np.any((jacobian != 0) & ~known, axis=1).reshape(np.shape(value))
    error = np.where(lost, math.nan, error)
    reach = student_factor(level, dof) * error if not np.isnan(error).all() else error
    ends = [np.asarray(value) - reach, np.asarray(value) + reach]
    plain = [float(part) if np.ndim(part) == 0 else part for part in (value, error, *ends)]
    return Derived(expression, plain[0], plain[1], spread, level, plain[2], plain[3])
