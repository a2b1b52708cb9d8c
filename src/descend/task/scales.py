"""What makes a column one of mean 0 and spread 1, and back."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

__all__ = ["Scale"]

Array = np.ndarray[Any, np.dtype[Any]]


class Scale(NamedTuple):
    """What is taken from a column, and by what it is then divided."""

    mean: Array
    spread: Array

    def into(self, column: Array) -> Array:
        """The column as the model sees it."""
        return (column - self.mean) / self.spread

    def back(self, column: Array) -> Array:
        """The column in its own unit again."""
        return column * self.spread + self.mean

    def entry(self, j: int) -> Scale:
        """That of one column of a matrix."""
        return Scale(self.mean[j], self.spread[j])
