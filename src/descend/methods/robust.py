"""Losses that trust no single row too much: for data with outliers.

Each is s²·ρ((r/s)²) for r = prediction − target (over sigma, where there is one) and a scale s: the
residual from which a row is suspected. ρ(z) ≈ z near 0, so that small residuals count as in the
mean square; far away it grows more slowly, or not at all. The definitions are those of SciPy's
least_squares (its cost is half the sum, its `f_scale` is s); Huber's own is in `losses`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import numpy as np

from descend.lean import dataclass
from descend.methods.base import Array
from descend.methods.losses import Loss
from descend.methods.targets import ANY

__all__ = ["Arctan", "Cauchy", "RobustLoss", "SoftL1", "Tukey"]


@dataclass(frozen=True)
class RobustLoss(Loss):
    """s²·ρ((r/s)²). Derive from it, give `rho`, and it works with every optimizer.

    Triggs, McLauchlan, Hartley and Fitzgibbon, "Bundle Adjustment – A Modern Synthesis" (2000),
    for its use in Gauss–Newton methods.
    """

    scale: float = 1.0
    domain: ClassVar[str] = ANY
    of_residual: ClassVar[bool] = True
    curved: ClassVar[bool] = True
    ranges: ClassVar[Mapping[str, str]] = {"scale": "(0, inf)"}

    def rho(self, z: Array) -> Array:
        """Return ρ(z) for z = (r/s)² ≥ 0, with ρ(0) = 0 and ρ'(0) = 1."""
        raise NotImplementedError(f"{type(self).__name__} has no rho(z)")

    def per_row(self, prediction: Array, target: Array) -> Array:
        ratio = (prediction - target) / self.scale
        return self.scale * self.scale * self.rho(ratio * ratio)


@dataclass(frozen=True)
class SoftL1(RobustLoss):
    """ρ(z) = 2(√(1 + z) − 1): grows as |r| far away, and is smooth everywhere.

    >>> SoftL1().per_row(np.array([1e-9, np.sqrt(3.0)]), np.array([0.0, 0.0]))
    array([1.e-18, 2.e+00])
    """

    name: ClassVar[str] = "soft_l1"

    def rho(self, z: Array) -> Array:
        return 2 * z / (np.sqrt(1 + z) + 1)


@dataclass(frozen=True)
class Cauchy(RobustLoss):
    """ρ(z) = log(1 + z): rows far away pull less the farther they are.

    >>> Cauchy().per_row(np.array([1.0, 1000.0]), np.array([0.0, 0.0])).round(3)
    array([ 0.693, 13.816])
    """

    name: ClassVar[str] = "cauchy"

    def rho(self, z: Array) -> Array:
        return np.log1p(z)


@dataclass(frozen=True)
class Arctan(RobustLoss):
    """ρ(z) = arctan(z): no row counts for more than s²·π/2.

    >>> Arctan().per_row(np.array([1.0, 1e9]), np.array([0.0, 0.0])).round(3)
    array([0.785, 1.571])
    """

    name: ClassVar[str] = "arctan"

    def rho(self, z: Array) -> Array:
        return np.arctan(z)


@dataclass(frozen=True)
class Tukey(RobustLoss):
    """ρ(z) = (1 − (1 − z)³)/3 where z ≤ 1, else 1/3: rows beyond s do not count at all.

    The biweight of Beaton and Tukey (1974). With s of 4.685 standard deviations it is 95 % as
    efficient as least squares where there are no outliers. Start near the answer: rows beyond s
    have no pull, and if all are, nothing moves.

    >>> Tukey(scale=2.0).per_row(np.array([1e-9, 2.0, 9.0]), np.array([0.0, 0.0, 0.0])).round(6)
    array([0.      , 1.333333, 1.333333])
    """

    name: ClassVar[str] = "tukey"

    def rho(self, z: Array) -> Array:
        inner = np.minimum(z, 1)
        return inner * (1 - inner * (1 - inner / 3))
