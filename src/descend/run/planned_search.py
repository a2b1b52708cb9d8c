"""The search for a start of a planned call, and how residuals go together where it has ended."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from descend.graph.evaluate import Prepared
from descend.graph.node import Dim
from descend.run.build import Built
from descend.run.candidates import OneFit
from descend.run.job import Job
from descend.simplify.driver import simplify
from descend.task.columns import TARGET, column_key

__all__ = ["PlannedSearch", "can_be_searched"]

Array = np.ndarray[Any, np.dtype[Any]]
ROUNDING = 1e-26  # of the target's squares: residuals that are nothing


def can_be_searched(job: Job) -> bool:
    """Whether all numbers of a start are searched for, in a sum of squares without bonds."""
    return (
        bool(job.start.missing)
        and job.rows is not None
        and job.space is None
        and not job.start.arrays
        and job.settings.optimizer.needs == "gauss_newton"
        and job.loss_name == "mse"
    )


class PlannedSearch:
    """The search of a task, in memory that serves again and again.

    Args:
        columns: of the program, by name, as large as those of any call.
    """

    def __init__(self, job: Job, built: Built, columns: Mapping[str, Array]) -> None:
        self.job, self.built = job, built
        self.names = list(job.leaf_arrays())
        self._free: list[OneFit] = []
        assert job.rows is not None
        self.keys = [column_key(name) for name in job.rows.columns]
        model = built.model
        nodes = [model.data[name] for name in job.rows.columns]
        nodes += [model.leaves[name] for name in self.names]
        nodes += [node for node, _ in model.trace.captured]
        self._captured = [np.asarray(array) for _, array in model.trace.captured]
        self._prediction = Prepared(simplify(model.nodes, final=True), nodes)

    def best(self, columns: Mapping[str, Array], seed: int) -> tuple[Array, int]:
        """Where a descent is to begin, and after how many evaluations of the model."""
        job, built = self.job, self.built
        try:
            one = self._free.pop()
        except IndexError:
            leaves = job.leaf_arrays()
            one = job.search_of(built, leaves, tuple(leaves), columns)
        one.enter(job.search_columns(built, columns))
        found, count = one.best(seed, 0, job.loss_name)
        self._free.append(one)
        return np.array([float(found[name]) for name in self.names]), count

    def slip(self, columns: Mapping[str, Array], ends: Sequence[float]) -> float:
        """How neighbouring residuals go together along the only column, in standard deviations.

        0 where there is more than one column, or no residual that is more than rounding.
        """
        target = columns[TARGET]
        if len(self.keys) != 1 or columns[self.keys[0]].ndim != 1 or target.ndim != 1:
            return 0.0
        x = columns[self.keys[0]]
        rows = self.built.model.rows
        extents = {rows: len(x)} if isinstance(rows, Dim) else {}
        with np.errstate(all="ignore"):
            (made,) = self._prediction([x, *map(np.asarray, ends), *self._captured], extents)
        rest = np.asarray(target - made, np.float64)
        if rest.shape != target.shape:
            return 0.0
        if (np.diff(x) < 0).any():
            rest = rest[np.argsort(x, kind="stable")]
        level = rest - rest.mean()
        size = float(level @ level)
        if not size > ROUNDING * float(target @ target):
            return 0.0
        return float(level[1:] @ level[:-1]) / size * float(np.sqrt(rest.size))
