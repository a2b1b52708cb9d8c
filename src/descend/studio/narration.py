"""The state of a run in one word, with the numbers that its sentence tells."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from descend.lean import dataclass

__all__ = ["ENDS", "Course", "Told", "narrate"]

Array = np.ndarray[Any, np.dtype[Any]]
WINDOW = 64  # epochs that are looked back on
LEAST = 4  # epochs before anything is said of their course
GROWN = 2.0  # times the lowest loss: a run that rises at last, and so far, leaves
RISING = 3  # epochs in a row
SHARE = 0.2  # of the steps between epochs that go up, where a loss swings
SWUNG = 0.98  # of an earlier half's mean: a later half above it has fallen no further
STILL = 1e-5  # the share of the loss, an epoch, below which it does not fall

ENDS: Mapping[str, str] = {
    "minimum": "arrived", "kink": "arrived", "bound": "arrived", "flat": "arrived",
    "side minimum": "stuck", "threshold": "stuck", "not converged": "stuck", "not moved": "stuck",
    "runaway": "diverging", "grew": "diverging", "diverged": "diverging",
}  # fmt: skip
"""What the verdict of a run that has ended is called; if a rule has ended it, its course counts."""


class Told(NamedTuple):
    """A state of `frames.STATES`, and its numbers by name."""

    state: str
    numbers: Mapping[str, float]


@dataclass(frozen=True)
class Course:
    """What is known of a run where it stands.

    Attributes:
        epochs, losses: (m,) the epochs that are kept, and the mean loss of each.
        start, loss: at the start's parameters, and at those of now, over all rows.
        epoch, examples, rows: complete epochs, rows of the next one that were seen, all rows.
        verdict: of the run that has ended, else empty.
        goal: the loss that the run was to fall below, once it has.
    """

    epochs: Array
    losses: Array
    start: float
    loss: float
    epoch: int = 0
    examples: int = 0
    rows: int = 0
    verdict: str = ""
    goal: float | None = None


def narrate(course: Course) -> Told:
    """The state of a run.

    >>> falling = Course(np.arange(1, 9), 0.5 ** np.arange(8), 2.0, 0.007, epoch=8)
    >>> narrate(falling).state, narrate(Course(np.zeros(0), np.zeros(0), 2.0, 2.0)).state
    ('converging', 'ready')
    """
    c, epochs = course, float(course.epoch)
    here = {"epochs": epochs, "loss": c.loss}
    if c.goal is not None:
        return Told("goal", {"epochs": epochs, "mean": float(c.losses[-1]), "goal": c.goal})
    if c.verdict in ENDS:
        return Told(ENDS[c.verdict], here)
    if not c.epoch and not c.examples:
        return Told("ready", here)
    if _leaves(c):
        under_way = float(c.epoch + (c.examples > 0))
        return Told("diverging", {"epochs": under_way, "loss": c.loss})
    if len(c.losses) < LEAST:
        if not c.epoch:
            seen = {"examples": float(c.examples), "rows": float(c.rows)}
            return Told("first", {**seen, "start": c.start, "loss": c.loss})
        return Told("converging", {"epochs": epochs, "before": c.start, "loss": c.loss})
    last = c.losses[-WINDOW:]
    span = float(c.epochs[-1] - c.epochs[-len(last)])
    if last.max() - last.min() < STILL * span * last[0]:
        return Told("stuck", {"epochs": span, "loss": c.loss})
    middle = len(last) // 2
    level = last[middle:].mean() / last[:middle].mean()
    if (np.diff(last) > 0).mean() >= SHARE and level > SWUNG:
        return Told("oscillating", {"epochs": span, "low": last.min(), "high": last.max()})
    if 1 - last[-1] / last[0] < STILL * span:
        return Told("stuck", {"epochs": span, "loss": c.loss})
    return Told("converging", {"epochs": span, "before": float(last[0]), "loss": float(last[-1])})


def _leaves(c: Course) -> bool:
    """Whether the loss leaves for ever: no number any more, or rising epoch after epoch."""
    if not math.isfinite(c.loss):
        return True
    losses = c.losses[-WINDOW:]
    if len(losses) < LEAST and c.loss > GROWN * c.start:
        return True
    if len(losses) == 0:
        return False
    # The lowest of all: whoever fell for a thousand epochs, and rises since, is seen as well.
    rises = bool((np.diff(np.append(c.start, losses))[-RISING:] > 0).all())
    return rises and losses[-1] > GROWN * min(c.start, float(c.losses.min()))
