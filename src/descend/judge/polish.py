"""The last steps of a fit by least squares, by J itself, where JᵀJ has no more to say."""

from __future__ import annotations

from typing import Any

import numpy as np

from descend.judge.corners import to_corner
from descend.judge.doubts import eigenvalues
from descend.judge.kinks import kinked, to_kinks
from descend.judge.vertex import to_vertex
from descend.judge.walk import walk_of
from descend.methods.base import FTOL, STATUS
from descend.parameters.flat import flat
from descend.program.arrival import EXACT, near
from descend.run.finished import Facts, Finished
from descend.run.view import on_bounds
from descend.trust.complete import MOST_WITH_ERRORS

__all__ = ["has_arrived", "polished"]

Array = np.ndarray[Any, np.dtype[Any]]

WORSE = 1e-10  # the least eigenvalue of JᵀJ, as a share of the largest, from which J is asked


def polished(run: Finished) -> None:
    """Go on by QR of J where that has more to say, and enter what was found into the run.

    It has where columns of J are nearly parallel; where the method has ended, and its predicted
    step is no small share of the standard errors; and where a parameter has a kink.
    """
    if not _has_squares(run):
        if run.job.beyond is None and not to_vertex(run):
            to_corner(run)
        return
    jtj = run.state()["method/jtj"]
    values = eigenvalues(jtj, np.diagonal(jtj) > 0)
    worse = not values.size or bool(values[0] < WORSE * values[-1])
    arrived = not worse and _has_arrived(run, jtj)
    run.facts = Facts(arrived=arrived)
    ended = run.control.status in STATUS
    if arrived or not values.size or not (worse or ended):
        return
    with np.errstate(all="ignore"):
        _walked(run, ended)


def _walked(run: Finished, ended: bool) -> None:
    state, walk = run.state(), walk_of(run)
    if not np.isfinite(walk.begin):
        return
    count = walk.go()
    arrived = walk.has_arrived()
    kinks: tuple[str, ...] = ()
    if ended and not arrived and kinked(run):
        kinks = to_kinks(walk)
        arrived = bool(kinks) or walk.has_arrived()
    run.facts = Facts(walk.errors(), walk.evaluations, arrived, kinks)
    if not walk.evaluations:
        return
    share = float(state["method/loss"]) / walk.begin if walk.begin > 0 else 1.0 / walk.count
    moved = run.job.moved({**run.leaves(), **walk.leaves(walk.x)})
    state["method/x"][...] = flat(moved)
    state["method/loss"][...] = share * walk.square
    state["method/jtj"][...] = share * (walk.j.T @ walk.j)
    state["method/jtr"][...] = share * (walk.j.T @ walk.r)
    run.control.steps += walk.evaluations
    walk.rest()
    if count and walk.settled:
        run.control.status = FTOL


def _has_squares(run: Finished) -> bool:
    """Whether the run has least squares with JᵀJ in its own units, and nothing has cut it."""
    job, jtj = run.job, run.state().get("method/jtj")
    if job.settings.optimizer.needs != "gauss_newton" or jtj is None or not jtj.size:
        return False
    if run.built.descent.residual is None or job.settings.penalty is not None:
        return False
    if jtj.dtype != np.float64 or len(jtj) > MOST_WITH_ERRORS or not np.isfinite(jtj).all():
        return False
    if job.space is not None and job.space.scales:
        return False
    return run.ending is not None and not run.ending.outside


def _has_arrived(run: Finished, jtj: Array) -> bool:
    """Whether the predicted step is below the limit of arrival, by JᵀJ of full rank."""
    state, space = run.state(), run.job.space
    x, loss = np.asarray(state["method/x"]), float(state["method/loss"])
    varied = {n: a for n, a in run.leaves().items() if space is None or space.varies(n)}
    free = (np.diagonal(jtj) > 0) & ~on_bounds(space, varied)
    assert run.original is not None
    dof = run.original.counted - len(x)
    return has_arrived(jtj, np.asarray(state["method/jtr"]), x, loss, dof, free)


def has_arrived(
    jtj: Array, jtr: Array, x: Array, loss: float, dof: int, free: Array
) -> bool:
    """Whether the predicted step of what is free is below the limit of arrival.

    Args:
        jtj, jtr: (p, p) and (p,) c·JᵀJ and c·Jᵀr of residuals r.
        loss: c·rᵀr.
    """
    if loss <= EXACT * float(np.diagonal(jtj) @ x**2):
        return True
    norms = np.sqrt(np.diagonal(jtj)[free])
    own = jtj[np.ix_(free, free)] / norms[:, None] / norms[None, :]
    inverse = np.linalg.inv(own) if free.any() else own
    step = inverse @ (jtr[free] / norms) / norms
    error = np.sqrt(np.diagonal(inverse) * (loss / dof if dof > 0 else 0.0)) / norms
    return bool(np.all(near(step, error, x[free])))
