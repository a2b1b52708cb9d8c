"""The results of many fits as the user gets them: the record, which can report itself."""

from __future__ import annotations

from typing import Any

import numpy as np

from descend.compile.many_native import ManyArrays
from descend.graph.program import RUNNING
from descend.methods.base import NOT_FINITE
from descend.parameters.space import Space
from descend.program.lanes import ManyBuilt
from descend.records.many import BAD_DATA, ManyRecord
from descend.run.many_job import CONVERGED, ManyJob, among, statuses
from descend.show.many import many_report

__all__ = ["ManyFits", "recorded"]


class ManyFits(ManyRecord):
    """The results of many fits: `ManyRecord` says what is in them."""

    def pressed(self, space: Space | None) -> Any:
        """(fits,) whether a varied number lies on a bound that leaves it room."""
        found = np.zeros(len(self), bool)
        if space is None:
            return found
        for name, array in self.params.items():
            low, high = space.edges(name)
            if space.varies(name):
                on = ((array <= low) | (array >= high)) & np.not_equal(low, high)
                found |= on.reshape(len(self), -1).any(axis=1)
        return found

    def report(self) -> str:
        """A summary over all fits as text."""
        return many_report(self)

    def __str__(self) -> str:
        return self.report()


def recorded(job: ManyJob, built: ManyBuilt, arrays: ManyArrays, by: str) -> ManyFits:
    """The record of fits that have run."""
    d = job.data
    made = dict(zip(built.results, arrays.results, strict=True))
    dof = job.dof()
    status = statuses(job, arrays.codes, arrays.iterations, made)
    lost = among(status, (RUNNING, NOT_FINITE, BAD_DATA))
    for name in ("loss", "chi2"):
        if name in made:
            made[name][lost] = np.nan
    leaves = list(job.start.leaves())
    errors = {n: made[f"stderr.{n}"] for n in leaves if f"stderr.{n}" in made}
    space = job.start.space
    for name in () if space is None else space.fixed & errors.keys():
        errors[name][:] = np.nan
    covariance = made.get("covariance")
    if "arrived" in made:
        unsound = ~(among(status, CONVERGED) & made["arrived"])
        for array in [*errors.values(), *([] if covariance is None else [covariance])]:
            array[unsound] = np.nan
    return ManyFits(
        {n: made[f"params.{n}"] for n in leaves}, errors, status.astype(np.int8),
        arrays.iterations, made["loss"], made.get("chi2", np.full(d.n_fits, np.nan)), dof,
        covariance, d.keys, by, d.problem.name, d.problem.target,
    )  # fmt: skip
