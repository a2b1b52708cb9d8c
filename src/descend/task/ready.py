"""Ready models in `fit`: how they are read, where they start, and their components afterwards."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from descend.errors import FormulaError, UsageError
from descend.models.formulas import addends, guess_formula
from descend.models.guess import guess_tree
from descend.models.kind import Given, Values
from descend.models.model import Model
from descend.models.reading import parse_formula
from descend.parameters.space import Space
from descend.task.problem import Problem, function_problem
from descend.task.rows import Rows
from descend.task.start import Start
from descend.trace.formula import Formula

__all__ = ["components_at", "named_again", "ready_problem", "with_guesses"]

Array = np.ndarray[Any, np.dtype[Any]]


def ready_problem(model: Model, x: Any, y: Any, constants: Any = None) -> Problem:
    """Read the call `fit(gaussian() + linear(), x, y)`."""
    problem = function_problem(model.function, x, y, constants)
    problem.name, problem.ready = model.formula, model
    problem.ranges = model.bounds
    return problem


def with_guesses(start: Start, problem: Problem, rows: Rows, space: Space | None) -> Start:
    """The start with guesses from the data for what has none and belongs to a ready model."""
    if problem.ready is None or not start.missing:
        return start
    ties = {} if space is None else space.ties
    known = {n: float(a) for n, a in start.arrays.items() if a.ndim == 0 and n not in ties}
    given = Given(known, {name: _tie(tie, known) for name, tie in ties.items()})
    target = rows.extra["target"]
    values = _guessed(problem.ready, rows.columns, target, given)
    found = {n: np.array(values[n]) for n in start.missing if np.isfinite(values.get(n, np.nan))}
    missing = tuple(name for name in start.missing if name not in found)
    names = "" if len(found) == len(start.names) else ", ".join(found) + " "
    sources = (*start.sources, f"{names}guessed from the data") if found else start.sources
    return start._replace(arrays={**start.arrays, **found}, missing=missing, sources=sources)


def _tie(formula: Formula, known: Mapping[str, float]) -> Callable[[Values], float | None]:
    """The value of a tied parameter by those of others."""

    def value(found: Values) -> float | None:
        values = {**known, **found}
        if not all(name in values for name in formula.names):
            return None
        own = float(np.asarray(formula.evaluate(values)))
        return own if np.isfinite(own) else None

    return value


def _guessed(
    ready: Any, columns: Mapping[str, Array], y: Array, given: Given
) -> dict[str, float]:
    if y.ndim != 1 or any(column.ndim != 1 for column in columns.values()):
        return {}
    if isinstance(ready, Model):
        own = {name: given[name] for name in ready.parameters if name in given}
        data = tuple(columns[name] for name in ready.data)
        return guess_tree(ready.tree, ready.prefixes, data, y, Given(own, given.ties))
    return guess_formula(ready, columns, y, given)


def named_again(text: str, params: Mapping[str, Any]) -> Any:
    """The ready models of a fit that was read from a file, or None if it has none."""
    try:
        formula = parse_formula(text)
    except FormulaError:
        return None
    return formula if formula.own and formula.own <= params.keys() else None


def components_at(
    ready: Any, columns: Mapping[str, Array], params: Mapping[str, Any]
) -> dict[str, Array]:
    """The addends of a sum of ready models, each at all rows; see `Fit.components`."""
    if ready is None:
        raise UsageError(
            "only sums of ready models have components",
            remedy='write the model as descend.models.gaussian() + …, or as "y = gaussian(x) + …"',
        )
    shape = next(iter(columns.values())).shape
    if isinstance(ready, Model):
        parts = {
            label: part.function(
                *(columns[name] for name in part.data), *(params[name] for name in part.parameters)
            )
            for label, part in ready.addends().items()
        }
    else:
        values = {**columns, **params}
        parts = {label: part.evaluate(values) for label, part in addends(ready).items()}
    return {label: np.array(np.broadcast_to(value, shape)) for label, value in parts.items()}
