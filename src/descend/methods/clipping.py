"""Limits on the gradient before a step: each element, or the length of all of it together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

import numpy as np

from descend.lean import dataclass
from descend.methods.base import Array, Tunable, cast

__all__ = ["Clip", "ClipNorm", "ClipValue", "clip_norm", "clip_value"]


@dataclass(frozen=True)
class Clip(Tunable):
    """A map from the list of gradients to the list the optimiser sees."""

    def __call__(self, gradients: Sequence[Array]) -> list[Array]:
        """Return the limited gradients, shapes and dtypes as given."""
        raise NotImplementedError(f"{type(self).__name__} cannot be called")


@dataclass(frozen=True)
class ClipValue(Clip):
    """Every element between −limit and limit."""

    limit: float
    ranges: ClassVar[Mapping[str, str]] = {"limit": "(0, inf)"}

    def __call__(self, gradients: Sequence[Array]) -> list[Array]:
        return [
            np.minimum(np.maximum(g, cast(-self.limit, g)), cast(self.limit, g)) for g in gradients
        ]


@dataclass(frozen=True)
class ClipNorm(Clip):
    """The whole gradient, all arrays together, scaled down to length `limit` if it is longer.

    Pascanu, Mikolov and Bengio, "On the difficulty of training recurrent neural networks" (2013).
    """

    limit: float
    ranges: ClassVar[Mapping[str, str]] = {"limit": "(0, inf)"}

    def __call__(self, gradients: Sequence[Array]) -> list[Array]:
        # Scaled by the largest element, so that neither huge nor tiny gradients lose their length.
        largest = _greatest([np.max(np.abs(g)) for g in gradients])
        unit = np.where((largest > 0) & np.isfinite(largest), largest, np.ones_like(largest))
        square = sum(np.sum((g / cast(unit, g)) ** 2) for g in gradients)
        length = np.sqrt(square) * unit
        limit = cast(self.limit, length)
        longer = length > limit
        factor = np.where(longer, limit / np.where(longer, length, 1), 1)
        return [g * cast(factor, g) for g in gradients]


def _greatest(values: Sequence[Array]) -> Array:
    greatest = values[0]
    for value in values[1:]:
        greatest = np.maximum(greatest, value)
    return greatest


def clip_value(limit: float) -> ClipValue:
    """Return the limit on every element, `ClipValue`.

    >>> clip_value(1.0)([np.array([0.5, -3.0])])
    [array([ 0.5, -1. ])]
    """
    return ClipValue(limit)


def clip_norm(limit: float) -> ClipNorm:
    """Return the limit on the length of the whole gradient, `ClipNorm`.

    >>> [g.round(6) for g in clip_norm(1.0)([np.array([3.0]), np.array([4.0])])]
    [array([0.6]), array([0.8])]
    """
    return ClipNorm(limit)
