"""Which of many fits are not plainly well: those alone are looked at closer, one by one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from descend.judge.explained import by_chance
from descend.records.many import SINGULAR, SPENT
from descend.run.many_job import CONVERGED, UNSOLVED, ManyJob, among

__all__ = ["doubtful"]

Array = np.ndarray[Any, np.dtype[Any]]

VAGUE = 100.0  # times its value: the standard error of a parameter that may have no finite best one
WHITE = 2.0  # standard deviations of that correlation


def doubtful(
    job: ManyJob, status: Array, made: Mapping[str, Array],
    neighbours: Callable[[Mapping[str, Array]], Array],
) -> Array:  # fmt: skip
    """The numbers of the fits that a closer look may judge otherwise.

    Args:
        status: (fits,) codes of their ends.
        made: what the program left of each fit, by name.
        neighbours: (fits,) the correlation of the residuals of neighbouring rows, where the
            parameters end: what explains no more than a constant is no side minimum if its
            residuals are white.
    """
    settled = among(status, CONVERGED)
    found = among(status, (*UNSOLVED, SINGULAR, SPENT))
    if "arrived" in made:
        found |= settled & ~made["arrived"]
    for name in job.start.leaves():
        if f"stderr.{name}" in made:
            error, value = made[f"stderr.{name}"], np.abs(made[f"params.{name}"])
            vague = (error >= VAGUE * value) & (value > 0)
            found |= settled & vague.reshape(len(status), -1).any(axis=1)
    level, p = job.level, sum(a.size for a in job.start.varied().values())
    rest = 1.0 - by_chance(p, job.data.counts)
    with np.errstate(all="ignore"):
        low = settled & ~np.isnan(level) & ~(made["loss"] < rest * level)
        if low.any():
            ends = {name: made[f"params.{name}"] for name in job.start.leaves()}
            low &= ~(np.abs(neighbours(ends)) * np.sqrt(job.data.counts) < WHITE)
    return np.flatnonzero(found | low)
