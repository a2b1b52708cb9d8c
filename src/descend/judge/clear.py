"""The first look at the end of a run, at the price of a few microseconds: most are plainly well.

What is not plain here is not wrong yet: last steps (`judge/polish.py`), doubts (`judge/doubts.py`)
and the verdict (`judge/verdict.py`) look closer. Whatever is clear here is a minimum to them too:
each condition here implies the one there, with a margin for rounding.
"""

from __future__ import annotations

import math
from types import SimpleNamespace
from typing import Any

import numpy as np

from descend.graph.program import EPOCHS_SPENT
from descend.judge.between import is_wavy, lower_between
from descend.judge.doubts import CORRELATED
from descend.judge.ending import QUIET
from descend.judge.explained import LITTLE, ROUNDING, SAVES
from descend.judge.polish import WORSE
from descend.judge.runaway import RISE
from descend.judge.vertex import at_vertex
from descend.methods.base import PRECISION
from descend.methods.linear_algebra import swept
from descend.parameters.flat import flat
from descend.program.arrival import ARRIVED, EXACT
from descend.program.many_errors import half_inverse
from descend.run.ends import MANY_ROWS, BoundEnds, kept_ends, spread_of
from descend.run.finished import Finished
from descend.run.look import (
    AT_VERTEX,
    CLEAR,
    PRESSED,
    UNCLEAR,
    VAGUE,
    Formulas,
    Look,
    look_of,
)
from descend.run.places import places_of
from descend.run.plan import Run
from descend.task.columns import SIGMA, TARGET, WEIGHT, WHITENING

__all__ = [
    "FORMULAS", "WEAK", "clear_by_graph", "clear_minimum", "ends_clearly", "first_look",
    "learnt_plainly",
]  # fmt: skip

Array = Any

WEAK = 0.25  # of a constant's loss: what is saved where something may have gone wrong
PLAIN = 1e-12  # a share of the largest effect that is certainly more than rounding
STANDS = 1e-3  # of a number: a next step that leads nowhere
MARGIN = 2.0  # between a condition here and that of a closer look
WIDE = 100.0  # the same where there the second derivatives are others
ENOUGH = LITTLE * (1.0 + 1e-6)
VARIES = 1e-20  # of the target's squares: a spread that is certainly more than rounding
OUT = (2.0, 10.0)  # times a number: where the closer look would begin to follow it outwards
STAYS = 0.25  # of a rise: what must be left of it when the others have followed


def first_look(run: Run) -> str | None:
    """The status of a run whose end leaves no doubt; None of any other."""
    status, look = QUIET.get(run.code), run.plan.look
    if run.seen == AT_VERTEX:
        return "kink"
    if status is None or look in (Look.NOTHING, Look.VERTEX) or run.slip > CORRELATED:
        return None
    if look is Look.EPOCHS:
        return status if run.fell() else None
    if look is not Look.BATCHES and run.code == EPOCHS_SPENT:
        return None
    if look is Look.PLAIN and run.code == PRECISION:
        return None  # it may be a kink
    if run.facts is not None:
        linear = bool(run.plan.built.extras.get("is linear"))
        return status if _is_minimum(run.facts, linear) else None
    return "bound" if run.seen == PRESSED else status if run.seen else None


def learnt_plainly(run: Run) -> bool:
    """Whether the last loss of a run of no network is so far below a constant's that all is well.

    Only for squares and for one probability a row, without weights; of others nobody knows.
    """
    plan = run.plan
    loss, columns = plan.job.settings.loss, plan.columns
    if loss is None or plan.job.problem.network is not None or {*columns} & {SIGMA, WEIGHT}:
        return False
    y, last = run.column(TARGET), run.last_loss()
    if loss.name == "mse":
        return last < (1.0 - WEAK) * float(np.var(y))
    share = float(np.mean(y)) if loss.name == "bce" and y.ndim == 1 else 0.0
    if not 0.0 < share < 1.0:
        return False
    rest = 1.0 - share
    return last < -(1.0 - WEAK) * (share * math.log(share) + rest * math.log(rest))


def ends_clearly(run: Finished) -> bool:
    """The same of least squares on many rows, of which no plan is kept: from JᵀJ."""
    rows, residual, facts = run.job.rows, run.built.descent.residual, run.facts
    if run.searched or rows is None or residual is None or WHITENING in rows.extra:
        return False
    if facts is not None and (facts.steps or facts.kinks):
        return False
    y, weight, all_rows = rows.extra[TARGET], rows.extra.get(WEIGHT), rows.beyond
    if y.ndim != 1 or residual.ndim != 1 or (weight is not None and not np.all(weight > 0)):
        return False
    if all_rows is not None and not all_rows.least_weight > 0:
        return False
    if run.control.status not in QUIET or run.control.status == EPOCHS_SPENT:
        return False
    normal = run.normal(run.leaves())
    if normal is None:
        return clear_by_graph(run, Look.SQUARES)
    begin, x = (flat(run.job.moved(leaves)) for leaves in (run.begin, run.leaves()))
    if all_rows is None:
        spread, level = spread_of(y, float(y.size), weight, rows.extra.get(SIGMA))
    else:
        spread, level = all_rows.moments
    end = SimpleNamespace(
        x=x, begin=begin, n=rows.total, spread=spread, level=level, loss=normal.loss,
        jtj=np.reshape(normal.jtj, (len(x), len(x))), jtr=np.array(normal.jtr),
    )  # fmt: skip
    return _is_minimum(end, bool(run.built.extras.get("is linear")))


def clear_by_graph(run: Finished, look: Look) -> bool:
    """The same of a method that leaves no JᵀJ: by one pass over the rows, where they are many."""
    job, built = run.job, run.built
    if run.bound is None or run.bound.n_rows < MANY_ROWS:
        return False
    if any(len(leaves) != 1 for leaves in job.start.names.values()):
        return False
    varied = {n: a for n, a in run.begin.items() if job.space is None or job.space.varies(n)}
    begin, states = flat(varied), dict(zip(built.descent.state, run.bound.state, strict=True))
    x = states.get("method/x")
    if x is None or x.dtype != np.float64 or look_of(job, built, begin.size) is not look:
        return False
    reads = [(built.descent.state[state], at) for _, state, at in places_of(job, built).reads]
    rows = run.bound.n_rows
    ends = kept_ends(job, built, look, FORMULAS, reads, False, rows) if reads else None
    if ends is None:
        return False
    bound = BoundEnds(ends, built, run.bound, begin.size)
    bound.begin[:] = begin
    return bound.code() == CLEAR


def clear_minimum(run: Run) -> str | None:
    """The status of a minimisation whose end leaves no doubt; None of any other.

    Numbers that have not moved, or that were alike all the way, may have kept to the ridge of a
    saddle.
    """
    status = QUIET.get(run.code)
    if status is None or run.touches():
        return None
    if run.plan.job.settings.optimizer.scope != "vector":
        return status if run.begun() != run.flat() and run.fell() else None
    if run.code == EPOCHS_SPENT or not run.ends_in_bowl():
        return None
    job, built = run.plan.job, run.plan.built
    if is_wavy(built) and lower_between(job, built, run.leaves_begun(), run.leaves()) is not None:
        return None
    begun, p = run.begun(), run.plan.count
    if p > 1 and len({*map(abs, begun)}) < p:
        seen = zip(map(abs, begun), map(abs, run.flat()), run.widest(), strict=True)
        return status if len({*seen}) == p else None
    return status


# --- what is made of the facts, in traced NumPy: see `run/ends.py` for these


def _of_squares(f: Any) -> Array:
    """The code of an end of least squares, and which numbers are not determined to their size.

    J has full rank, the predicted step is short, and the fit explains more than a constant.
    """
    p = f.x.shape[0]
    on = f.x != f.x if f.lower is None else (f.moved <= f.lower) | (f.moved >= f.upper)
    both = on[:, None] | on[None, :]
    unit = np.eye(p)
    jtj = np.where(both, unit * f.jtj, f.jtj)
    jtr = np.where(on, 0.0, f.jtr)
    lengths, half, ok = _apart(jtj)
    ok = ok & (f.n > p) & (f.spread > VARIES * f.level) & (f.loss < (1.0 - ENOUGH) * f.spread)
    effects = (np.maximum(np.abs(f.x), np.abs(f.begin)) * lengths) ** 2
    terms = np.sum(effects)
    ok = ok & np.all(on | (effects > PLAIN * PLAIN * terms))
    spread = f.loss / np.where(f.n > p, f.n - p, 1.0)
    # The step in the metric of JᵀJ is the longest that any number's is in its standard errors.
    short = MARGIN * np.sum(np.sum(half * jtr[None, :], axis=1) ** 2) < ARRIVED**2 * spread
    ok = ok & (short | (MARGIN * f.loss <= EXACT * np.sum((f.x * lengths) ** 2)))
    vague = ~on & (MARGIN * np.sum(half * half, axis=0) * spread >= f.x * f.x)
    pressed = np.any(on & (f.jtr != 0.0))
    held = np.where(pressed & ~np.any(vague), PRESSED, UNCLEAR)
    code = np.where(np.any(on), held, np.where(np.any(vague), VAGUE, CLEAR))
    return np.concatenate([np.where(ok, code, UNCLEAR)[None], np.where(vague, 1.0, 0.0)])


def _of_many_squares(f: Any) -> Array:
    """The same for more numbers than a factorisation is written out for: none may be held."""
    p = f.x.shape[0]
    on = f.x != f.x if f.lower is None else (f.moved <= f.lower) | (f.moved >= f.upper)
    lengths, inverse, full = _swept(f.jtj)
    side = f.jtr / lengths
    ok = ~np.any(on) & full & (f.n > p) & (f.spread > VARIES * f.level)
    ok = ok & (f.loss < (1.0 - ENOUGH) * f.spread)
    effects = (np.maximum(np.abs(f.x), np.abs(f.begin)) * lengths) ** 2
    ok = ok & (np.min(effects) > PLAIN * PLAIN * np.max(effects))
    spread = f.loss / np.where(f.n > p, f.n - p, 1.0)
    step = np.sum(inverse * side[None, :], axis=1)
    short = MARGIN * np.sum(side * step) < ARRIVED**2 * spread
    own = (f.x * lengths) ** 2
    ok = ok & (short | (MARGIN * f.loss <= EXACT * np.sum(own)))
    vague = MARGIN * spread * np.diagonal(inverse) >= own
    code = np.where(np.any(vague), VAGUE, CLEAR)
    return np.concatenate([np.where(ok, code, UNCLEAR)[None], np.where(vague, 1.0, 0.0)])


def _of_curvature(f: Any) -> Array:
    """The code of an end of another loss with two derivatives.

    Newton's step is short in standard errors, and the loss rises along the way it has come.
    """
    _, half, ok = _apart(f.jtj)
    return _of_newton(f, np.sum(half[:, :, None] * half[:, None, :], axis=0), ok)


def _of_many_curvature(f: Any) -> Array:
    """The same for more numbers than a factorisation is written out for."""
    lengths, inverse, full = _swept(f.jtj)
    ok = full & np.all(np.diagonal(inverse) > 0.0)
    return _of_newton(f, inverse / lengths[:, None] / lengths[None, :], ok)


def _of_newton(f: Any, inverse: Array, ok: Array) -> Array:
    """The code by Newton's step and standard errors, where the matrix has full rank plainly."""
    step = np.sum(inverse * f.jtr[None, :], axis=1)
    if f.is_likelihood:
        errors = 0.5 * np.diagonal(inverse) / f.n
    else:
        first = inverse @ f.scatter
        errors = np.sum(first * inverse, axis=1) / (f.n * f.n)
    ok = ok & (f.n > f.x.shape[0]) & np.all(WIDE * step * step < ARRIVED**2 * errors)
    # What runs away goes on and on: its next step is no small share of it.
    stands = np.abs(step) <= STANDS * np.maximum(np.abs(f.x), np.abs(f.begin))
    return np.where(ok & np.all(stands), _of_way(f), UNCLEAR)


def _of_way(f: Any) -> Array:
    """The code of an end where the loss is larger as far again along the way to it."""
    least = f.loss + ROUNDING * np.abs(f.loss)
    moved = (f.x != f.begin) | (f.x != 0)
    rises = f.farther > least
    ok = np.all(rises[:-1] | ~moved) & (rises[-1] | ~np.any(moved))
    if f.constant is not None:
        ok = ok & (f.loss < SAVES * f.constant)
    if f.lower is not None:
        ok = ok & np.all((f.x > f.lower) & (f.x < f.upper))
    return np.where(ok, CLEAR, UNCLEAR)


def _of_batches(f: Any) -> Array:
    """Whether the loss has not grown."""
    return np.where(f.loss <= f.before, CLEAR, UNCLEAR)


def _apart(matrix: Array) -> tuple[Array, Array, Array]:
    """Return the columns' lengths, B with matrix⁻¹ = BᵀB, and whether it has full rank plainly."""
    lengths = np.sqrt(np.diagonal(matrix))
    half, pivot = half_inverse(matrix)
    # Eigenvalues of the scaled matrix are at most p, and at least the reciprocal of this trace.
    trace = np.sum((half * lengths[None, :]) ** 2)
    return lengths, half, (pivot > 0.0) & (MARGIN * len(lengths) * trace * WORSE < 1.0)


def _swept(matrix: Array) -> tuple[Array, Array, Array]:
    """Return the columns' lengths, the inverse for length one, and whether it is plainly of full
    rank: its length is at least the reciprocal of the least eigenvalue, however it is signed."""
    lengths = np.sqrt(np.diagonal(matrix))
    inverse = swept(matrix / lengths[:, None] / lengths[None, :])
    length = np.sqrt(np.sum(inverse * inverse))
    return lengths, inverse, MARGIN * len(lengths) * length * WORSE < 1.0


def _place(f: Any, who: Array, factor: Array) -> Array:
    """Where all numbers are likely to be best if one of them is so many times as large."""
    _, half, _ = _apart(f.jtj)
    column = np.sum(half * np.sum(half * who[None, :], axis=1)[:, None], axis=0)
    own = np.sum(column * who)
    return f.x + (factor - 1.0) * np.sum(f.x * who) * column / np.where(own > 0.0, own, 1.0)


def _has_risen(f: Any, who: Array, place: Array, jtj: Array, jtr: Array, loss: Array) -> Array:
    """Whether the loss is larger at a place, and stays so when the others follow from there."""
    others = 1.0 - who
    matrix = np.where(others[:, None] * others[None, :] > 0.0, jtj, np.eye(len(others)) * jtj)
    _, half, ok = _apart(matrix)
    low = loss - np.sum(np.sum(half * (jtr * others)[None, :], axis=1) ** 2)
    ok = ok & (low > f.loss * (1.0 + MARGIN * RISE)) & (low - f.loss > STAYS * (loss - f.loss))
    if f.lower is not None:
        ok = ok & np.all((place > f.lower) & (place < f.upper))
    return np.where(ok, 1.0, 0.0)


FORMULAS = Formulas(
    {
        Look.SQUARES: _of_squares, Look.MANY_SQUARES: _of_many_squares,
        Look.CURVED: _of_curvature, Look.MANY_CURVED: _of_many_curvature, Look.PLAIN: _of_way,
        Look.BATCHES: _of_batches,
    },
    _place, _has_risen, OUT, at_vertex,
)  # fmt: skip


def _is_minimum(f: Any, linear: bool) -> bool:
    """As `_of_squares` for many numbers, or for the first runs of a program; NumPy alone.

    Args:
        linear: whether no derivative depends on a number: then each has a best value.
    """
    p = len(f.x)
    rest = 1.0 - ENOUGH
    if not (f.n > p and f.spread > VARIES * f.level and f.loss < rest * f.spread):
        return False
    with np.errstate(all="ignore"):
        length = np.sqrt(f.jtj.diagonal())
        sizes = np.maximum(np.abs(f.begin), np.abs(f.x)) * length
        matrix, side = f.jtj / length[:, None] / length, f.jtr / length
    effects = (sizes * sizes).tolist()
    if not min(effects) > PLAIN * PLAIN * max(effects):
        return False
    try:
        inverse = np.linalg.inv(matrix)
    except np.linalg.LinAlgError:
        return False
    # The inverse's length is at least the reciprocal of the least eigenvalue, however it is signed.
    if not MARGIN * p * math.sqrt(np.vdot(inverse, inverse)) * WORSE < 1.0:
        return False
    spread = f.loss / (f.n - p)
    own = f.x * length
    short = MARGIN * float(side.dot(inverse).dot(side)) < ARRIVED**2 * spread
    exact = MARGIN * f.loss <= EXACT * float(own.dot(own))
    if linear or not (short or exact):
        return bool(short or exact)
    return bool((MARGIN * spread * inverse.diagonal() < own * own).all())
