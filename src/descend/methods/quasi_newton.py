"""Quasi-Newton methods: for any smooth loss, with few parameters and with many."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from descend.functions import scan
from descend.lean import dataclass
from descend.methods.base import Array, State, cast
from descend.methods.line_search import LineSearch, first_share, least

__all__ = ["BFGS", "LBFGS"]


@dataclass(frozen=True)
class BFGS(LineSearch):
    """Newton's step with an inverse Hessian H learnt from the gradients along the way.

    d = −H·g; then, with s the move, y the change of g and ρ = 1/(yᵀs):
    H ← (I − ρsyᵀ)·H·(I − ρysᵀ) + ρssᵀ. The first H is (yᵀs/yᵀU²y)·U², with the parameters' units
    U (`descend.methods.units`). The steps are those of `LineSearch`; within bounds, only what is
    not held by one moves.

    Args:
        ftol: stop when an accepted step lowers the loss by less than this share of it.
        xtol: stop when an accepted step is no larger than this share of the parameters.
        gtol: stop when no component of the gradient is larger than this. Its measure depends on
            the units of loss and parameters, so that of itself only a gradient of zero stops.

    Nocedal and Wright, "Numerical Optimization" (2006), equations 6.17 and 6.20.

    >>> from types import SimpleNamespace
    >>> method = BFGS()
    >>> p = np.array([5.0, -3.0])
    >>> s, h = method.init(p), method.hyper(method.numbers(), t=1.0)
    >>> while int(method.status(s)) == 0:
    ...     e = SimpleNamespace(loss=p[0] ** 2 + 10 * p[1] ** 2, gradient=p * np.array([2.0, 20.0]))
    ...     p, s = method.step(p, e, s, h)
    >>> bool(np.all(abs(method.answer(p, s)) < 1e-8))
    True
    """

    def memory(self, p: Array) -> State:
        zero = np.zeros((), p.dtype)
        inverse = np.zeros((p.shape[0], p.shape[0]), p.dtype)
        return {"inverse": inverse, "frame": np.zeros_like(p), "learnt": zero}

    def learn(self, s: State, new: State, move: Array, change: Array, took: Array) -> State:
        learnt = s["learnt"] > 0
        # H is that of x/u, with the units u of the first pair.
        frame: Array = np.where(learnt & (s["frame"] > 0), s["frame"], s["unit"])
        product, square, sound = _curved(move, change, frame)
        begin = np.where(np.eye(move.shape[0], dtype=bool), _scale(new, product, square, sound), 0)
        inverse = np.where(learnt, s["inverse"], begin)
        move, change = np.where(frame > 0, move, 0) / np.where(frame > 0, frame, 1), frame * change
        rho = np.where(sound, 1 / np.where(sound, product, 1), 0)
        image = np.sum(inverse * change[None, :], axis=1)
        half = 0.5 * rho * (1 + rho * np.sum(change * image)) * move - rho * image
        both = half[:, None] * move[None, :] + move[:, None] * half[None, :]
        return {
            "inverse": inverse + both,
            # What had no unit till now has not moved either.
            "frame": np.where(frame > 0, frame, new["unit"]),
            "learnt": np.where(sound, 1, s["learnt"]),
        }

    def direct(self, new: State, pull: Array, s: State) -> Array:
        frame = new["frame"]
        return -frame * np.sum(new["inverse"] * (frame * pull)[None, :], axis=1)

    def first_length(self, new: State, s: State) -> Array:
        return _whole(new)


@dataclass(frozen=True)
class LBFGS(LineSearch):
    """BFGS for many parameters: H is known by its last moves and changes of the gradient alone.

    d = −H·g by the two-loop recursion over the last `history_size` pairs of a move s and a change y
    of g, beginning with (yᵀs/yᵀU²y)·U² of the last one, with the parameters' units U
    (`descend.methods.units`). Memory and work grow with history_size times the number of
    parameters.
    The steps are those of `LineSearch`; within bounds, only what is not held by one moves.

    Args:
        history_size: how many pairs are kept.
        ftol: stop when an accepted step lowers the loss by less than this share of it.
        xtol: stop when an accepted step is no larger than this share of the parameters.
        gtol: stop when no component of the gradient is larger than this.

    Liu and Nocedal, "On the limited memory BFGS method for large scale optimization" (1989);
    Nocedal and Wright, "Numerical Optimization" (2006), algorithm 7.4.

    >>> from types import SimpleNamespace
    >>> method = LBFGS()
    >>> p = np.array([5.0, -3.0])
    >>> s, h = method.init(p), method.hyper(method.numbers(), t=1.0)
    >>> while int(method.status(s)) == 0:
    ...     e = SimpleNamespace(loss=p[0] ** 2 + 10 * p[1] ** 2, gradient=p * np.array([2.0, 20.0]))
    ...     p, s = method.step(p, e, s, h)
    >>> bool(np.all(abs(method.answer(p, s)) < 1e-8))
    True
    """

    history_size: int = 10
    counts: ClassVar[tuple[str, ...]] = ("history_size",)

    def memory(self, p: Array) -> State:
        pairs = np.zeros((self.history_size, p.shape[0]), p.dtype)
        zero = np.zeros((), p.dtype)
        return {
            "moves": pairs, "changes": pairs + 0, "rhos": np.zeros(self.history_size, p.dtype),
            "scale": zero, "learnt": zero + 0,
        }  # fmt: skip

    def learn(self, s: State, new: State, move: Array, change: Array, took: Array) -> State:
        product, square, sound = _curved(move, change, s["unit"])
        learnt = s["learnt"] > 0

        def shifted(kept: Array, last: Array) -> Array:
            return np.where(sound, np.concatenate([kept[1:], last[None]]), kept)

        return {
            "moves": shifted(s["moves"], move),
            "changes": shifted(s["changes"], change),
            "rhos": shifted(np.where(learnt, s["rhos"], 0), 1 / np.where(sound, product, 1)),
            "scale": np.where(learnt & ~sound, s["scale"], _scale(new, product, square, sound)),
            "learnt": np.where(sound, 1, s["learnt"]),
        }

    def direct(self, new: State, pull: Array, s: State) -> Array:
        pairs = new["moves"], new["changes"], new["rhos"]

        def down(q: Array, pair: tuple[Array, ...]) -> tuple[Array, Array]:
            move, change, rho = pair
            share = rho * np.sum(move * q)
            return q - share * change, share

        def up(r: Array, pair: tuple[Array, ...]) -> tuple[Array, Array]:
            move, change, rho, share = pair
            back = rho * np.sum(change * r)
            return r + move * (share - back), back

        q, shares = scan(down, pull, pairs, reverse=True)
        begin = new["unit"] * (new["scale"] * (new["unit"] * q))
        found, _ = scan(up, begin, (*pairs, shares))
        return -found

    def first_length(self, new: State, s: State) -> Array:
        return _whole(new)


def _curved(move: Array, change: Array, unit: Array) -> tuple[Array, Array, Array]:
    """Return yᵀs, yᵀU²y, and whether the pair shows a positive curvature above rounding."""
    eps = cast(np.finfo(move.dtype).eps, move)
    terms, image = move * change, unit * change
    product, square = np.sum(terms), np.sum(image * image)
    sound = product > np.maximum(eps * np.sum(np.abs(terms)), least(move))
    return product, square, sound & (square > 0)


def _scale(new: State, product: Array, square: Array, sound: Array) -> Array:
    """Return by what U² is H, as far as one number can tell: of a pair, if it is sound."""
    worth = np.where(new["worth"] > 0, new["worth"], 1)
    return np.where(sound, product, 1) / np.where(sound, square, worth)


def _whole(new: State) -> Array:
    """Return the first step length to try: 1 once H has a scale, before that a short move."""
    return np.where(new["learnt"] > 0, 1, first_share(new))
