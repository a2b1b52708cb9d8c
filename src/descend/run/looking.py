"""What the first look at the end of a planned run goes by, where no compiled graph tells it."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np

from descend.compile.entry import CONTROL
from descend.methods.base import NOT_FINITE, STATUS, UNBOUNDED
from descend.run.build import Built
from descend.run.ends import spread_of
from descend.run.job import Job
from descend.run.look import Formulas
from descend.run.run_memory import RunMemory
from descend.run.slopes import Slopes, is_straight

__all__ = ["ENDED", "row_weights", "squares_facts", "vertex_of"]

Array = np.ndarray[Any, np.dtype[Any]]
ENDED = frozenset(STATUS) - {NOT_FINITE, UNBOUNDED}  # codes of a method that stands somewhere


def squares_facts(memory: RunMemory, content: bytes, at: list[int], begin: Array) -> Any:
    """The facts of least squares, from the normal equations that the method has left.

    Args:
        content: of the run, as it ended.
        at: at which bytes of it JᵀJ, Jᵀr, the loss and the numbers are.
        begin: (p,) where they began.
    """
    p, n = len(begin), memory.target.size
    jtj, jtr, loss, x = (
        np.frombuffer(content, np.float64, count, place)
        for count, place in zip((p * p, p, 1, p), at, strict=True)
    )
    spread, level = spread_of(memory.target, n, memory.weight, memory.sigma)
    return SimpleNamespace(
        x=x, begin=begin, jtj=jtj.reshape(p, p), jtr=jtr, loss=loss.item(), n=n,
        spread=float(spread), level=float(level),
    )  # fmt: skip


def row_weights(weight: Array | None, sigma: Array | None) -> Array | None:
    """By what the residuals of a loss with straight sides are multiplied; None where all are 1."""
    return weight if sigma is None else (1.0 if weight is None else weight) / sigma


def vertex_of(
    memory: RunMemory, job: Job, built: Built, formulas: Formulas, content: bytes,
    at: tuple[int, int],
) -> bytes | None:  # fmt: skip
    """The content of a run that has gone on to the minimum beside its end, at rows that are met.

    Args:
        job, built: of the plan.
        content: of the run, as it ended.
        at: at which bytes of it the numbers and the loss are.

    Returns:
        None where no such minimum is plain.
    """
    if memory.slopes is None:
        memory.slopes = Slopes(job, built, memory.program.data)
    x = np.frombuffer(content, np.float64, memory.slopes.x.size, at[0])
    weight, loss = row_weights(memory.weight, memory.sigma), job.settings.loss
    found = formulas.vertex(memory.slopes, x, memory.target, weight, loss, is_straight(built))
    if found is None:
        return None
    gone = bytearray(content)
    numbers, words = np.frombuffer(gone, np.float64), np.frombuffer(gone, np.int64, len(CONTROL))
    numbers[at[0] // 8 :][: x.size], numbers[at[1] // 8], evaluations = found
    words[CONTROL.index("steps")] += evaluations
    return bytes(gone)
