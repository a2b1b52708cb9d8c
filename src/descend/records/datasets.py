"""What a global fit knows of one dataset."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from descend.lean import dataclass

__all__ = ["SetRecord"]


@dataclass(frozen=True, eq=False)
class SetRecord:
    """What a global fit says of one dataset.

    Attributes:
        name, n_rows: the dataset.
        target, inputs: what its columns are called.
        params, stderr: its parameters, shared ones and its own, by the names of its model.
        chi2: the sum of its squared residuals, over its sigmas where there are such.
        r2: the share of its own variance that is explained.
        x: its columns by name. y, fitted, residuals: arrays shaped like its target; residuals =
            y − fitted. A saved file leaves these out.
    """

    name: str
    n_rows: int
    params: Mapping[str, float | NDArray[Any]]
    stderr: Mapping[str, float | NDArray[Any]]
    chi2: float
    r2: float
    target: str = "y"
    inputs: tuple[str, ...] = ()
    x: Mapping[str, NDArray[Any]] = field(default_factory=dict)
    y: NDArray[Any] | None = None
    fitted: NDArray[Any] | None = None
    residuals: NDArray[Any] | None = None

    @property
    def leaves(self) -> dict[str, NDArray[Any]]:
        """The parameters as arrays."""
        return {name: np.array(value, np.float64) for name, value in self.params.items()}
