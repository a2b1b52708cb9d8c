"""The covariance of the parameters, of every loss by one way: H taken apart, and a judgement of it.

H = JᵀJ for a sum of squares, half of the second derivatives of the summed loss for any other.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from descend.compile.triangle import triangle
from descend.graph.blocks import BLOCK, in_tree
from descend.lean import dataclass
from descend.program.arrival import near
from descend.records.record import correlation_of
from descend.trust.words import correlated, hardly_determined, undetermined

__all__ = [
    "FISHER", "MIXED", "MOST_WITH_ERRORS", "NOT_ARRIVED", "NO_SLOPE", "SANDWICH", "Bend", "Errors",
    "Split", "errors_of", "errors_of_information", "split", "stacked", "triangle_of",
    "triangle_of_columns",
]  # fmt: skip

NO_SLOPE = "has no slope along"
NOT_ARRIVED = "the descent had not arrived"
MOST_WITH_ERRORS = 200  # numbers
MIXED = 1e-6  # a parameter this far into an undetermined direction has no error of its own
FAR = 10.0 ** np.arange(-12, 13, 3)  # times a parameter: where it may act, if not here
MANY = 16384  # rows from which on [J r] is made a triangle before anything else
SMALL = 8192  # numbers of a factorisation for which OpenBLAS wakes no other thread

FISHER = "errors from the likelihood's curvature (Fisher's information)"
SANDWICH = "errors from the scatter of the rows (the sandwich of Huber and White)"
NOT_UPWARDS = "the loss is not curved upwards in every direction"
EPS = float(np.finfo(np.float64).eps)

Array = np.ndarray[Any, np.dtype[Any]]


@dataclass(frozen=True)
class Errors:
    """The covariance of the parameters.

    Attributes:
        covariance: (p, p), NaN for parameters without an error; None where there is none at all.
        note: in a few words, why an error is missing.
        findings: what the data leave undetermined, in sentences.
        source: where they come from, if not from a sum of squares.
        lost: the numbers that take part in what is not determined.
    """

    covariance: Array | None
    note: str = ""
    findings: tuple[str, ...] = ()
    source: str = ""
    lost: tuple[str, ...] = ()


class Bend(NamedTuple):
    """How a loss that is no sum of squares bends along the parameters.

    Attributes:
        curvature: (p, p) H.
        scatter: (p, p) Σ gᵢ²JᵢJᵢᵀ; None for a likelihood, whose scatter follows from H.
    """

    curvature: Array
    scatter: Array | None


@np.errstate(all="ignore")
def errors_of(
    jacobian: Array, slope: Array, params: Array, names: list[str],
    spread: float | None, held: Array | None = None, same: Callable[[Array], bool] | None = None,
    arrived: bool | None = None, bend: Bend | None = None, count: int | None = None,
) -> Errors:  # fmt: skip
    """The covariance H⁻¹·spread; of losses with a scatter H⁻¹·scatter·H⁻¹·n/(n - p).

    It is given only at a minimum: where the predicted step is below 1 % of every standard error
    (or within rounding of the parameter). A parameter that the data do not determine, or that a
    bound holds, has NaN; the others' errors are given all the same.

    Args:
        jacobian: (n, p) derivatives of the scaled residuals; of the prediction with a `bend`.
        slope: (n,) scaled residuals; half of the derivatives of each entry's loss.
        params: (p,) the parameters.
        spread: s² = chi²/dof, or 1 if the sigmas are absolute; ½ for a likelihood; None where no
            degree of freedom is left.
        held: (p,) which of them a bound keeps from going on.
        same: whether other parameters (p,) predict the same; what is said of them is tried by it.
        arrived: whether the end has been judged to be a minimum; None to judge it here.
        count: how many rows were combined to those of jacobian and slope, if some were.

    Golub and Van Loan, "Matrix Computations" (2013), section 5.3: by QR and the SVD of R, with
    columns scaled to length one so that units do not matter. Many rows are first turned into a
    triangle block by block; lengths and angles of the columns stay as they are. An H of its own is
    inverted in what J determines.
    """
    p = jacobian.shape[1]
    n = len(jacobian) if count is None else count
    if bend is None and len(jacobian) > MANY:
        reduced = triangle_of(jacobian, slope)
        jacobian, slope = reduced[:, :p], reduced[:, p]
    if not (np.isfinite(jacobian).all() and np.isfinite(slope).all()):
        what = "residuals" if bend is None else "losses"
        return Errors(None, f"the {what} or their derivatives are not finite")
    if spread is None:
        return Errors(None, f"{n} values leave no degree of freedom for {p} parameters")
    idle = np.sum(jacobian**2, axis=0) == 0
    free = np.flatnonzero(~idle & (True if held is None else ~held))
    notes = _idle_notes(np.flatnonzero(idle), params, names, same)
    if not free.size:
        return Errors(None, "; ".join(notes) or "every parameter lies on a bound")
    if bend is not None:
        at = np.ix_(free, free)
        bend = Bend(bend.curvature[at], None if bend.scatter is None else bend.scatter[at])
    inner = _inner(
        jacobian[:, free], slope, params[free], [names[i] for i in free], spread, n,
        _among(same, params, free), arrived, bend,
    )  # fmt: skip
    findings = (*(_sentence(note) for note in notes), *inner.findings)
    notes += [inner.note] if inner.note else []
    note = "; ".join(notes)
    if inner.covariance is None:
        return Errors(None, note, findings, lost=inner.lost)
    covariance = np.full((p, p), math.nan)
    covariance[np.ix_(free, free)] = inner.covariance
    source = "" if bend is None else FISHER if bend.scatter is None else SANDWICH
    return Errors(covariance, note, findings, source, inner.lost)


def errors_of_information(
    information: Array, gradient: Array, params: Array, names: list[str], held: Array | None = None,
    same: Callable[[Array], bool] | None = None, arrived: bool | None = None,
) -> Errors:  # fmt: skip
    """The covariance of a likelihood: the inverse of its information.

    Args:
        information: (p, p) the second derivatives of its negative logarithm, or what is expected
            of them. gradient: (p,) the first ones.
        params, names, held, same, arrived: as those of `errors_of`.

    >>> found = errors_of_information(np.diag([4.0, 1.0]), np.zeros(2), np.ones(2), ["a", "b"])
    >>> np.sqrt(np.diag(found.covariance))
    array([0.5, 1. ])
    """
    if not (np.isfinite(information).all() and np.isfinite(gradient).all()):
        return Errors(None, "the likelihood's derivatives are not finite")
    size = np.sqrt(np.abs(np.diag(information)))
    scale = np.where(size > 0, size, 1.0)
    values, vectors = np.linalg.eigh(information / np.outer(scale, scale))
    if values[0] < -values[-1] * np.sqrt(EPS):
        return Errors(None, NOT_UPWARDS)
    # A root of it stands for a Jacobian: what it does not determine, the likelihood does not.
    least = values[-1] * EPS * len(values)
    roots = np.sqrt(np.where(values > least, values, 0.0))
    jacobian = (roots[:, None] * vectors.T) * scale
    slope = (vectors.T @ (gradient / scale)) / np.where(roots > 0, roots, 1.0)
    bend = Bend(information, None)
    return errors_of(jacobian, slope, params, names, 1.0, held, same, arrived, bend)


def triangle_of(jacobian: Array, residual: Array) -> Array:
    """The triangle R of a QR factorisation of [J r], (p + 1, p + 1), from blocks that fit a cache.

    Demmel, Grigori, Hoemmen and Langou, "Communication-optimal parallel and sequential QR and LU
    factorizations" (2012): as stable as the factorisation of the whole.

    Args:
        jacobian: (n, p), best in Fortran's order.
        residual: (n,).

    >>> x = np.linspace(0, 1, 5000)
    >>> r = triangle_of(np.stack([np.ones(5000), x], 1), x**2)
    >>> r.shape, bool(np.isclose(r[:, 0] @ r[:, 1], np.sum(x)))
    ((3, 3), True)
    """
    n = len(jacobian)
    if n > BLOCK:
        parts = (slice(begin, begin + BLOCK) for begin in range(0, n, BLOCK))
        return np.asarray(
            in_tree((triangle_of(jacobian[i], residual[i]) for i in parts), stacked)
        )
    return triangle_of_columns([*jacobian.T, residual])


def triangle_of_columns(columns: Sequence[Array]) -> Array:
    """The same of the columns of a block, each (n,)."""
    if len(columns[0]) > max(len(columns), SMALL // len(columns)):
        return triangle(columns)
    return np.asarray(np.linalg.qr(np.stack(columns, 1), mode="r"))


def stacked(above: Array, below: Array) -> Array:
    """The triangle of the rows of two."""
    return triangle_of_columns([*np.concatenate([above, below]).T])


class Split(NamedTuple):
    """J with columns of length one and r, taken apart by the singular values of J.

    Attributes:
        singular, vt: (p,) and (p, p) the singular values and right vectors of J.
        known: (p,) which of them are more than rounding.
        side: (p,) Jᵀr.
    """

    singular: Array
    vt: Array
    known: Array
    side: Array

    def errors(self, spread: float) -> Array:
        """(p,) standard errors of the scaled numbers, for the variance s² of the residuals."""
        return np.asarray(np.sqrt(np.sum((self.vt.T * self.inverse) ** 2, axis=1) * spread))

    @property
    def solution(self) -> Array:
        """(p,) (JᵀJ)⁻¹Jᵀr."""
        return np.asarray((self.vt.T * self.inverse**2) @ (self.vt @ self.side))

    @property
    def inverse(self) -> Array:
        """(p,) the reciprocals of the singular values; 0 of those that are rounding."""
        return np.where(self.known, 1.0, 0.0) / np.where(self.known, self.singular, 1.0)


def split(scaled: Array, residual: Array, n: int) -> Split:
    """Take J and r apart, by QR and the singular values of R.

    Args:
        scaled: (rows, p) J with columns of length one; p may not be 0.
        residual: (rows,).
        n: how many rows there were before any were combined: they decide what is rounding.

    >>> found = split(np.eye(3)[:, :2], np.array([1.0, 2.0, 3.0]), 3)
    >>> found.singular, found.known, found.vt.T @ (found.vt @ found.side)
    (array([1., 1.]), array([ True,  True]), array([1., 2.]))
    """
    p = scaled.shape[1]
    whole = triangle_of_columns([*scaled.T, residual])
    _, singular, vt = np.linalg.svd(whole[:, :p])
    singular = np.concatenate([singular, np.zeros(p - len(singular))])
    known = singular > singular[0] * EPS * max(n, p)
    return Split(singular, vt, known, whole[:, :p].T @ whole[:, p])


def _inverted(matrix: Array) -> Array | None:
    """The inverse of (p, p) H; None where it is not positive in every direction."""
    scale = np.sqrt(np.diag(matrix))
    if not np.all(scale > 0):
        return None
    values, vectors = np.linalg.eigh(matrix / np.outer(scale, scale))
    if not values[0] > values[-1] * EPS * len(values):
        return None
    return np.asarray((vectors / values) @ vectors.T / np.outer(scale, scale))


def _among(
    same: Callable[[Array], bool] | None, params: Array, free: Array
) -> Callable[[Array], bool] | None:
    """The same question, asked of the free parameters alone."""
    if same is None:
        return None

    def asked(moved: Array) -> bool:
        whole = np.array(params)
        whole[free] = moved
        return same(whole)

    return asked


def _idle_notes(
    idle: Array, params: Array, names: Sequence[str], same: Callable[[Array], bool] | None
) -> list[str]:
    """What is said of parameters whose column of J is zero: idle everywhere, or only here."""
    here: list[str] = []
    everywhere: list[str] = []
    for i in idle:
        moves = np.repeat(params[None, :], 2 * len(FAR), axis=0)
        moves[:, i] = np.concatenate([FAR, -FAR]) * (abs(params[i]) or 1.0)
        is_idle = same is None or all(same(moved) for moved in moves)
        (everywhere if is_idle else here).append(names[i])
    found = []
    if everywhere:
        found.append(f"the prediction does not depend on {', '.join(everywhere)}")
    if here:
        found.append(f"at this place the prediction {NO_SLOPE} {', '.join(here)}")
    return found


def _sentence(note: str) -> str:
    remedy = "leave it out of the model, or fix it"
    if NO_SLOPE in note:
        remedy = "begin elsewhere, nearer to where it acts"
    return f"{note[0].upper()}{note[1:]}: {remedy}."


def _inner(
    jacobian: Array, slope: Array, params: Array, names: list[str], spread: float, n: int,
    same: Callable[[Array], bool] | None, arrived: bool | None, bend: Bend | None,
) -> Errors:  # fmt: skip
    """The covariance of the parameters that are free, of n residuals."""
    scale = np.sqrt(np.sum(jacobian**2, axis=0))
    parts = split(jacobian / scale, slope, n)
    singular, vt, known, _ = parts
    if bend is None:
        covariance = (vt.T * parts.inverse**2) @ vt / np.outer(scale, scale) * spread
        step = parts.solution / scale
    else:
        # What J does not determine, H does not either; rounding may say otherwise.
        basis = np.eye(len(scale)) if known.all() else vt[known].T / scale[:, None]
        inner = _inverted(basis.T @ bend.curvature @ basis)
        if inner is None:
            return Errors(None, NOT_UPWARDS)
        covariance = basis @ inner @ basis.T
        step = covariance @ (jacobian.T @ slope)
        if bend.scatter is None:
            covariance = covariance * spread
        else:
            covariance = covariance @ bend.scatter @ covariance * (n / (n - np.sum(known)))
    covariance = (covariance + covariance.T) / 2
    error = np.sqrt(np.diag(covariance))
    if not (np.all(near(step, error, params)) if arrived is None else arrived):
        return Errors(None, NOT_ARRIVED)
    if not known.all():
        return _singular(covariance, vt[~known].T, scale, params, names, same)
    if bend is not None:
        return Errors(covariance)
    vague = hardly_determined(singular, vt, params, error, names)
    return Errors(covariance, "", (*vague, *correlated(correlation_of(covariance), names)))


def _singular(
    covariance: Array, null: Array, scale: Array, params: Array, names: list[str],
    same: Callable[[Array], bool] | None,
) -> Errors:  # fmt: skip
    """What is left where some directions are not determined."""
    lost = np.sqrt(np.sum(null**2, axis=1)) > MIXED
    covariance = np.where(lost[:, None] | lost, math.nan, covariance)
    tied = tuple(name for name, missing in zip(names, lost, strict=True) if missing)
    note = f"the covariance is singular: the data do not determine {', '.join(tied)}"
    findings = undetermined(null / scale[:, None], params, names, same)
    return Errors(None if lost.all() else covariance, note, tuple(findings), lost=tied)
