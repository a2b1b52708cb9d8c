"""Why a descent may have missed the minimum: what its end, JᵀJ and the residuals say against it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from descend.judge.ending import ending_of
from descend.judge.explained import explains_nothing
from descend.judge.walk import begin_of, sizes
from descend.methods.base import STATUS
from descend.run.finished import Finished

__all__ = ["FAR", "UNFINISHED", "Doubts", "correlated", "eigenvalues", "nullity", "rounding"]

Array = np.ndarray[Any, np.dtype[Any]]

NOTHING = 1e-26  # of the target's mean square: a perfect fit
LEAST, MOST = 16, 100_000  # rows on which correlations are looked for
ENOUGH = 3  # starts with the same minimum: what is odd there belongs to it
GLANCES = 16  # points at which a model may show that its parameters are not redundant
FAR = 1e3  # times its start: a parameter that has gone so far may have run away
SLACK = 10.0  # times the number of parameters and ε: a share of JᵀJ that is only rounding
CORRELATED = 4.0  # standard deviations of the correlation of neighbours
PLAIN = 1e-12  # a share of JᵀJ that is certainly more than rounding
UNFINISHED = ("not_converged", "diverged", "epochs_spent")


class Doubts:
    """What a run is suspected of; how redundant the model is by itself is looked up once.

    Args:
        glance: one evaluation at a random point, by the number of the attempt.
        of_residuals: whether residuals that go together are a doubt as well.
    """

    def __init__(self, glance: Callable[[int], Finished], of_residuals: bool) -> None:
        self.glance = glance
        self.of_residuals = of_residuals
        self.redundant: int | None = None

    def suspicion(self, run: Finished, agreed: int = 1, tried: int = 1) -> str:
        """Why a run may have missed the minimum, or an empty string.

        Where columns of J only depend on each other, and several runs arrived at the same, the
        minimum is like that; and where all arrived at the same, residuals are correlated since
        the model does not describe the data.
        """
        status, _ = ending_of(run)
        if status in UNFINISHED:
            told = self.of_residuals or not _is_outside(run)
            return "the first descent did not arrive" if told else ""
        why, settled = _doubt_of(run, self._least)
        if not why and explains_nothing(run):
            why, settled = "the first explains no more than a constant", True
        if settled and agreed >= ENOUGH:
            why = ""
        return (self.of_residuals and not 1 < tried == agreed and correlated(run)) or why

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


def _is_outside(run: Finished) -> bool:
    """Whether a run ended at once, since its start has no loss: that is told instead.

    A loss or a slope that is only too large for floating point is a start too far out.
    """
    outcome = STATUS.get(run.control.status)
    at_once = outcome is not None and outcome.name == "not_finite"
    return at_once and bool(np.isnan(run.course.last))


def _mean_square(run: Finished) -> float:
    rows = run.original
    target = None if rows is None else rows.extra.get("target")
    return 0.0 if target is None or target.dtype.kind != "f" else float(np.mean(target**2))


def correlated(run: Finished) -> str:
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
    residual = np.asarray(target - run.predictor()(rows.columns, run.leaves()), np.float64)
    if residual.shape != target.shape or not np.isfinite(residual).all():
        return None
    return residual[np.argsort(column, kind="stable")]


# --- what the normal equations say


def _doubt_of(run: Finished, least: Callable[[int], int]) -> tuple[str, bool]:
    """Why the point where a run ended may be no place for a minimum, or an empty string.

    A parameter whose column of J has vanished, or columns that depend on each other, leave the
    method no way on, though elsewhere the data determine them all. A parameter that has gone far
    and is not even known to its own size follows an infimum that is approached without end.

    Args:
        least: the least nullity of JᵀJ at other points; told of that here, below which it is of
            no more interest.

    Returns:
        Also whether other runs that arrive at the same settle it. A plain that stretches without
        end is a place where many arrive, and proves nothing.
    """
    jtj = _equations(run)
    if jtj is None:
        return "", False
    begin, end = begin_of(run), np.asarray(run.state()["method/x"], np.float64)
    if not run.state()["method/loss"] * run.job.loss_factor > rounding(run):
        return "", False
    size = sizes(begin, end)
    lost = nullity(jtj, size, np.abs(end))
    if lost and lost <= least(lost):
        return "", False
    gone = (np.abs(end) >= FAR * np.abs(begin)) & (begin != 0)
    if not lost:
        known = None if run.facts is None else run.facts.errors
        gone &= (_errors(run, jtj) if known is None else known) >= np.abs(end)
    if gone.any():
        names = _names(run)
        away = ", ".join(dict.fromkeys(names[i] for i in np.flatnonzero(gone)[:3]))
        return f"{away} ran away in the first", False
    alive = bool(_alive(jtj, size, np.abs(end)).all())
    return "the first ended where the data hardly determine all parameters" if lost else "", alive


def rounding(run: Finished) -> float:
    """Below what a loss is nothing: rounding of the target, or of terms in the residuals."""
    jtj, least = _equations(run), NOTHING * _mean_square(run)
    if jtj is None:
        return least
    end = np.asarray(run.state()["method/x"], np.float64)
    whole = float(np.diagonal(jtj) @ end**2)
    return max(least, (SLACK * float(np.finfo(jtj.dtype).eps)) ** 2 * whole * run.job.loss_factor)


def nullity(jtj: Array, *sizes: Array) -> int:
    """How many directions the parameters may move in without any effect on the prediction.

    Args:
        jtj: (p, p) JᵀJ.
        sizes: (p,) how large the parameters are, or were: a column of J is nothing if even a
            change of such a size changes the prediction by rounding only.

    >>> nullity(np.array([[1.0, 2.0], [2.0, 4.0]]), np.ones(2))
    1
    >>> nullity(np.array([[1.0, 0.0], [0.0, 1e-40]]), np.ones(2)), nullity(np.eye(2), np.ones(2))
    (1, 0)
    """
    eps = float(np.finfo(jtj.dtype).eps)
    alive = _alive(jtj, *sizes)
    if not alive.any():
        return len(alive)
    values = eigenvalues(jtj, alive)
    full = int(np.sum(values > SLACK * len(alive) * eps * values[-1]))
    return len(alive) - full


def eigenvalues(jtj: Array, alive: Array) -> Array:
    """Of JᵀJ of some columns, made of length one."""
    norms = np.sqrt(np.diagonal(jtj).astype(np.float64))[alive]
    return np.linalg.eigvalsh(jtj[np.ix_(alive, alive)] / norms[:, None] / norms[None, :])


def _alive(jtj: Array, *sizes: Array) -> Array:
    """(p,) whether a column of J is more than rounding, if its parameter changes by a size."""
    norms = np.sqrt(np.diagonal(jtj).astype(np.float64))
    effects = [norms * np.where(size > 0, size, 1.0) for size in sizes]
    eps = float(np.finfo(jtj.dtype).eps)
    return np.asarray(np.any([effect > eps * effect.max() for effect in effects], axis=0))


def _nullity_at_start(run: Finished) -> int | None:
    """The nullity of JᵀJ where a run began that made one evaluation; None if it is not finite."""
    jtj = _equations(run)
    return None if jtj is None else nullity(jtj, np.abs(begin_of(run)))


def _equations(run: Finished) -> Array | None:
    """JᵀJ of the last accepted point; None where the method keeps none, or it is not finite."""
    outcome = STATUS.get(run.control.status)
    jtj = run.state().get("method/jtj")
    if jtj is None or jtj.size == 0 or (outcome is not None and outcome.name == "not_finite"):
        return None
    sound = np.isfinite(jtj).all() and (np.diagonal(jtj) >= 0).all()
    return jtj if sound else None


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
    spread = float(run.state()["method/loss"]) / max(rows.counted - p, 1)
    return np.asarray(np.sqrt(np.maximum(np.diagonal(inverse), 0.0) * spread) / norms)
