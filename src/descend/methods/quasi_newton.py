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
        return {"inverse": inverse, "scale": zero, "learnt": zero + 0}

    def learn(self, s: State, new: State, move: Array, change: Array, took: Array) -> State:
        product, square, sound = _curved(s, move, change)
        learnt, scale = s["learnt"] > 0, _scale(s, new, product, square, sound, once=True)
        eye = np.eye(move.shape[0], dtype=move.dtype)
        inverse = np.where(learnt, s["inverse"], eye * (s["unit"] * (s["unit"] * scale)))
        rho = 1 / np.where(sound, product, 1)
        image = np.sum(inverse * change[None, :], axis=1)
        gain = rho * (1 + rho * np.sum(change * image))
        cross = image[:, None] * move[None, :]
        updated = inverse + gain * move[:, None] * move[None, :]
        updated = updated - rho * (cross + np.transpose(cross))
        inverse = np.where(sound, updated, inverse)
        # What had no unit till now has not moved either, and has no entries yet.
        begin = np.where(np.diagonal(inverse) == 0, new["unit"] * (new["unit"] * scale), 0 * move)
        return {
            "inverse": inverse + eye * begin,
            "scale": scale,
            "learnt": np.where(sound, np.ones_like(rho), s["learnt"]),
        }

    def direct(self, new: State, pull: Array, s: State) -> Array:
        return -np.sum(new["inverse"] * pull[None, :], axis=1)

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
        product, square, sound = _curved(s, move, change)

        def shifted(kept: Array, last: Array) -> Array:
            return np.where(sound, np.concatenate([kept[1:], last[None]]), kept)

        return {
            "moves": shifted(s["moves"], move),
            "changes": shifted(s["changes"], change),
            "rhos": shifted(s["rhos"], 1 / np.where(sound, product, 1)),
            "scale": _scale(s, new, product, square, sound),
            "learnt": np.where(sound, np.ones_like(product), s["learnt"]),
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


def _curved(s: State, move: Array, change: Array) -> tuple[Array, Array, Array]:
    """Return yᵀs, yᵀU²y, and whether the pair shows a positive curvature above rounding."""
    eps = cast(np.finfo(s["x"].dtype).eps, s["x"])
    terms, image = move * change, s["unit"] * change
    product, square = np.sum(terms), np.sum(image * image)
    sound = product > np.maximum(eps * np.sum(np.abs(terms)), least(s["x"]))
    return product, square, sound & (square > 0)


def _scale(
    s: State, new: State, product: Array, square: Array, sound: Array, once: bool = False
) -> Array:
    """Return by what U² is H, as far as one number can tell: of the last pair, or of the first."""
    worth = np.where(new["worth"] > 0, new["worth"], 1)
    fresh = sound & (s["learnt"] == 0) if once else sound
    before = np.where(s["learnt"] > 0, s["scale"], 1 / worth)
    return np.where(fresh, product, before) / np.where(fresh, square, 1)


def _whole(new: State) -> Array:
    """Return the first step length to try: 1 once H has a scale, before that a short move."""
    return np.where(new["learnt"] > 0, 1, first_share(new))
