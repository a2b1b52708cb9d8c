"""What the first look at the end of a run can go by."""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum
from typing import Any, NamedTuple

import numpy as np

from descend.graph.node import postorder
from descend.run.build import Built
from descend.run.job import Job
from descend.task.columns import TARGET, WHITENING

__all__ = [
    "AT_VERTEX", "CLEAR", "MOST_NUMBERS", "MOVED", "PRESSED", "UNCLEAR", "VAGUE", "Formulas",
    "Look", "learns", "look_of",
]  # fmt: skip

MOVED = 1e-3  # of itself: a number that moved by less has come no way
MOST_AT_VERTEX = 12  # numbers whose rows are looked for
MOST_NUMBERS = 8  # of which a compiled graph takes a matrix apart: its steps are written out
MOST_AT_ALL = 64  # that it looks at for losses that are no squares: the loss at as many places
UNCLEAR, CLEAR, VAGUE, PRESSED, AT_VERTEX = 0.0, 1.0, 2.0, 3.0, 4.0
"""Codes of an end: vague is clear if some numbers have risen; pressed lies on a bound."""


class Look(Enum):
    """What the first look at an end can go by."""

    NOTHING = "nothing: it is looked at closer each time"
    SQUARES = "the normal equations of the residuals"
    MANY_SQUARES = "the same of many numbers"
    CURVED = "JᵀJ of another loss"
    MANY_CURVED = "JᵀJ of another loss of many numbers"
    PLAIN = "the loss at the end, and farther on along the way"
    VERTEX = "the rows that are met by a loss of straight sides"
    BATCHES = "the loss at start and end"
    EPOCHS = "the losses of the epochs"


class Formulas(NamedTuple):
    """What is made of the facts at an end, in traced NumPy.

    Attributes:
        codes: look → facts (`run/ends.py`) → what is said of the end, as a few numbers.
        place: (facts, which number as one of a unit vector, factor) → where the others are likely
            to be best if this number is so many times as large.
        risen: (facts, which number, a place, JᵀJ, Jᵀr, loss there) → whether the loss has risen.
        factors: with which that is asked of a number.
        vertex: (slopes of the rows, x, target, weights, loss, whether the model is linear) → the
            minimum at rows that are met, its loss and the evaluations; None where none is plain.
    """

    codes: dict[Look, Callable[[Any], Any]]
    place: Callable[[Any, Any, Any], Any]
    risen: Callable[[Any, Any, Any, Any, Any, Any], Any]
    factors: tuple[float, ...]
    vertex: Callable[..., tuple[Any, float, int] | None]


def learns(job: Job) -> bool:
    """Whether a job is of a network, of classes, or of arrays by a method of first order.

    The ends of such are looked at for what goes wrong in learning (`judge/diagnoses.py`).
    """
    loss = job.settings.loss
    if job.rows is None or loss is None or job.idle:
        return False
    if job.problem.network is not None or loss.tells_classes:
        return True
    arrays = any(a.ndim for a in job.start.arrays.values())
    return arrays and job.settings.optimizer.scope != "vector"


def look_of(job: Job, built: Built, count: int) -> Look:
    """What the first look at the end of a job can go by.

    Args:
        count: how many numbers are moved.
    """
    made, settings, space = built.descent, job.settings, job.space
    if job.rows is None:
        return Look.NOTHING
    if settings.optimizer.scope != "vector":
        return Look.EPOCHS if settings.batch_size is None else Look.BATCHES
    if made.residual is not None and settings.penalty is None:
        return Look.SQUARES
    if settings.loss is not None and settings.loss.kinked and settings.loss.of_residual:
        return Look.VERTEX if _has_vertices(job, built, count) else Look.NOTHING
    bounded = space is not None and any(map(space.bounded, job.leaf_arrays()))
    if count > MOST_AT_ALL or (space is not None and space.scales and bounded):
        return Look.NOTHING
    return Look.PLAIN if made.curvature is None else Look.CURVED


def _has_vertices(job: Job, built: Built, count: int) -> bool:
    """Whether minima of a loss with kinks meet rows that can be told from the end of a descent."""
    loss, rows, model = job.settings.loss, job.rows, built.model
    if rows is None or loss is None or len(model.nodes) != 1 or WHITENING in rows.extra:
        return False
    sides = [loss.per_row(np.array(r), np.zeros(())) for r in (1.0, 2.0, -1.0, -2.0)]
    straight = np.allclose(sides[1::2], 2 * np.array(sides[::2]), rtol=1e-12, atol=0.0)
    smooth = not any(node.op.breaks for node in postorder(model.nodes))
    plain = job.space is None and job.settings.penalty is None and not job.settings.rules.keep_best
    double = all(a.dtype == np.float64 for a in job.leaf_arrays().values())
    return bool(straight and smooth and plain and double) and (
        0 < count <= MOST_AT_VERTEX and rows.extra[TARGET].ndim == 1
        and "method/x" in built.descent.state
    )
