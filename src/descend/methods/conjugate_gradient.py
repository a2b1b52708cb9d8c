"""Nonlinear conjugate gradients: for any smooth loss, with no more memory than a few vectors."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from descend.lean import dataclass
from descend.methods.base import Array, State, cast
from descend.methods.line_search import LineSearch, least

__all__ = ["ConjugateGradient"]

ETA, GROWTH = 0.01, 10


@dataclass(frozen=True)
class ConjugateGradient(LineSearch):
    """Directions that spoil none of what the ones before have won, by the rule of Hager and Zhang.

    d = −g + max(β, η)·d₋ with y the change of g along the last direction d₋,
    β = (y − 2d₋·‖y‖²/(d₋ᵀy))ᵀg/(d₋ᵀy) and η = −1/(‖d₋‖·min(0.01, ‖g₋‖)), so that every d falls
    by at least ⅞‖g‖². The steps are those of `LineSearch`, searched to a tenth of the first slope;
    where that direction does not fall, or meets bounds, the descent begins again with −g.

    Args:
        ftol: stop when an accepted step lowers the loss by less than this share of it.
        xtol: stop when an accepted step is no larger than this share of the parameters.
        gtol: stop when no component of the gradient is larger than this.

    Hager and Zhang, "A new conjugate gradient method with guaranteed descent and an efficient line
    search" (2005).

    >>> from types import SimpleNamespace
    >>> method = ConjugateGradient()
    >>> p = np.array([5.0, -3.0])
    >>> s, h = method.init(p), method.hyper(method.numbers(), t=1.0)
    >>> while int(method.status(s)) == 0:
    ...     e = SimpleNamespace(loss=p[0] ** 2 + 10 * p[1] ** 2, gradient=p * np.array([2.0, 20.0]))
    ...     p, s = method.step(p, e, s, h)
    >>> bool(np.all(abs(method.answer(p, s)) < 1e-8))
    True
    """

    curvature: ClassVar[float] = 0.1

    def memory(self, p: Array) -> State:
        zero = np.zeros((), p.dtype)
        return {"change": np.zeros_like(p), "took": zero, "before": zero}

    def learn(self, s: State, move: Array, change: Array, took: Array) -> State:
        return {
            "change": change,
            "took": np.where(took, np.ones_like(s["took"]), 0 * s["took"]),
            "before": np.sqrt(np.sum(s["gradient"] * s["gradient"])),
        }

    def direct(self, new: State, pull: Array, s: State) -> Array:
        last, change = s["direction"], new["change"]
        product = np.sum(last * change)
        known = (new["took"] > 0) & (product > least(new["x"]))
        safe = np.where(known, product, 1)
        beta = np.sum((change - 2 * last * (np.sum(change * change) / safe)) * pull) / safe
        length = np.sqrt(np.sum(last * last)) * np.minimum(cast(ETA, pull), new["before"])
        lowest = -1 / np.where(length > 0, length, 1)
        return np.where(known, np.maximum(beta, lowest), 0) * last - pull

    def first_length(self, new: State, s: State) -> Array:
        """The α at which the linear fall is that of the last step, at most 10 times as far.

        Nocedal and Wright (2006), page 59. At first, where nothing is known, a unit move.
        """
        slope = np.sum(new["gradient"] * new["direction"])
        before = s["alpha"] * np.sum(s["gradient"] * s["direction"])
        length = np.sqrt(np.sum(new["direction"] * new["direction"]))
        last = s["alpha"] * np.sqrt(np.sum(s["direction"] * s["direction"]))
        known = (new["took"] > 0) & (slope < 0)
        safe = np.where(length > 0, length, 1)
        likely = np.minimum(before / np.where(known, slope, 1), GROWTH * last / safe)
        return np.where(known, likely, 1 / np.maximum(length, 1))
