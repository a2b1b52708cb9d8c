"""How far a fit can be trusted: what the methods of `Trusted` do."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from descend.differentiate.gauss_newton import jacobian_columns
from descend.errors import UsageError, suggest
from descend.functions import jacobian
from descend.records.band import Band
from descend.records.record import flat_parameters, leaves
from descend.run.predictor import Predictor
from descend.run.view import free_count, on_bounds
from descend.task.checks import check_choice, check_count, check_seed
from descend.task.rows import Rows
from descend.trace.formula import Formula
from descend.trust.bootstrap import (
    KINDS,
    Bootstrap,
    acceleration,
    influences,
    linear_acceleration,
    linear_stretch,
    resample,
)
from descend.trust.complete import Completion
from descend.trust.contour import Contour, contours
from descend.trust.curved import FISHER
from descend.trust.delta import Derived, band, derived
from descend.trust.diagnostics import Diagnostics, diagnose, leverages
from descend.trust.intervals import Interval, Intervals, student_intervals
from descend.trust.profile import profiles
from descend.trust.quantiles import check_level
from descend.trust.refit import refitted
from descend.trust.resampling import drawing
from descend.trust.surface import Surface
from descend.trust.surfaces import Landscape

__all__ = [
    "bands_around",
    "bootstrap",
    "confidence",
    "confidence_band",
    "contour",
    "diagnostics",
    "prediction_band",
    "profile",
    "propagate",
]

Array = np.ndarray[Any, np.dtype[Any]]
NO_FREEDOM = "there is no degree of freedom left: there is no noise to judge it by"
SIGMAS = "give absolute sigmas"
CLOSE = 0.05  # of s²: S may fall so far before the fit counts as not arrived


def confidence(fit: Any, level: float = 0.95, kind: str = "t") -> Intervals:
    """See `Fit.confidence`."""
    level = check_level(level)
    check_choice("kind", kind, ["t", "profile"])
    best = dict(flat_parameters(fit.params))
    if kind == "profile":
        found = fit.profile(level=level)
        entries = {name: Interval(p.low, p.high) for name, p in found.items()}
        notes = tuple(note for p in found.values() for note in p.remarks())
        return Intervals("profile likelihood", level, best, entries, notes)
    covariance, names = _covariance(fit), fit.covariance_names
    error = np.sqrt(np.diag(covariance))
    values = np.array([best[name] for name in names])
    entries = student_intervals(names, values, error, _dof(fit), level)
    word = "Student's t" if math.isfinite(_dof(fit)) else "the normal distribution"
    told = list(fit.findings)
    if not fit.errors_note:
        told += [f'{name} lies on its bound: ask for its interval with kind="profile".'
                 for name, end in zip(names, error, strict=True) if math.isnan(end)]  # fmt: skip
    return Intervals(word, level, best, entries, tuple(told))


def profile(fit: Any, name: str | None = None, level: float = 0.95) -> Any:
    """See `Fit.profile`."""
    level = check_level(level)
    surface = _surface(fit)
    indices = [_index(fit, surface, name)] if name is not None else range(len(surface.names))
    found = profiles(surface, indices, level)
    return found[0] if name is not None else {p.name: p for p in found}


def contour(
    fit: Any, first: str, second: str, levels: float | Sequence[float] = (0.6827, 0.9545),
    points: int = 41,
) -> Contour:  # fmt: skip
    """See `Fit.contour`."""
    given = [levels] if isinstance(levels, float | int) else list(levels)
    checked = [check_level(level) for level in given]
    check_count("points", points)
    surface = _surface(fit)
    i, j = _index(fit, surface, first), _index(fit, surface, second)
    if i == j:
        raise UsageError(
            f'contour needs two parameters, and got "{first}" twice',
            remedy="for one parameter, write fit.profile(…)",
        )
    return contours(surface, i, j, checked, int(points))


def bootstrap(fit: Any, n: int = 1000, kind: str = "residual", seed: int = 0) -> Bootstrap:
    """See `Fit.bootstrap`."""
    check_count("n", n)
    check_choice("kind", kind, KINDS)
    check_seed(seed)
    evidence = _evidence(fit, "bootstrap")
    surface = _surface(fit, likely=False)
    if not surface.dof > 0:
        raise UsageError(NO_FREEDOM, remedy=SIGMAS)
    land = _landscape(fit, evidence)
    loss = land.job.settings.loss
    assert loss is not None
    lost = _undetermined(fit, surface)
    slopes = np.where(surface.held, 0.0, evidence.linear()[1]) if land.squares else None
    drawn = drawing(
        kind, evidence.rows, loss, land.squares, evidence.prediction(),
        None if slopes is None else leverages(slopes), surface.spread,
    )  # fmt: skip
    found = resample(surface, drawn.draw, int(n), int(seed))
    if not found.arrived.any():
        raise UsageError("none of the fits to drawn data arrived", remedy='try kind="residual"')
    if drawn.skewness is not None and slopes is not None:
        out = np.empty((0, len(surface.names)))
        speed = linear_acceleration(slopes, drawn.skewness)
    else:
        weight = evidence.rows.extra.get("sample_weight", np.ones(evidence.rows.n_rows))
        out = influences(surface, weight)
        speed = acceleration(out)
    return Bootstrap(
        kind, int(seed), surface.names, surface.best,
        np.where(lost, math.nan, found.points[found.arrived]),
        int(np.sum(~found.arrived)), out, speed,
        *_scatter(kind, surface, slopes, evidence.rows.n_rows),
        bool(surface.held.any()), tuple(fit.findings) if lost.any() else (),
    )  # fmt: skip


def _undetermined(fit: Any, surface: Surface) -> Array:
    """(p,) what the data do not determine: refits would leave it where they start."""
    if fit.covariance is None and "singular" not in fit.errors_note:
        return np.zeros(len(surface.names), bool)
    if fit.covariance is None:
        return ~surface.held
    known = np.isfinite(np.diag(fit.covariance))
    return np.asarray(~known & ~surface.held)


def _scatter(
    kind: str, surface: Surface, slopes: Array | None, rows: int
) -> tuple[float, Array]:
    """Degrees of freedom of the variance of the draws, and how far their spread falls short.

    Drawn rows take their variance from the rows themselves, whatever the loss and the sigmas.
    """
    one = np.ones(len(surface.names))
    if kind != "case":
        return surface.dof, one
    n, free = surface.count, surface.count - int((surface.lower < surface.upper).sum())
    if free <= 0:
        return math.inf, one
    stretch = math.sqrt(n / free) * one if slopes is None else linear_stretch(slopes)
    return free * rows / n, stretch


def confidence_band(
    fit: Any, x: Any, level: float = 0.95, simultaneous: bool = False
) -> Band:
    """See `Fit.confidence_band`."""
    return _band(fit, x, level, simultaneous, None)


def prediction_band(
    fit: Any, x: Any, level: float = 0.95, simultaneous: bool = False, sigma: Any = None
) -> Band:
    """See `Fit.prediction_band`."""
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
    noise = scale * np.asarray(1.0 if sigma is None else sigma, np.float64)
    return _band(fit, x, level, simultaneous, noise)


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
    _covariance(fit)

    def bands(columns: Any) -> list[Band]:
        inner = confidence_band(fit, columns, checked)
        if fit.sigma_given or fit.errors_from:  # how new observations scatter is not known
            return [inner]
        return [prediction_band(fit, columns, checked), inner]

    return bands


def propagate(
    fit: Any, function: Callable[..., Any] | str, level: float = 0.95
) -> Derived:
    """See `Fit.propagate`."""
    level = check_level(level)
    covariance = _covariance(fit)
    called, name = _of_parameters(fit, function)
    value = np.asarray(called(fit.params), np.float64)
    slopes = _by_every_number(called, fit.params, value.size) @ _expansion(fit)
    return derived(name, value, slopes, covariance, _dof(fit), level)


def diagnostics(fit: Any) -> Diagnostics:
    """See `Fit.diagnostics`."""
    evidence = _evidence(fit, "diagnostics")
    if not _landscape(fit, evidence).squares:
        raise UsageError(
            f"diagnostics judge the residuals of a sum of squares, and the loss is "
            f"{fit.loss_name}",
            remedy='fit with loss="mse"',
        )
    residual, slopes = evidence.linear()
    residual = -residual  # y - fitted, as fit.residuals are
    # What a bound holds follows no row.
    slopes = slopes[:, ~on_bounds(evidence.whole.job.space, evidence.leaves)]
    order, along = _order(evidence.rows, residual.size)
    dof = evidence.rows.counted - free_count(evidence.whole.job.space, evidence.leaves)
    return diagnose(residual, slopes, dof, bool(fit.absolute_sigma), order, along)


# --- what the methods stand on


def _dof(fit: Any) -> float:
    """Degrees of freedom of the errors' scale; infinite where it is known, as of counts it is.

    The sandwich has its scale from the rows, as s² has, whatever the sigmas.
    """
    known = fit.errors_from == FISHER or (fit.absolute_sigma and not fit.errors_from)
    return math.inf if known or fit.dof is None else float(fit.dof)


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


def _covariance(fit: Any) -> Array:
    if fit.covariance is None:
        raise UsageError(
            f"there are no standard errors: {fit.errors_note or 'the descent had not arrived'}",
            remedy="look at print(fit); fit.bootstrap needs none",
        )
    return np.asarray(fit.covariance)


def _evidence(fit: Any, what: str) -> Completion:
    evidence: Completion | None = fit._evidence.completion
    if evidence is None:
        raise UsageError(
            f"{what} needs the data, and a loaded fit has none",
            remedy="fit again with start=fit, which is quick from there",
        )
    return evidence


def _landscape(fit: Any, evidence: Completion) -> Landscape:
    evidence.check_unchanged()
    return Landscape(evidence, fit.bounds)


def _surface(fit: Any, likely: bool = True) -> Surface:
    """The surface at the minimum.

    Raises:
        UsageError: the fit is at no minimum, has no noise, or (`likely`) is of no likelihood.
    """
    land = _landscape(fit, _evidence(fit, "a refit"))
    if likely and not (land.squares or land.is_likelihood):
        raise UsageError(
            f"the loss {fit.loss_name} is no likelihood, so a rise of it has no probability",
            remedy='write fit.bootstrap(kind="case").intervals()',
        )
    surface = land.surface()
    if likely and not surface.spread > 0:
        why = "the fit is exact: there is no noise to judge it by"
        raise UsageError(why if surface.spread == 0 else NO_FREEDOM, remedy=SIGMAS)
    found = refitted(surface, surface.best[None])
    fall = surface.value - float(found.value[0])
    if not found.arrived[0] or fall > CLOSE * surface.spread:
        raise UsageError(
            "the descent had not arrived: uncertainties belong to a minimum",
            remedy="fit on from there: descend.fit(…, start=fit)",
        )
    return replace(surface, best=found.points[0]) if fall > 0 else surface


def _index(fit: Any, surface: Surface, name: str) -> int:
    if name not in surface.names:
        if name in fit.fixed:
            raise UsageError(f"{name} is fixed: it has no interval", remedy="leave it out of fixed")
        if name in fit.ties:
            raise UsageError(
                f"{name} is tied: {name} = {fit.ties[name]}",
                remedy=f'write fit.propagate("{name}"), or profile what it is tied to',
            )
        own = [n for n in surface.names if n.startswith((f"{name}[", f"{name}."))]
        hint = f": it has the numbers {', '.join(own[:6])}" if own else suggest(name, surface.names)
        raise UsageError(
            f'"{name}" is no free number of the fit{hint}',
            remedy=f"the free numbers are {', '.join(surface.names[:12])}",
        )
    return surface.names.index(name)


def _band(
    fit: Any, x: Any, level: float, simultaneous: bool, noise: Array | None
) -> Band:
    level = check_level(level)
    covariance = _covariance(fit)
    if np.isnan(covariance).any() and "singular" in fit.errors_note:
        raise UsageError(f"there is no band: {fit.errors_note}", remedy="fix one of them")
    predictor = fit._evidence.predictor
    if len(predictor.outputs) > 1:
        raise UsageError("bands are for predictions of one array, not of a pair")
    columns = predictor.bind(x)
    fitted = np.asarray(predictor(columns, fit._evidence.leaves), np.float64)
    slopes = _slopes(predictor, columns, fit._evidence.leaves, fitted) @ _expansion(fit)
    if noise is not None and noise.ndim:
        noise = noise.reshape(-1, *(1,) * (fitted.ndim - 1))
    return band(fitted, slopes, covariance, _dof(fit), level, simultaneous, noise)


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


def _order(rows: Rows, n: int) -> tuple[Array | None, str]:
    """Along which column neighbours are neighbours: the only one of numbers, if there is one."""
    inputs = [(name, c) for name, c in rows.columns.items() if c.ndim == 1]
    if len(rows.columns) == 1 and len(inputs) == 1 and rows.n_rows == n:
        name, column = inputs[0]
        return np.argsort(column, kind="stable"), name
    return None, ""
