"""The closer look at those of many fits that were not plainly well: each is judged as `fit` judges.

A fit goes on from where its lane left it, so that its last steps, its errors and its verdict are
those of `fit`. What a lane has settled is not touched.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any

import numpy as np

from descend.errors import DescendError
from descend.judge.explained import nothing
from descend.methods.base import UNBOUNDED
from descend.records.many import JUDGED
from descend.result.fit import Fit
from descend.result.many import ManyFits
from descend.run.many_job import CONVERGED, ManyJob
from descend.task.columns import SIGMA, WEIGHT
from descend.task.option_table import names_of
from descend.trace.formula import Formula
from descend.train.fit import clear_fit, fit

__all__ = ["looked_at"]

Array = np.ndarray[Any, np.dtype[Any]]

PASSED_ON = [
    name for name in names_of("fit_many") if name in names_of("fit") and name not in
    (
        "start", "starts", "sigma", "sample_weight", "missing", "threads", "seed", "progress",
        "scratch", "on",
    )
]  # fmt: skip
SHARE, LEAST = 20, 1000  # at most one in so many fits is looked at closer, or so many
SAME = 1e-6  # a share of the loss: what is lower by less is the same minimum


def looked_at(
    found: ManyFits, job: ManyJob, model: Any, options: Any, which: Array, given: bool,
    most: int | None = None,
) -> Array:
    """Judge some fits closer, and enter what came out into the record.

    Args:
        which: the numbers of these fits.
        given: whether the user gave the start, and asked to keep to it.
        most: at how many of them is looked; else at one fit in 20, or 1000.

    Returns:
        the numbers of those that there were too many of.
    """
    found.n_closer = len(which)
    most = max(LEAST, len(found) // SHARE) if most is None else most
    for i in which[:most]:
        own = _alone(found, job, model, options, int(i), 1 if given else None)
        if own is not None:
            _enter(found, own, int(i), nothing(job.loss, job.data.one(int(i)).extra))
    return which[most:]


def _alone(
    found: ManyFits, job: ManyJob, model: Any, options: Any, i: int, kept: int | None
) -> Fit | None:
    """One fit from where its lane ended; None where it cannot be made."""
    rows = job.data.one(i)
    start = {name: np.array(a[i]) for name, a in found.params.items()}
    if not all(np.isfinite(a).all() for a in start.values()):
        return None
    target = rows.extra["target"]
    data: Any = dict(rows.columns)
    y: Any = target
    if isinstance(model, str | Formula) or job.data.problem.target in data:
        data[job.data.problem.target], y = target, None
    weights = {n: rows.extra[n] for n in (SIGMA, WEIGHT) if n in rows.extra}
    # As an earlier fit it is meant as it is: no further starts follow, and steps are searched.
    begin = SimpleNamespace(params=_free(start, options))
    plain: dict[str, Any] = {n: getattr(options, n) for n in PASSED_ON}
    plain |= weights
    if not isinstance(model, str | Formula):
        plain.pop("params")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            plainly = {"model": model, "x": data, "y": y, "start": begin.params, "starts": kept}
            clear = clear_fit(**plainly, **plain)
            return clear or fit(model, data, y, start=begin, starts=kept, **plain)
        except DescendError:
            return None


def _free(start: Mapping[str, Array], options: Any) -> dict[str, Any]:
    """The start of what is not tied: a tie gives its own."""
    tied = options.ties or {}
    return {
        n: float(a) if a.ndim == 0 else a for n, a in start.items() if n not in tied
    }


def _enter(found: ManyFits, own: Fit, i: int, floor: float) -> None:
    """Take over what a closer look has found, if it is no worse, by more than what is nothing."""
    if own.verdict == "not converged" and found.status[i] != UNBOUNDED:
        return
    known = all(np.isfinite(errors[i]).all() for errors in found.stderr.values())
    if known and found.stderr and own.status == "converged" and found.status[i] in CONVERGED:
        return  # what the lane has settled stands
    if not own.loss <= found.loss[i] + SAME * abs(found.loss[i]) + floor:
        return
    found.status[i] = JUDGED[own.status]
    for name, array in found.params.items():
        array[i] = own.params[name]
    for name, errors in found.stderr.items():
        errors[i] = own.stderr[name]
    found.loss[i], found.chi2[i] = own.loss, own.chi2
    found.iterations[i] += own.n_evaluations
    if found.covariance is not None:
        p = found.covariance.shape[1]
        fits = own.covariance is not None and own.covariance.shape == (p, p)
        found.covariance[i] = own.covariance if fits else np.nan
