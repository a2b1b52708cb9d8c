"""The first look at a loss of straight sides, such as the absolute value: a vertex of its rows.

Most minima of such a loss meet as many rows exactly as there are parameters. Beside one, Newton's
step for these rows' residuals ends at it, and the forces with which they hold it, each between the
two slopes of its row's loss, show that it is a minimum. Of any other end nothing is said here:
`judge/corners.py` looks closer.

Barrodale and Roberts, "An improved algorithm for discrete l1 linear approximation" (1973); Osborne,
"Finite Algorithms in Optimization and Data Analysis" (1985), chapter 6.
"""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Callable
from typing import Any

import numpy as np

from descend.judge.explained import SAVES
from descend.parameters.flat import flat, names_of
from descend.run.finished import Facts, Finished
from descend.run.look import Look, look_of
from descend.run.looking import ENDED, row_weights
from descend.run.slopes import Slopes, is_straight
from descend.task.columns import SIGMA, TARGET, WEIGHT

__all__ = ["at_vertex", "to_vertex"]

Array = np.ndarray[Any, np.dtype[Any]]

MOST_STEPS = 4
SETTLED = 1e-9  # of the target's spread: a step after which the rest, its square, is rounding
NEAR = 1e-3  # of the same: a step that leads elsewhere
STRICT = 1e-7  # by what forces are within their limits, as a share of them
SAME = 1e-12  # of the loss: no rise
FIRM = 1e6  # the length of the inverse of J at the rows, for columns of length one
ABOUT = 1e-6  # a share of a loss: no matter how it is rounded
DEAD = 1e-30  # of a row's slopes: none
FEW = 500  # values that are sorted as quickly as they are parted
NOTHING = float(np.finfo(np.float64).eps) ** 2  # of the mean square: a residual that is none


def to_vertex(run: Finished) -> bool:
    """Go on to the vertex beside the end of a run, where there is one; whether there is."""
    job, x = run.job, run.state().get("method/x")
    if run.bound is None or run.control.status not in ENDED or x is None:
        return False
    if look_of(job, run.built, x.size) is not Look.VERTEX:
        return False
    assert job.rows is not None
    like, extra = run.leaves(), job.rows.extra
    found = at_vertex(
        Slopes(job, run.built, run.bound.data), flat(like), extra[TARGET],
        row_weights(extra.get(WEIGHT), extra.get(SIGMA)), job.settings.loss,
        is_straight(run.built),
    )  # fmt: skip
    if found is None:
        return False
    x[...], run.state()["method/loss"][...], evaluations = found
    run.control.steps += evaluations
    run.facts = Facts(arrived=True, kinks=tuple(names_of(like)))
    return True


def at_vertex(
    rows: Callable[[Array], tuple[Array, Array]], x: Array, y: Array, weight: Array | None,
    loss: Any, straight: bool,
) -> tuple[Array, float, int] | None:  # fmt: skip
    """The vertex beside x that is certainly a minimum, its loss, and the evaluations; or None.

    Args:
        rows: (p,) → the prediction (n,) and its derivatives (p, n).
        x, y: (p,) where a descent has ended, and (n,) the target.
        weight: (n,) of the rows, all above 0; None where all are 1.
        loss: of residuals.
        straight: whether the prediction is linear in all parameters.
    """
    up, down = _sides(loss)
    beside = float(np.add.reduce(y)) / y.size - y
    spread = math.sqrt(beside.dot(beside) / y.size)
    last = math.inf
    for evaluations in range(1, MOST_STEPS + 1):
        prediction, slopes = rows(x)
        step = _step(prediction - y, slopes, weight, up, down)
        if step is None or not step[1] <= NEAR * spread or not step[2] <= last * (1 + SAME):
            return None
        move, size, last = step
        x = x + move
        if size <= SETTLED * spread:
            # A constant explains as much at a side minimum; of a linear model there is none.
            constant = 0.0 if straight else float(_pull(beside, weight, up, down).dot(beside))
            clear = straight or last * (1 + ABOUT) < SAVES * constant
            return (x, last / y.size, evaluations) if clear else None
    return None


@functools.lru_cache(maxsize=64)
def _sides(loss: Any) -> tuple[float, float]:
    """The slopes of a row's loss on either side of a residual of zero."""
    up, down = (float(loss.per_row(np.array(r), np.zeros(()))) for r in (1.0, -1.0))
    return up, down


def _pull(r: Array, weight: Array | None, up: float, down: float) -> Array:
    """The slope of every row's loss."""
    pull = np.where(r > 0.0, up, -down)
    return pull if weight is None else pull * weight


def _smallest(values: Array, count: int) -> Array:
    """The places of the smallest values in their order."""
    if values.size <= FEW:
        return values.argsort(kind="stable")[:count]
    near = values.argpartition(count - 1)[:count]
    return near[values[near].argsort(kind="stable")]


def _step(
    r: Array, slopes: Array, weight: Array | None, up: float, down: float
) -> tuple[Array, float, float] | None:
    """The step to the vertex, its length in units of y, and the loss with its rows met.

    None where the rows nearby are not plainly those, or their forces are not within their slopes.
    """
    p, n = slopes.shape
    squares = slopes * slopes
    length = np.add.reduce(squares, 1) / n
    least, most = min(length.tolist()), sum(length.tolist())
    if not (n > p + 1 and least > 0.0 and math.isfinite(most)):
        return None
    # A row on which nothing depends is met nowhere. The mean of these shares is p.
    away = (r * r) / np.maximum((1.0 / length).dot(squares), DEAD)
    near = _smallest(away, p + 1)
    gaps, floor = away[near].tolist(), NOTHING * float(r.dot(r)) / n
    if floor == 0.0:
        return None  # all rows are met
    shares = [later / max(before, floor) for before, later in itertools.pairwise(gaps)]
    if not shares[-1] >= max(shares):
        return None
    met, length = near[:p], np.sqrt(length)
    try:
        inverse = np.linalg.inv(slopes[:, met] / length[:, None])
    except np.linalg.LinAlgError:
        return None
    pull, rest = _pull(r, weight, up, down), r[met]
    pull[met] = 0.0
    forces = inverse.dot(slopes.dot(pull) / length).tolist()
    shares = [1.0] * p if weight is None else weight[met].tolist()
    room = STRICT * (up + down)
    strict = (
        (room - down) * share < -force < (up - room) * share
        for force, share in zip(forces, shares, strict=True)
    )
    if not (all(strict) and float(np.vdot(inverse, inverse)) < FIRM * FIRM):
        return None
    move = -rest.dot(inverse)
    return move / length, max(map(abs, move.tolist())), float(pull.dot(r))
