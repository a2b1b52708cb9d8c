"""What is added to a loss to keep parameters small: L1 and L2, over a list of parameter arrays."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

import numpy as np

from descend.lean import dataclass
from descend.methods.base import Array, Tunable

__all__ = ["L1", "L2", "Penalty"]


@dataclass(frozen=True)
class Penalty(Tunable):
    """A scalar function of the parameters. Derive from it and give `value`."""

    def value(self, leaves: Sequence[Array]) -> Array:
        """Return the scalar to add to the loss, for a list of parameter arrays."""
        raise NotImplementedError(f"{type(self).__name__} has no value(leaves)")


@dataclass(frozen=True)
class L1(Penalty):
    """weight·Σ|p|, which draws parameters to zero exactly (Tibshirani, the lasso, 1996).

    >>> float(L1(0.5).value([np.array([1.0, -2.0]), np.array(3.0)]))
    3.0
    """

    weight: float = 1e-4
    ranges: ClassVar[Mapping[str, str]] = {"weight": "[0, inf)"}

    def value(self, leaves: Sequence[Array]) -> Array:
        return self.weight * sum(np.sum(np.abs(leaf)) for leaf in leaves)


@dataclass(frozen=True)
class L2(Penalty):
    """weight·Σp² (Hoerl and Kennard, ridge regression, 1970); its gradient is 2·weight·p.

    >>> float(L2(0.5).value([np.array([1.0, -2.0]), np.array(3.0)]))
    7.0
    """

    weight: float = 1e-4
    ranges: ClassVar[Mapping[str, str]] = {"weight": "[0, inf)"}

    def value(self, leaves: Sequence[Array]) -> Array:
        return self.weight * sum(np.sum(leaf * leaf) for leaf in leaves)
