"""Descents from several starts: how many arrive at the same minimum, and when more are tried."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from descend.train.finish import Finished, Search, ending_of, parts_of

__all__ = ["attempted"]

Array = np.ndarray[Any, np.dtype[Any]]

MORE = 8  # starts that are tried together where the first descent looks wrong
MOST_STARTS = 33  # and where the best of them still does
ALIKE = 1e-6  # losses that differ by less, as a share, are the same minimum
NOTHING = 1e-16  # of the target's mean square: a perfect fit
LEAST, MOST = 16, 100_000  # rows on which correlations are looked for
CORRELATED = 4.0  # standard deviations of the correlation of neighbours


def attempted(run: Callable[[int], Finished], asked: int, may_go_on: bool) -> Finished:
    """The best of as many runs as were asked for; of more if the only one looks wrong.

    Args:
        run: one descent, by the number of the attempt.
        may_go_on: whether more starts may be tried: where the start was searched for, not given.
    """
    best = run(0)
    why = _suspicion(best) if asked == 1 and may_go_on else ""
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
        wrong = bool(why) and bool(_suspicion(best))
    near = min(losses) * (1 + ALIKE) + NOTHING * _mean_square(best)
    best.search = Search(len(losses), sum(loss <= near for loss in losses), why)
    return best


def _mean_square(run: Finished) -> float:
    rows = run.original
    target = None if rows is None else rows.extra.get("target")
    return 0.0 if target is None or target.dtype.kind != "f" else float(np.mean(target**2))


def _suspicion(run: Finished) -> str:
    """Why a run may have missed the minimum, or an empty string."""
    status, _ = ending_of(run)
    if status in ("not_converged", "diverged", "epochs_spent"):
        return "the first descent did not arrive"
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
