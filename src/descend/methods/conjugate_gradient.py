"""Nonlinear conjugate gradients: for any smooth loss, with no more memory than a few vectors."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from descend.lean import dataclass
from descend.methods.base import PRECISION, STALLED, Array, State, cast
from descend.methods.line_search import LITTLE, LineSearch, first_share, least
from descend.methods.units import lengths, noise, square_length, steepest

__all__ = ["ConjugateGradient"]

SINGLE = 4  # bytes
PRECISE, STUCK = -1, -2  # in place of a number of moves: why the descent has begun again
AGAIN = 3  # times as many moves as there are parameters, after which a descent begins again
ETA, GROWTH, VARIED, MORE, PARABOLA, STEEPER = 0.4, 10, 100, 2, 0.1, 1e6


@dataclass(frozen=True)
class ConjugateGradient(LineSearch):
    """Directions that spoil none of what the ones before have won, by the rule of Hager and Zhang.

    d = −g + max(β, η)·d₋ with y the change of g along the last direction d₋,
    β = (y − 2d₋·‖y‖²/(d₋ᵀy))ᵀg/(d₋ᵀy) and η = 0.4·d₋ᵀg₋/‖d₋‖², so that every d falls by at least
    ⅞‖g‖². All this is of x/u, with the parameters' units u (`descend.methods.units`). The steps are
    those of `LineSearch`, searched to a tenth of the first slope, or half of it uphill; after three
    moves a parameter, and where that direction does not fall, or meets bounds, the descent begins
    again with −g. In single precision it does so once more before it ends for want of digits.

    Args:
        ftol: stop when an accepted step lowers the loss by less than this share of it.
        xtol: stop when an accepted step is no larger than this share of the parameters.
        gtol: stop when no component of the gradient is larger than this.

    Hager and Zhang, "A new conjugate gradient method with guaranteed descent and an efficient line
    search" (2005); "The limited memory conjugate gradient method" (2013) for η.

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
    rise: ClassVar[float | None] = 0.5
    sees: ClassVar[bool] = False

    def memory(self, p: Array) -> State:
        zero = np.zeros((), p.dtype)
        return {
            "change": np.zeros_like(p),
            **dict.fromkeys(("took", "before", "curve", "since"), zero),
        }

    def learn(self, s: State, new: State, move: Array, change: Array, took: Array) -> State:
        since = np.where(s["since"] >= AGAIN * move.shape[0], 0, np.maximum(s["since"], 0) + 1)
        return {
            "change": change, "since": np.where(took, since, s["since"]),
            "took": np.where(took, np.ones_like(s["took"]), 0),
            "before": np.sum(s["gradient"] * s["direction"]),
            "curve": np.sum(move * change) / _square(new, move),
        }

    def direct(self, new: State, pull: Array, s: State) -> Array:
        last, change = s["direction"], new["change"]
        product = np.sum(last * change)
        known = (new["took"] > 0) & (product > least(new["x"])) & (new["since"] > 0)
        safe = np.where(known, product, 1)
        square, steep = new["unit"] * new["unit"], steepest(new, pull)
        image = square * (change / steep)
        beta = np.sum((image - 2 * last * (np.sum(change * image) / safe)) * pull) / safe
        lowest = cast(ETA, pull) * (new["before"] / steep) / _square(new, last)
        return np.where(known, np.maximum(beta, lowest), 0) * last - square * (pull / steep)

    def begun_again(self, s: State, code: Array) -> tuple[State, Array, Array]:
        """Once, in single precision: directions made of earlier slopes may be lost in its rounding.

        If the steepest descent moves nothing either, it ends as it would have before.
        """
        if s["x"].dtype.itemsize > SINGLE:
            return super().begun_again(s, code)
        stuck, lost = (code == PRECISION) | (code == STALLED), code == PRECISION
        again = stuck & (s["since"] >= 0)
        before = np.where(s["since"] == PRECISE, cast(PRECISION, code), cast(STALLED, code))
        code = np.where(again, 0, np.where(stuck, before, code))
        since = np.where(lost, cast(PRECISE, s["since"]), cast(STUCK, s["since"]))
        return {**s, "since": np.where(again, since, s["since"])}, again, code

    def first_length(self, new: State, s: State) -> Array:
        """The α at which the linear fall is that of the last step, at most 10 times as far.

        Nocedal and Wright (2006), page 59. At first, where nothing is known, a short move.
        """
        slope = np.sum(new["gradient"] * new["direction"])
        before = s["alpha"] * np.sum(s["gradient"] * s["direction"])
        length = lengths(new, new["direction"])
        last = s["alpha"] * lengths(new, s["direction"])
        known = (new["took"] > 0) & (slope < 0)
        safe = np.where(length > 0, length, 1)
        likely = np.minimum(before / np.where(known, slope, 1), GROWTH * last / safe)
        likely = self.reach(new, s, likely, MORE)
        # Where the slope has grown much along the way, the minimum is no nearer than it was.
        steeper = slope * last < STEEPER * before * length
        likely = np.where(steeper, np.maximum(likely, last / safe), likely)
        return np.where(known, likely, first_share(new))

    def reach(
        self, new: State, s: State, length: Array, varied: float = VARIED
    ) -> Array:
        """By the curvature along the last move, which may be a hundred times that of others.

        Where the loss was no parabola along it, that says nothing.
        """
        bend = new["curve"] * _square(new, new["direction"])
        slope = np.sum(new["gradient"] * new["direction"])
        ahead = -varied * slope / np.where(bend > 0, bend, 1)
        fall, move = s["loss"] - new["loss"], new["x"] - s["x"]
        missed = fall + 0.5 * np.sum((s["gradient"] + new["gradient"]) * move)
        near = np.abs(missed) <= cast(PARABOLA, slope) * np.abs(fall) + LITTLE * noise(new)
        return np.where((bend > 0) & near, np.minimum(ahead, length), length)


def _square(s: State, move: Array) -> Array:
    """Return the square of the length of a move; 1 of none."""
    square = square_length(s, move)
    return np.where(square > 0, square, 1)
