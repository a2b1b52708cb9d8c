"""Descents that went up: the loss at the end is larger than at the start."""

from __future__ import annotations

from typing import Any

import numpy as np

from descend.judge.beside import half_curvature
from descend.judge.divergence import rate_to_try
from descend.judge.explained import MOST_ROWS, end_of, first_and_last
from descend.run.finished import Finished

__all__ = ["growth_message"]

Array = np.ndarray[Any, np.dtype[Any]]

LITTLE = 1e-3  # of the loss: a growth that its first digits do not show
SAME = 1e-6  # a share: curvatures that differ by less are one


def growth_message(run: Finished) -> str:
    """Say from what to what the loss went, and which learning rate would have descended."""
    factor = run.job.loss_factor
    if run.built.model.training is None:
        rows = MOST_ROWS if run.job.beyond is None else 1 << 62
        loss = run.job.loss_at(run.built, run.begin, rows)
        before, after = factor * loss({}), factor * loss(end_of(run))
    else:
        before, after = (factor * level for level in first_and_last(run)[:2])
    little = before and abs(after - before) < LITTLE * abs(before)
    by = f", by {(after - before) / abs(before):.2g} of itself," if little else ""
    unit = run.unit
    what = "the loss" if run.built.model.training is None else "the loss in training"
    words = (
        f"{what} grew from {before:.6g} at the start to {after:.6g}{by} after "
        f"{run.control.epoch} {unit}{'' if run.control.epoch == 1 else 's'}"
    )
    limit = _limit(run)
    if limit is not None:
        curvature, most = limit
        words += (
            f": the largest curvature is {curvature:.4g}, so that every step of lr "
            f"{most:.4g} or more leads upwards"
        )
    rate = rate_to_try(run)
    return f"{words}. Try lr={rate:.3g}." if rate is not None else f"{words}."


def _limit(run: Finished) -> tuple[float, float] | None:
    """The largest curvature of a quadratic loss, and the rate from which descent diverges.

    Gradient descent with momentum β on a quadratic diverges from lr = 2·(1 + β)/λ on (Polyak,
    "Some methods of speeding up the convergence of iteration methods", 1964).
    """
    optimizer, size = run.job.settings.optimizer, run.job.settings.batch_size
    noisy = size is not None or run.built.model.training is not None
    if type(optimizer).__name__ != "SGD" or noisy:
        return None
    if getattr(optimizer, "nesterov", False):
        return None
    with np.errstate(all="ignore"):
        begin, end = _curvature(run, run.begin), _curvature(run, _half_way(run))
    if begin is None or end is None or not abs(end - begin) <= SAME * abs(begin) or begin <= 0:
        return None
    return begin, 2.0 * (1.0 + float(getattr(optimizer, "momentum", 0.0))) / begin


def _half_way(run: Finished) -> dict[str, Array]:
    """Another place of the size of the start, where a quadratic has the same curvature.

    What began at 0 has the size to which it went.
    """
    rng, end = np.random.default_rng(0), end_of(run)
    return {
        n: a + rng.normal(size=a.shape) * np.where(a == 0, np.abs(end[n]), np.abs(a))
        for n, a in run.begin.items()
    }


def _curvature(run: Finished, leaves: dict[str, Array]) -> float | None:
    """The largest eigenvalue of the loss's second derivatives; None where it is not to be had."""
    half = half_curvature(run, leaves)
    return None if half is None else float(2.0 * np.linalg.eigvalsh(half)[-1])
