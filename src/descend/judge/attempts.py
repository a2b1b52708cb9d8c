"""Descents from several starts: how many arrive at the same minimum, and when more are tried."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import Enum
from typing import Any

import numpy as np

from descend.graph.program import EPOCHS_SPENT
from descend.judge.doubts import UNFINISHED, Doubts, rounding
from descend.judge.ending import ending_of
from descend.judge.explained import explains_nothing
from descend.methods.choice import is_auto
from descend.run.finished import Finished, Search
from descend.run.job import Job

__all__ = ["Unasked", "attempted", "unasked"]

MORE = 8  # starts that are tried together where the first descent looks wrong
MOST_STARTS = 33  # and where the best of them still does
MANY_ROWS = 100_000  # a descent over more of them is not made again unasked
ALLOWANCE = 10  # times the evaluations of the first descent: what unasked starts may take
SHORTEST = 100  # evaluations: one that ends sooner counts as much, or none could follow it
ALIKE = 1e-6  # losses that differ by less, as a share, are the same minimum
STOPPED = ("interrupted", "time_spent")
CUT = {
    "interrupted": "interrupted", "time_spent": "max_seconds spent", "callback": "stopped",
    "evaluations_spent": f"{ALLOWANCE} times the first descent's evaluations spent",
}  # fmt: skip


class Unasked(Enum):
    """Whether more starts than one may be tried unasked."""

    NEVER = "never"
    FAILED = "where the first visibly failed: its start was given, and so the basin"
    DOUBTED = "where the first may have missed the minimum: its start was searched for or guessed"


def unasked(options: Any, job: Job) -> Unasked:
    """Whether more starts may be tried unasked: where a descent is quick, and nobody watches.

    Epochs that were chosen may be spent, and an earlier fit or a draw was meant as it is.
    """
    o, start, method = options, options.start, job.settings.optimizer
    quick = method.needs == "gauss_newton" or (is_auto(o.optimizer) and method.scope == "vector")
    if o.starts is not None or not quick or job.idle or job.rows is None or job.beyond:
        return Unasked.NEVER
    meant = start is not None and not isinstance(start, Mapping)
    guessed = job.problem.ready is not None and not start
    if not meant and o.resume is None and (job.start.missing or guessed):
        return Unasked.DOUBTED
    chosen = not o.is_default("epochs")
    watched = o.callback is not None or o.checkpoint is not None
    long = job.rows.total > MANY_ROWS
    if meant or chosen or watched or long or o.resume is not None:
        return Unasked.NEVER
    return Unasked.FAILED


def attempted(
    run: Callable[[int, int | None], Finished], glance: Callable[[int], Finished], asked: int,
    more: Unasked, spent: Callable[[], bool] = lambda: False,
    searched: Callable[[], int] = lambda: 0,
) -> Finished:  # fmt: skip
    """The best of as many runs as were asked for; of more if the only one looks wrong.

    Unasked runs take at most `ALLOWANCE` times the evaluations of the model that the first took
    (at least `SHORTEST`), searches for their starts included.

    Args:
        run: one descent, by the number of the attempt, of so many steps at most (None: as asked).
        glance: one evaluation at a random point, by the number of the attempt.
        more: whether more starts than one may be tried unasked.
        spent: whether the time is over: then no other descent begins.
        searched: how many evaluations all searches for a start have taken so far.
    """
    first = best = last = run(0, None)
    glances: list[int] = []

    def counted(attempt: int) -> Finished:
        glances.append(attempt)
        return glance(attempt)

    doubts = Doubts(counted, more is Unasked.DOUBTED)
    may = more is not Unasked.NEVER and not _stopped(first) and not spent()
    why = doubts.suspicion(first) if may else ""
    if asked == 1 and not why:
        return first
    losses, count, wrong = [first.final_loss()], first.control.steps, bool(why)
    allowed = ALLOWANCE * max(first.control.steps + (begun := searched()), SHORTEST)
    agreed, seconds, stop, over = 1, _seconds(first), "", _stopped(last)
    while not over and (len(losses) < asked or (wrong and len(losses) < MOST_STARTS)):
        for attempt in range(len(losses), len(losses) + MORE if why else asked):
            left = None
            if why:
                took = count - first.control.steps + searched() - begun + len(glances)
                left = allowed - took - begun
            if spent() or (left is not None and left < max(first.control.steps, 1)):
                over, stop = True, "time_spent" if spent() else "evaluations_spent"
                break
            last = run(attempt, left)
            count, seconds = count + last.control.steps, seconds + _seconds(last)
            if left is not None and _was_cut(last, left):
                losses.append(np.inf)
                continue
            losses.append(last.final_loss())
            best, over = _better(best, last), _stopped(last)
            if over:
                break
        floor = rounding(best)
        agreed = sum(loss <= _near(min(losses), floor) for loss in losses)
        alone = agreed < 2 and min(losses) > floor
        firm = agreed if not why or agreed < 2 or not explains_nothing(best) else 1
        wrong = bool(why) and (alone or bool(doubts.suspicion(best, firm, len(losses))))
    stop = stop or ("" if last.ending is None else last.ending.outside)
    other = more is Unasked.FAILED and best is not first and _is_given(first)
    best.search = Search(len(losses), agreed, why, count, other, seconds, CUT.get(stop, ""))
    return best


def _is_given(run: Finished) -> bool:
    """Whether the start was the user's, and not a ready model's guess."""
    return run.job.problem.ready is None or run.options.start is not None


def _was_cut(run: Finished, most: int) -> bool:
    """Whether a run was ended by what it was allowed, before its own end."""
    return run.control.status == EPOCHS_SPENT and run.control.steps >= most


def _seconds(run: Finished) -> float:
    return 0.0 if run.ending is None else run.ending.seconds


def _stopped(run: Finished) -> bool:
    """Whether somebody or the clock has stopped a run: then none follows it."""
    return run.ending is not None and bool(run.ending.outside)


def _better(best: Finished, other: Finished) -> Finished:
    """The lower end of two; if they are alike, the first, unless only the other arrived."""
    one, two = best.final_loss(), other.final_loss()
    lower = best if one <= two else other
    if max(one, two) > _near(min(one, two), rounding(lower)):
        return lower
    return other if _arrived(other) and not _arrived(best) else best


def _arrived(run: Finished) -> bool:
    return ending_of(run)[0] not in (*UNFINISHED, *STOPPED)


def _near(loss: float, floor: float) -> float:
    """Up to what losses are the same minimum."""
    return loss + ALIKE * abs(loss) + floor
