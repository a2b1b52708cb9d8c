"""Descents from several starts: how many arrive at the same minimum, and when more are tried."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from descend.methods.base import STATUS
from descend.train.finish import ending_of, parts_of
from descend.train.finished import Finished, Search

__all__ = ["attempted", "nullity"]

Array = np.ndarray[Any, np.dtype[Any]]

MORE = 8  # starts that are tried together where the first descent looks wrong
MOST_STARTS = 33  # and where the best of them still does
ALIKE = 1e-6  # losses that differ by less, as a share, are the same minimum
NOTHING = 1e-16  # of the target's mean square: a perfect fit
LEAST, MOST = 16, 100_000  # rows on which correlations are looked for
ENOUGH = 3  # starts with the same minimum: what is odd there belongs to it
GLANCES = 16  # points at which a model may show that its parameters are not redundant
FAR = 1e3  # times its start, or 1: a parameter that has gone so far may have run away
SLACK = 10.0  # times the number of parameters and ε: a share of JᵀJ that is only rounding
CORRELATED = 4.0  # standard deviations of the correlation of neighbours


def attempted(
    run: Callable[[int], Finished], glance: Callable[[int], Finished], asked: int, may_go_on: bool
) -> Finished:
    """The best of as many runs as were asked for; of more if the only one looks wrong.

    Args:
        run: one descent, by the number of the attempt.
        glance: one evaluation at a random point, by the number of the attempt.
        may_go_on: whether more starts may be tried: where the start was searched for, not given.
    """
    best = run(0)
    look = _Look(glance)
    why = look.suspicion(best) if asked == 1 and may_go_on else ""
    if asked == 1 and not why:
        return best
    losses = [best.final_loss()]
    wrong = bool(why)
    while len(losses) < asked or (wrong and len(losses) < MOST_STARTS):
        for attempt in range(len(losses), len(losses) + MORE if why else asked):
            other = run(attempt)
            losses.append(other.final_loss())
            if losses[-1] <= min(losses[:-1]):
                best = other
        wrong = bool(why) and bool(look.suspicion(best, _agreed(losses, best)))
    best.search = Search(len(losses), _agreed(losses, best), why)
    return best


def _agreed(losses: list[float], best: Finished) -> int:
    near = min(losses) * (1 + ALIKE) + NOTHING * _mean_square(best)
    return sum(loss <= near for loss in losses)


class _Look:
    """What a run is suspected of; how redundant the model is by itself is looked up once."""

    def __init__(self, glance: Callable[[int], Finished]) -> None:
        self.glance = glance
        self.redundant: int | None = None

    def suspicion(self, run: Finished, agreed: int = 1) -> str:
        """Why a run may have missed the minimum, or an empty string.

        What only its normal equations say against it does not count where several runs arrived
        at the same: then the minimum is like that.
        """
        status, _ = ending_of(run)
        if status in ("not_converged", "diverged", "epochs_spent"):
            return "the first descent did not arrive"
        why = "" if agreed >= ENOUGH else _doubt_of(run, self._least)
        return _correlated(run) or why

    def _least(self, there: int) -> int:
        """The least nullity of JᵀJ at random points: what no start can cure."""
        if self.redundant is None or self.redundant >= there:
            found = there
            for attempt in range(1, GLANCES + 1):
                own = _nullity_at_start(self.glance(attempt))
                found = found if own is None else min(found, own)
                if found < there:
                    break
            self.redundant = found
        return self.redundant


def _mean_square(run: Finished) -> float:
    rows = run.original
    target = None if rows is None else rows.extra.get("target")
    return 0.0 if target is None or target.dtype.kind != "f" else float(np.mean(target**2))


def _correlated(run: Finished) -> str:
    """Whether neighbouring residuals go together, in words."""
    rest = _ordered_residuals(run)
    if rest is None:
        return ""
    level = rest - rest.mean()
    size = float(level @ level)
    if not size > NOTHING * rest.size * _mean_square(run):
        return ""
    neighbours = float(level[1:] @ level[:-1]) / size
    if neighbours * np.sqrt(rest.size) > CORRELATED:
        return "the residuals of the first are correlated"
    return ""


def _ordered_residuals(run: Finished) -> Array | None:
    """Along the only column of data; None where there is none, or no single row of numbers."""
    rows = run.original
    if rows is None or len(rows.columns) != 1 or not LEAST <= rows.n_rows <= MOST:
        return None
    (column,) = rows.columns.values()
    target = rows.extra["target"]
    if column.ndim != 1 or target.ndim != 1:
        return None
    remains, _ = parts_of(run)
    residual = np.asarray(target - remains.predictor(rows.columns, remains.leaves), np.float64)
    if residual.shape != target.shape or not np.isfinite(residual).all():
        return None
    return residual[np.argsort(column, kind="stable")]


# --- what the normal equations say


def _doubt_of(run: Finished, least: Callable[[int], int]) -> str:
    """Why the point where a run ended may be no place for a minimum, or an empty string.

    A parameter whose column of J has vanished, or columns that depend on each other, leave the
    method no way on, though elsewhere the data determine them all. A parameter that has gone far
    and is not even known to its own size follows an infimum that is approached without end.

    Args:
        least: the least nullity of JᵀJ at other points; told of that here, below which it is of
            no more interest.
    """
    jtj = _equations(run)
    left = run.state().get("method/loss", 0.0) * run.job.loss_factor
    if jtj is None or not left > NOTHING * _mean_square(run):
        return ""
    begin, end = _begin(run), np.asarray(run.state()["method/x"], np.float64)
    lost = nullity(jtj, np.maximum(np.abs(begin), np.abs(end)))
    if lost and lost <= least(lost):
        return ""
    gone = np.abs(end) >= FAR * np.maximum(np.abs(begin), 1.0)
    if not lost:
        gone &= _errors(run, jtj) >= np.abs(end)
    if gone.any():
        names = _names(run)
        away = ", ".join(dict.fromkeys(names[i] for i in np.flatnonzero(gone)[:3]))
        return f"{away} ran away in the first"
    return "the first ended where the data do not determine all parameters" if lost else ""


def nullity(jtj: Array, size: Array) -> int:
    """How many directions the parameters may move in without any effect on the prediction.

    Args:
        jtj: (p, p) JᵀJ.
        size: (p,) how large the parameters are: a column of J is nothing if even a change of this
            size changes the prediction by rounding only.

    >>> nullity(np.array([[1.0, 2.0], [2.0, 4.0]]), np.ones(2))
    1
    >>> nullity(np.array([[1.0, 0.0], [0.0, 1e-40]]), np.ones(2)), nullity(np.eye(2), np.ones(2))
    (1, 0)
    """
    eps = float(np.finfo(jtj.dtype).eps)
    norms = np.sqrt(np.diagonal(jtj).astype(np.float64))
    effect = norms * np.where(size > 0, size, 1.0)
    alive = effect > eps * effect.max()
    if not alive.any():
        return len(norms)
    own = jtj[np.ix_(alive, alive)] / norms[alive, None] / norms[None, alive]
    values = np.linalg.eigvalsh(own)
    full = int(np.sum(values > SLACK * len(norms) * eps * values[-1]))
    return len(norms) - full


def _nullity_at_start(run: Finished) -> int | None:
    """The nullity of JᵀJ where a run began that made one evaluation; None if it is not finite."""
    jtj = _equations(run)
    return None if jtj is None else nullity(jtj, np.abs(_begin(run)))


def _equations(run: Finished) -> Array | None:
    """JᵀJ of the last accepted point; None where the method keeps none, or it is not finite."""
    outcome = STATUS.get(run.control.status)
    jtj = run.state().get("method/jtj")
    if jtj is None or jtj.size == 0 or (outcome is not None and outcome.name == "not_finite"):
        return None
    sound = np.isfinite(jtj).all() and (np.diagonal(jtj) >= 0).all()
    return jtj if sound else None


def _begin(run: Finished) -> Array:
    """Where the run began, in the method's own coordinates."""
    moved = run.job.moved(run.begin)
    return np.concatenate([np.asarray(a, np.float64).reshape(-1) for a in moved.values()])


def _names(run: Finished) -> list[str]:
    """The parameter that each of the method's numbers belongs to."""
    moved = run.job.moved(run.begin)
    own = [leaf for leaf in run.begin if run.job.space is None or run.job.space.varies(leaf)]
    return [n for n, a in zip(own, moved.values(), strict=True) for _ in range(a.size)]


def _errors(run: Finished, jtj: Array) -> Array:
    """Standard errors by JᵀJ; zero where they cannot be told."""
    rows, p = run.original, len(jtj)
    if run.built.descent.residual is None or rows is None or rows.extra["target"].size <= p:
        return np.zeros(p)
    norms = np.sqrt(np.diagonal(jtj).astype(np.float64))
    inverse = np.linalg.pinv(jtj / norms[:, None] / norms[None, :], hermitian=True)
    spread = float(run.state()["method/loss"]) / (rows.extra["target"].size - p)
    return np.asarray(np.sqrt(np.maximum(np.diagonal(inverse), 0.0) * spread) / norms)
