"""Bounds on parameters, for methods that step with all of them as one vector.

A box is where the model may be evaluated. On its faces two things differ from the open space: a
slope that points outward pulls nothing, and what would step across is set down on the face.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from descend.methods.base import Array

__all__ = ["Box", "box"]


class Box(NamedTuple):
    """Lower and upper bounds shaped like the parameters, ±inf where there is none; or no bounds.

    Without bounds every function returns what it is given, so that nothing of them is traced.

    >>> inside = Box(np.array([0.0, -np.inf]), np.array([1.0, 2.0]))
    >>> inside.project(np.array([1.5, -9.0]))
    array([ 1., -9.])
    >>> inside.pull(np.array([0.0, 2.0]), np.array([3.0, 3.0]))
    array([0., 3.])
    """

    lower: Array | None = None
    upper: Array | None = None

    @property
    def bounded(self) -> bool:
        """Whether there are bounds at all; a matter of structure."""
        return self.lower is not None

    def project(self, x: Array) -> Array:
        """Return the point of the box that is nearest to x."""
        if self.lower is None or self.upper is None:
            return x
        return np.minimum(np.maximum(x, self.lower), self.upper)

    def landed(self, x: Array, step: Array) -> Array:
        """Return x + step in the box, set exactly on a face that it misses by rounding alone."""
        if self.lower is None or self.upper is None:
            return x + step
        y = x + step
        slack = 4 * np.asarray(np.finfo(x.dtype).eps, dtype=x.dtype) * (np.abs(x) + np.abs(step))
        low = np.where(y - self.lower <= slack, self.lower, y)
        return np.where(self.upper - y <= slack, self.upper, low)

    def free(self, x: Array, gradient: Array) -> Array:
        """Return True for what is off its bounds, or pulled off them by −gradient."""
        held = ((x <= self.lower) & (gradient > 0)) | ((x >= self.upper) & (gradient < 0))
        return ~held

    def pull(self, x: Array, gradient: Array) -> Array:
        """Return the gradient, 0 where it presses x against a bound: zero at a minimum."""
        if not self.bounded:
            return gradient
        return np.where(self.free(x, gradient), gradient, 0 * gradient)

    def room(self, x: Array, direction: Array) -> Array:
        """Return the length of the longest step along `direction` that stays inside.

        >>> float(Box(np.zeros(2), np.array([1.0, 9.0])).room(np.ones(2) / 2, np.ones(2)))
        0.5
        """
        face = np.where(direction > 0, self.upper, self.lower)
        moving = direction != 0
        share = np.where(moving, face - x, 1) / np.where(moving, direction, 1)
        return np.min(np.where(moving, share, np.inf * np.ones_like(share)))


def box(h: Any) -> Box:
    """Return the bounds among the hyperparameters of a step, if there are any.

    >>> from types import SimpleNamespace
    >>> box(SimpleNamespace(lr=0.1)).bounded
    False
    """
    lower, upper = getattr(h, "lower", None), getattr(h, "upper", None)
    return Box() if lower is None or upper is None else Box(lower, upper)
