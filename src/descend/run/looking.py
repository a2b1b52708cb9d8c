"""What the first look at the end of a planned run goes by, where no compiled graph tells it."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np

from descend.methods.base import NOT_FINITE, STATUS, UNBOUNDED
from descend.run.build import Built
from descend.run.ends import spread_of
from descend.run.job import Job
from descend.run.layout import Layout
from descend.run.look import Formulas
from descend.run.run_memory import RunMemory
from descend.run.slopes import Slopes, is_straight

__all__ = ["ENDED", "row_weights", "squares_facts", "vertex_of"]

Array = np.ndarray[Any, np.dtype[Any]]
ENDED = frozenset(STATUS) - {NOT_FINITE, UNBOUNDED}  # codes of a method that stands somewhere


def squares_facts(memory: RunMemory, layout: Layout, content: bytes, begin: Array) -> Any:
    """The facts of least squares, from the normal equations that the method has left.

    Args:
        content: of the run, as it ended.
        begin: (p,) where its numbers began.
    """
    jtj, jtr, loss, x = layout.equations_as_arrays(content)
    n = memory.target.size
    spread, level = spread_of(memory.target, n, memory.weight, memory.sigma)
    return SimpleNamespace(
        x=x, begin=begin, jtj=jtj, jtr=jtr, loss=loss.item(), n=n, spread=float(spread),
        level=float(level),
    )  # fmt: skip


def row_weights(weight: Array | None, sigma: Array | None) -> Array | None:
    """By what the residuals of a loss with straight sides are multiplied; None where all are 1."""
    return weight if sigma is None else (1.0 if weight is None else weight) / sigma


def vertex_of(
    memory: RunMemory, job: Job, built: Built, formulas: Formulas, x: Array
) -> tuple[Array, float, int] | None:
    """The minimum beside x at rows that are met, its loss and the evaluations; None if not plain.

    Args:
        job, built: of the plan.
        x: (p,) where the run has ended.
    """
    if memory.slopes is None:
        memory.slopes = Slopes(job, built, memory.program.data)
    weight, loss = row_weights(memory.weight, memory.sigma), job.settings.loss
    return formulas.vertex(memory.slopes, x, memory.target, weight, loss, is_straight(built))
