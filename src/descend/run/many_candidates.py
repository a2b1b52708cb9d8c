"""Starts of many fits that have none: guessed by a ready model, or the best of the candidates."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from descend.compile.many_native import ManyArrays
from descend.program.lanes import ManyBuilt
from descend.run.candidates import DECADES, constant_losses, explained, thinned
from descend.run.many_job import ManyJob
from descend.task.datasets import ManyData
from descend.task.ready import with_guesses
from descend.task.starts import ManyStart

__all__ = ["found_starts", "with_ready_guesses"]

Numbers = np.ndarray[Any, np.dtype[Any]]
Run = Callable[[ManyBuilt, ManyArrays, Numbers | None], None]


def found_starts(
    job: ManyJob, missing: tuple[str, ...], solves: bool, attempt: int, run: Run
) -> tuple[ManyJob, Numbers]:
    """The job where each fit begins at its best candidate, and (fits,) evaluations of its model.

    Args:
        solves: whether what enters linearly is solved for.
        attempt: which search this is; no two have a candidate in common.
        run: runs all fits of a program, or some of them.
    """
    start, data = job.start, job.data
    plan, space = job.search_plan(missing, solves)
    own = start._replace(space=space)
    columns, offsets = data.columns, data.offsets
    if not isinstance(plan.built.rows, int):
        columns, offsets = thinned(columns, data.shared, offsets)
    spans = plan.spans(columns, offsets, space)
    first = [own.matrix(data.n_fits, plan.built.dtype), *own.held().values(), spans]
    fixed = job.fixed(plan.built) | space.inputs(start.leaves())
    counts = spans[:, -1].astype(np.int64)

    def search(decades: float) -> ManyArrays:
        method = plan.method(job.seed, attempt, decades)
        known = fixed | {f"optimizer.{n}": v for n, v in method.numbers().items()}
        most = int(counts.max(initial=1))
        return plan.arrays(first, columns, offsets, known, most)

    arrays = search(0.0)
    run(plan.built, arrays, None)
    found, losses = plan.read(arrays)
    level = constant_losses(job.loss.name, columns, data.shared, offsets)
    lost = np.flatnonzero(~explained(losses, level))
    if lost.size and plan.is_searched:
        again = search(DECADES)
        run(plan.built, again, lost)
        other, lower = plan.read(again)
        take = lost[(lower < losses)[lost] & explained(lower, level)[lost]]
        for name, values in found.items():
            values[take] = other[name][take]
        counts[lost] *= 2
    return job.starting(with_found(start, missing, found)), counts * plan.takes


def with_found(
    start: ManyStart, missing: tuple[str, ...], found: dict[str, Numbers]
) -> ManyStart:
    """The start with a value for each fit for what had none."""
    each = {**start.each, **{name: found[name] for name in missing if name in found}}
    arrays = {**start.sample.arrays, **{n: np.array(a[0]) for n, a in found.items()}}
    left = tuple(n for n in start.sample.missing if n not in found)
    sample = start.sample._replace(arrays=arrays, missing=left)
    return start._replace(sample=sample, each=each)


def with_ready_guesses(start: ManyStart, data: ManyData) -> ManyStart:
    """The start with what a ready model guesses from the data of each fit."""
    missing = start.sample.missing
    if start.problem.ready is None or not missing:
        return start
    guessed = []
    for fit in range(data.n_fits):
        own = {n: a[fit] for n, a in start.each.items()}
        begin = start.sample._replace(arrays={**start.sample.arrays, **own})
        guessed.append(with_guesses(begin, start.problem, data.one(fit), start.space).arrays)
    named = tuple(n for n in missing if all(n in arrays for arrays in guessed))
    found = {n: np.array([float(arrays[n]) for arrays in guessed]) for n in named}
    return with_found(start, named, found) if named else start
