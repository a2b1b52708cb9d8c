"""The delta method: what the covariance of the parameters says of everything made of them."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from descend.differentiate.gauss_newton import jacobian_columns
from descend.errors import UsageError, suggest
from descend.functions import jacobian
from descend.lean import dataclass
from descend.records.band import Band
from descend.records.record import flat_parameters, leaves
from descend.run.predictor import Predictor
from descend.trace.formula import Formula
from descend.trust.covariance import FISHER, NOT_ARRIVED
from descend.trust.quantiles import check_level, region_factor, student_factor

__all__ = ["Derived", "band", "bands_around", "covariance_of", "derived", "dof_of", "noise_of"]

Array = np.ndarray[Any, np.dtype[Any]]


@dataclass
class Derived:
    """A function of the parameters, with the error that theirs give it.

    Attributes:
        value, stderr: of the function's shape.
        covariance: (m, m) of its m numbers.
        low, high: the interval of `level` by Student's t.
    """

    expression: str
    value: Any
    stderr: Any
    covariance: Array
    level: float
    low: Any
    high: Any

    def __str__(self) -> str:
        if np.ndim(self.value):
            return f"{self.value} ± {self.stderr}"
        return f"{self.value:.7g} ± {self.stderr:.3g}"


# --- what everything here stands on


def covariance_of(fit: Any) -> Array:
    """The covariance of the parameters.

    Raises:
        UsageError: there is none.
    """
    if fit.covariance is None:
        raise UsageError(
            f"there are no standard errors: {fit.errors_note or NOT_ARRIVED}",
            remedy="look at print(fit); fit.bootstrap needs none",
        )
    return np.asarray(fit.covariance)


def dof_of(fit: Any) -> float:
    """Degrees of freedom of the errors' scale; infinite where it is known, as of counts it is.

    The sandwich has its scale from the rows, as s² has, whatever the sigmas.
    """
    known = fit.errors_from == FISHER or (fit.absolute_sigma and not fit.errors_from)
    return math.inf if known or fit.dof is None else float(fit.dof)


def _known(covariance: Array) -> tuple[Array, Array]:
    """(p,) which numbers have an error, and the covariance without those that have none."""
    known = np.isfinite(np.diag(covariance))
    return known, np.where(known[:, None] & known, covariance, 0.0)


def _by_every_number(function: Callable[[Any], Any], params: Any, size: int) -> Array:
    """(size, all numbers) the derivatives of a function of the parameters."""
    whole = dict(leaves(params))
    block = [
        np.asarray(entry, np.float64).reshape(size, np.size(whole[leaf]))
        for leaf, entry in leaves(jacobian(function)(params))
    ]
    return np.concatenate(block, axis=1)


def _expansion(fit: Any) -> Array:
    """(all numbers, those with a covariance): how every number follows those that are varied.

    What is fixed follows none of them; what is tied does as its expression says.
    """
    places: dict[str, list[int]] = {}
    count = 0
    for leaf, value in leaves(fit.params):
        places[leaf] = list(range(count, count + np.size(value)))
        count += np.size(value)
    every = np.zeros((count, len(fit.covariance_names)))
    for row, name in enumerate(name for name, _ in flat_parameters(fit.params)):
        if name in fit.covariance_names:
            every[row, fit.covariance_names.index(name)] = 1.0
    waiting = dict(fit.ties)
    while waiting:
        # A tie comes after those that its expression names.
        name = next(n for n in waiting if not set(Formula.parse(waiting[n]).names) & set(waiting))
        formula = Formula.parse(waiting.pop(name))
        slopes = _by_every_number(formula.evaluate, fit.params, len(places[name]))
        every[places[name]] = slopes @ every
    return every


# --- functions of the parameters


def derived(fit: Any, function: Callable[..., Any] | str, level: float) -> Derived:
    """See `Fit.propagate`."""
    covariance = covariance_of(fit)
    called, name = _of_parameters(fit, function)
    value = np.asarray(called(fit.params), np.float64)
    slopes = _by_every_number(called, fit.params, value.size) @ _expansion(fit)
    known, inner = _known(covariance)
    spread = slopes @ inner @ slopes.T
    error = np.sqrt(np.maximum(np.diag(spread), 0.0)).reshape(value.shape)
    # What depends on a number without an error has none either.
    lost = np.any((slopes != 0) & ~known, axis=1).reshape(value.shape)
    error = np.where(lost, math.nan, error)
    reach = error if lost.all() else student_factor(level, dof_of(fit)) * error
    plain = [float(part) if np.ndim(part) == 0 else part
             for part in (value, error, value - reach, value + reach)]  # fmt: skip
    return Derived(name, plain[0], plain[1], spread, level, plain[2], plain[3])


def _of_parameters(fit: Any, function: Any) -> tuple[Callable[[Any], Any], str]:
    """A function of the dict of parameters, and what to call it."""
    known = list(fit.params)
    if isinstance(function, str):
        formula = Formula.parse(function)
        wrong = [name for name in formula.names if name not in known]
        if wrong:
            raise UsageError(
                f'"{function}" names {wrong[0]}, which is no parameter{suggest(wrong[0], known)}',
                remedy=f"the parameters are {', '.join(known)}",
            )
        return (lambda p: formula.evaluate(p)), function
    if not callable(function):
        raise UsageError(
            f"propagate takes a function of the parameters, not {type(function).__name__}",
            remedy='write fit.propagate("a/b"), or fit.propagate(lambda p: p["a"] / p["b"])',
        )
    name = getattr(function, "__name__", type(function).__name__)
    names = list(inspect.signature(function).parameters)
    if names and all(n in known for n in names):
        return (lambda p: function(**{n: p[n] for n in names})), name
    if len(names) != 1:
        raise UsageError(
            f"{name} takes {', '.join(names) or 'nothing'}, and the parameters are "
            f"{', '.join(known)}",
            remedy="take their names, or one argument for the dict of them",
        )
    return function, name


# --- bands


def band(
    fit: Any, x: Any, level: float, simultaneous: bool = False, noise: Array | None = None
) -> Band:
    """The band of the fitted values; of new observations where there is `noise`.

    Pointwise bands take Student's t. A simultaneous confidence band takes Scheffé's √(p·F(p, ν)),
    and holds at all x; a simultaneous prediction band holds for the m observations asked for, by
    the smaller of √(m·F(m, ν)) and Bonferroni's t. Seber and Wild, "Nonlinear Regression" (1989),
    section 5.4; Scheffé (1959), section 3.5; Lieberman, "Prediction regions for several
    predictions from a single regression line" (1961).

    Args:
        noise: the standard deviation of an observation, one for each row, or one number.
    """
    level = check_level(level)
    covariance, dof = covariance_of(fit), dof_of(fit)
    if np.isnan(covariance).any() and "singular" in fit.errors_note:
        raise UsageError(f"there is no band: {fit.errors_note}", remedy="fix one of them")
    predictor = fit._evidence.predictor
    if len(predictor.outputs) > 1:
        raise UsageError("bands are for predictions of one array, not of a pair")
    columns = predictor.bind(x)
    fitted = np.asarray(predictor(columns, fit._evidence.leaves), np.float64)
    slopes = _slopes(predictor, columns, fit._evidence.leaves, fitted) @ _expansion(fit)
    known, inner = _known(covariance)
    variance = np.einsum("mi,ij,mj->m", slopes, inner, slopes).reshape(fitted.shape)
    m, p, factor = fitted.size, int(known.sum()), student_factor(level, dof)
    if noise is None:
        factor = region_factor(level, p, dof) if simultaneous else factor
    else:
        each = noise.reshape(-1, *(1,) * (fitted.ndim - 1)) if noise.ndim else noise
        variance = variance + np.square(each)
        if simultaneous:
            bonferroni = student_factor(1 - (1 - level) / m, dof)
            factor = min(region_factor(level, m, dof), bonferroni)
    error = np.sqrt(np.maximum(variance, 0.0))
    kind = "confidence" if noise is None else "prediction"
    ends = fitted - factor * error, fitted + factor * error
    return Band(kind, level, simultaneous, fitted, error, *ends)


def noise_of(fit: Any, sigma: Any) -> Array:
    """The standard deviation of new observations.

    Raises:
        UsageError: it is not known, or known already.
    """
    if fit.errors_from:
        raise UsageError(
            f"a prediction band supposes that data scatter normally, and the loss is "
            f"{fit.loss_name}",
            remedy="draw the band of the model itself: fit.confidence_band(x)",
        )
    if fit.sigma_given and sigma is None:
        raise UsageError(
            "the fit had a sigma for each row, and new observations need theirs",
            remedy="write fit.prediction_band(x, sigma=…), one number or one for each row",
        )
    if sigma is not None and not fit.sigma_given:
        raise UsageError(
            "the fit had no sigma: the noise is that of its residuals",
            remedy="leave sigma out",
        )
    scale = 1.0 if fit.absolute_sigma else math.sqrt(fit.reduced_chi2)
    return scale * np.asarray(1.0 if sigma is None else sigma, np.float64)


def bands_around(fit: Any, level: bool | float) -> Callable[[Any], list[Band]]:
    """What gives the bands at rows; the level is 0.95 where it is only True.

    Raises:
        UsageError: there are several inputs, or no standard errors.
    """
    checked = 0.95 if level is True else check_level(level)
    if len(fit.inputs) != 1:
        raise UsageError(
            f"bands are drawn over one input, and there are {len(fit.inputs)}",
            remedy="work them out: fit.confidence_band(x), fit.prediction_band(x)",
        )
    covariance_of(fit)

    def bands(columns: Any) -> list[Band]:
        inner = band(fit, columns, checked)
        if fit.sigma_given or fit.errors_from:  # how new observations scatter is not known
            return [inner]
        return [band(fit, columns, checked, noise=noise_of(fit, None)), inner]

    return bands


def _slopes(
    predictor: Predictor, columns: Mapping[str, Array], values: Mapping[str, Array], fitted: Array
) -> Array:
    """(m, p) the derivatives of a prediction of m numbers, in the user's units."""
    nodes = jacobian_columns(predictor.outputs[0], list(predictor.leaves.values()))
    scaling = predictor.scaling
    bare = None if scaling is None else replace(scaling, target=None)
    found = replace(predictor, outputs=tuple(nodes), scaling=bare)(columns, values)
    parts = [np.broadcast_to(p, fitted.shape).reshape(-1)
             for p in (found if isinstance(found, tuple) else (found,))]  # fmt: skip
    unit = 1.0 if scaling is None else scaling.unit
    return unit * np.stack(parts, axis=1).astype(np.float64)
