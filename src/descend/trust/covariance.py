"""What the residuals at the end say: goodness of fit, covariance, standard errors."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from descend.lean import dataclass
from descend.program.arrival import near
from descend.trust.words import correlated, hardly_determined, undetermined

__all__ = [
    "MIXED", "NOT_ARRIVED", "NO_SLOPE", "Errors", "Goodness", "Split", "errors_of", "goodness",
    "lost_errors", "split", "spread_of", "weights_of",
]  # fmt: skip

NO_SLOPE = "has no slope along"
NOT_ARRIVED = "the descent had not arrived"
MIXED = 1e-6  # a parameter this far into an undetermined direction has no error of its own
FAR = 10.0 ** np.arange(-12, 13, 3)  # times a parameter: where it may act, if not here
LEAF, LEAVES = 1024, 16  # rows of one small factorisation, and how many are made in one call

Array = np.ndarray[Any, np.dtype[Any]]


@dataclass(frozen=True)
class Goodness:
    """Numbers that judge a fit by its residuals; chi² has its sigmas and weights in it."""

    chi2: float
    reduced_chi2: float
    dof: int
    r2: float
    aic: float
    aicc: float
    bic: float


@dataclass(frozen=True)
class Errors:
    """The covariance of the parameters.

    Attributes:
        covariance: (p, p), NaN for parameters without an error; None where there is none at all.
        note: in a few words, why an error is missing.
        findings: what the data leave undetermined, in sentences.
        lost: the numbers that take part in what is not determined.
    """

    covariance: Array | None
    note: str = ""
    findings: tuple[str, ...] = ()
    lost: tuple[str, ...] = ()


@np.errstate(all="ignore")
def goodness(
    residual: Array, y: Array, weight: Array | None, p: int, count: int | None = None
) -> Goodness:
    """Judge a fit of p numbers by its scaled residuals (any shape).

    aic = n·ln(chi²/n) + 2p and bic = n·ln(chi²/n) + p·ln(n), as lmfit has them (Akaike 1974,
    Schwarz 1978); aicc = aic + 2p(p + 1)/(n - p - 1) (Hurvich and Tsai 1989);
    r2 = 1 - chi² / Σ w·(y - mean)², the mean weighted alike.

    Args:
        weight: what multiplies the squares, shaped like y or (rows,); None for ones.
        count: n, where some residuals do not count.

    >>> g = goodness(np.array([1.0, -1.0, 0.0]), np.array([1.0, 2.0, 3.0]), None, 1)
    >>> g.chi2, g.reduced_chi2, g.dof, g.r2
    (2.0, 1.0, 2, 0.0)
    """
    n = residual.size if count is None else count
    chi2 = float(np.sum(np.square(residual, dtype=np.float64)))
    dof = n - p
    spread = spread_of(y, weights_of(weight, y))
    level = chi2 / n  # of the smallest numbers this is zero
    log = n * math.log(level) if level > 0 else math.nan if math.isnan(level) else -math.inf
    small = 2 * p * (p + 1) / (dof - 1) if dof > 1 else math.nan
    return Goodness(
        chi2,
        chi2 / dof if dof > 0 else math.nan,
        dof,
        1 - chi2 / spread if spread > 0 else math.nan,
        log + 2 * p,
        log + 2 * p + small,
        log + p * math.log(n),
    )


def weights_of(weight: Array | None, y: Array) -> Array:
    """What multiplies the square of each number of y, of one weight a row; ones where None."""
    if weight is None:
        return np.ones(y.shape)
    return np.broadcast_to(weight.reshape(weight.shape + (1,) * (y.ndim - weight.ndim)), y.shape)


def spread_of(y: Array, w: Array) -> float:
    """The weighted squares about the mean: what a constant leaves."""
    total = np.sum(w)
    mean = np.sum(w * y) / total if total > 0 else math.nan
    return float(np.sum(w * (y - mean) ** 2))


def errors_of(
    jacobian: Array, residual: Array, params: Array, dof: int, absolute: bool, names: list[str],
    held: Array | None = None, same: Callable[[Array], bool] | None = None,
    arrived: bool | None = None,
) -> Errors:  # fmt: skip
    """The covariance (JᵀJ)⁻¹·s², with s² = chi²/dof, or 1 if the sigmas are absolute.

    It is given only at a minimum: where the predicted Gauss–Newton step is below 1 % of every
    standard error (or within rounding of the parameter). A parameter that the data do not
    determine, or that a bound holds, has NaN; the others' errors are given all the same.

    Args:
        jacobian: (n, p) derivatives of the scaled residuals.
        residual: (n,) scaled residuals.
        params: (p,) the parameters.
        held: (p,) which of them a bound keeps from going on.
        same: whether other parameters (p,) predict the same; what is said of them is tried by it.
        arrived: whether the end has been judged to be a minimum; None to judge it here.

    Golub and Van Loan, "Matrix Computations" (2013), section 5.3: by QR and the SVD of R, with
    columns scaled to length one so that units do not matter. Many rows are first turned into a
    triangle block by block; lengths and angles of the columns stay as they are.
    """
    n, p = jacobian.shape
    if n > LEAF * LEAVES > p * LEAVES:
        reduced = triangle_of(jacobian, residual)
        jacobian, residual = reduced[:, :p], reduced[:, p]
    if not (np.isfinite(jacobian).all() and np.isfinite(residual).all()):
        return Errors(None, "the residuals or their derivatives are not finite")
    if dof <= 0 and not absolute:
        return Errors(None, f"{n} values leave no degree of freedom for {p} parameters")
    spread = 1.0 if absolute else float(residual @ residual) / dof
    scale = np.sqrt(np.sum(jacobian**2, axis=0))
    idle = scale == 0
    free = np.flatnonzero(~idle & (True if held is None else ~held))
    notes = _idle_notes(np.flatnonzero(idle), params, names, same)
    if not free.size:
        return Errors(None, "; ".join(notes) or "every parameter lies on a bound")
    inner = _inner(
        jacobian[:, free] / scale[free], residual, scale[free], params[free],
        [names[i] for i in free], spread, n, _among(same, params, free), arrived,
    )  # fmt: skip
    findings = (*(_sentence(note) for note in notes), *inner.findings)
    notes += [inner.note] if inner.note else []
    if inner.covariance is None:
        return Errors(None, "; ".join(notes), findings)
    covariance = np.full((p, p), math.nan)
    covariance[np.ix_(free, free)] = inner.covariance
    return Errors(covariance, "; ".join(notes), findings)


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
    n, p = jacobian.shape
    found = []
    for begin in range(0, n, LEAF * LEAVES):
        part = slice(begin, begin + LEAF * LEAVES)
        block = np.column_stack([jacobian[part], residual[part]])
        whole = len(block) // LEAF * LEAF
        found.append(_triangles(block[:whole].reshape(-1, LEAF, p + 1)).reshape(-1, p + 1))
        found.append(block[whole:])
    return _triangles(np.concatenate(found))


def _triangles(blocks: Array) -> Array:
    return np.asarray(np.linalg.qr(blocks, mode="r"))


class Split(NamedTuple):
    """J with columns of length one and r, taken apart by QR and the singular values of R.

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
    def inverse(self) -> Array:
        """(p,) the reciprocals of the singular values; 0 of those that are rounding."""
        return np.where(self.known, 1.0, 0.0) / np.where(self.known, self.singular, 1.0)


def split(scaled: Array, residual: Array, n: int) -> Split:
    """Take J and r apart.

    Args:
        scaled: (rows, p) J with columns of length one; p may not be 0.
        residual: (rows,).
        n: how many rows there were before any were combined: they decide what is rounding.

    >>> found = split(np.eye(3)[:, :2], np.array([1.0, 2.0, 3.0]), 3)
    >>> found.singular, found.known, found.vt.T @ (found.vt @ found.side)
    (array([1., 1.]), array([ True,  True]), array([1., 2.]))
    """
    p = scaled.shape[1]
    triangle = _triangles(np.column_stack([scaled, residual]))
    _, singular, vt = np.linalg.svd(triangle[:, :p])
    singular = np.concatenate([singular, np.zeros(p - len(singular))])
    known = singular > singular[0] * np.finfo(np.float64).eps * max(n, p)
    return Split(singular, vt, known, triangle[:, :p].T @ triangle[:, p])


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
    scaled: Array, residual: Array, scale: Array, params: Array, names: list[str], spread: float,
    n: int, same: Callable[[Array], bool] | None, arrived: bool | None,
) -> Errors:  # fmt: skip
    """The covariance of the parameters that are free, of n residuals."""
    parts = split(scaled, residual, n)
    singular, vt, known, side = parts
    inverse = parts.inverse
    covariance = (vt.T * inverse**2) @ vt / np.outer(scale, scale) * spread
    step = (vt.T * inverse**2) @ (vt @ side) / scale
    error = np.sqrt(np.diag(covariance))
    if not (np.all(near(step, error, params)) if arrived is None else arrived):
        return Errors(None, NOT_ARRIVED)
    if not known.all():
        return lost_errors(covariance, vt[~known].T, scale, params, names, same)
    with np.errstate(all="ignore"):
        correlation = covariance / np.outer(error, error)
    vague = hardly_determined(singular, vt, params, error, names)
    return Errors(covariance, "", (*vague, *correlated(correlation, names)))


def lost_errors(
    covariance: Array, null: Array, scale: Array, params: Array, names: list[str],
    same: Callable[[Array], bool] | None,
) -> Errors:  # fmt: skip
    """What is left where some directions are not determined."""
    lost = np.sqrt(np.sum(null**2, axis=1)) > MIXED
    covariance = np.where(lost[:, None] | lost, math.nan, covariance)
    tied = tuple(name for name, missing in zip(names, lost, strict=True) if missing)
    note = f"the covariance is singular: the data do not determine {', '.join(tied)}"
    findings = undetermined(null / scale[:, None], params, names, same)
    return Errors(None if lost.all() else covariance, note, tuple(findings), tied)
