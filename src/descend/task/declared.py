"""Where parameters begin and what binds them: `start`, `fixed`, `bounds` and `ties` together."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from descend.errors import DescendError, UsageError
from descend.models.reading import parse_formula
from descend.parameters.declare import Declared, Parameter, declared
from descend.parameters.reading import (
    Wishes,
    number_names,
    parsed_ties,
    read_wishes,
    space_of,
)
from descend.parameters.space import Space
from descend.task.problem import Problem, formula_problem, function_problem
from descend.task.start import Start, as_mapping, given_start, leaves_of
from descend.trace.formula import Formula

__all__ = [
    "Begun", "begin", "bonds_of", "bound_pairs", "check_inside", "fixed_names", "problem_of",
    "settled",
]  # fmt: skip

Array = np.ndarray[Any, np.dtype[Any]]


class Begun(NamedTuple):
    """A problem with its start and its space; None where every parameter is varied as it is."""

    problem: Problem
    start: Start
    space: Space | None


def problem_of(
    model: Any, x: Any, y: Any, options: Any, known: Array | None = None
) -> Problem:
    """Read a model, whatever it is, with its data.

    Args:
        options: `constants`, and for formulas what decides which names are parameters.
        known: values that the target has besides, in rows that are not among these.

    Raises:
        UsageError: it is no model, or its names do not agree with the data.
    """
    if isinstance(model, str | Formula):
        return formula_problem(model, x, y, _model_starts(model, options), options.params)
    from descend.models.model import Model

    if isinstance(model, Model):
        from descend.task.ready import ready_problem

        return ready_problem(model, x, y, options.constants)
    if hasattr(model, "as_layer"):  # a network, whose module is not imported to ask
        from descend.task.networks import network_problem

        return network_problem(model, x, y, options, known)
    if not callable(model):
        raise UsageError(
            f"the model is a function, a formula or a network, not {type(model).__name__}",
            remedy="write networks.Sequential(…) of layers, or networks.mlp([…]) of sizes"
            if isinstance(model, list | tuple)
            else 'write def model(x, a, b): …, or "y = a*x + b"',
        )
    return function_problem(model, x, y, options.constants)


def _model_starts(formula: str | Formula, options: Any) -> Any:
    """The start values without those that only ties use, which the formula does not name."""
    start = options.start
    if not isinstance(start, Mapping):
        return start
    found = read_wishes(declared(start), options.fixed, options.bounds, options.ties)
    if not found.ties:
        return start
    read = parse_formula(formula) if isinstance(formula, str) else formula
    used = {name for tie in found.ties.values() for name in tie.names} - {*read.names}
    return {name: value for name, value in start.items() if name not in used}


def bonds_of(earlier: Any, fixed: Any, bounds: Any, ties: Any) -> tuple[Any, Any, Any, Any]:
    """What binds the parameters of a run that is resumed: as before, where nothing else is said.

    Returns:
        fixed, bounds, ties and scales; the scales are always as before.
    """
    scales = getattr(earlier, "scaled", None)
    if fixed is not None or bounds is not None or ties is not None:
        return fixed, bounds, ties, scales
    first, second, third = (getattr(earlier, name, None) for name in ("fixed", "bounds", "ties"))
    return first or None, second or None, third or None, scales


def settled(start: Start, space: Space | None) -> Start:
    """A start that was found, within the bounds and with the tied parameters worked out."""
    if space is None:
        return start
    arrays = {leaf: space.inside(leaf, array) for leaf, array in start.arrays.items()}
    if not start.missing:
        arrays = space.completed(arrays)
    return start._replace(arrays=arrays)


def _check_shapes(start: Start, problem: Problem) -> None:
    """Refuse parameters of another shape than the layers of a network draw."""
    if problem.network is None:
        return
    for name, drawn in problem.defaults.items():
        if name in start.arrays and start.arrays[name].shape != drawn.shape:
            raise UsageError(
                f"{name} starts with the shape {start.arrays[name].shape}, and {problem.name} has "
                f"{drawn.shape} there for these columns and this target",
                remedy="start from a network of the same layers, or leave this one out of start",
            )


def begin(
    problem: Problem, start: Any, fixed: Any = None, bounds: Any = None, ties: Any = None,
    scales: Mapping[str, str] | None = None,
) -> Begun:  # fmt: skip
    """Read the start values with everything that was said of the parameters.

    Parameters of ties that the model does not have are varied too, if they have a start.

    Raises:
        UsageError: unknown names, a start outside of its bounds, ties that do not work out, ….
    """
    values, origin = as_mapping(start)
    by_default = {n: v for n, v in problem.defaults.items() if isinstance(v, Parameter)}
    said = declared(by_default)
    defaults = {n: v for n, v in problem.defaults.items() if n not in by_default} | said.values
    given = declared(values)
    _join(said, given)
    said.scales.update(scales or {})
    _add_ranges(said, problem.ranges, bounds, ties)
    wishes = read_wishes(said, fixed, bounds, ties)
    if not wishes:
        own = given_start(
            problem.parameters, (given.values, origin), defaults, problem.columns, problem.begins
        )
        _check_shapes(own, problem)
        return Begun(problem, own, None)
    used = [name for formula in wishes.ties.values() for name in formula.names]
    known = {*problem.parameters, *problem.columns}
    new = dict.fromkeys(n for n in used if n in given.values and n not in known)
    problem = replace(problem, parameters=(*problem.parameters, *new))
    held = {name: value for name, value in wishes.fixed.items() if value is not None}
    _check_held(held, given.values, problem.parameters)
    free = {n: v for n, v in {**given.values, **held}.items() if n not in wishes.ties}
    rest = {n: v for n, v in defaults.items() if n not in wishes.ties}
    own = given_start(
        problem.parameters, (free, origin or "given"), rest, problem.columns, problem.begins
    )
    _check_shapes(own, problem)
    space = space_of(wishes, own.names, own.arrays, problem.columns)
    own = _with_ties(own, space, given.values if isinstance(start, Mapping) else {})
    _check_fixed(own, space, wishes)
    for leaf, array in own.arrays.items():
        check_inside(space, leaf, array)
    return Begun(problem, own, space)


def _add_ranges(
    said: Declared, ranges: Mapping[str, tuple[float, float]], bounds: Any, ties: Any
) -> None:
    """The bounds of ready models, for parameters of which nothing else is said."""
    if bounds is not None and not isinstance(bounds, Mapping):
        return
    spoken = {*said.bounds, *said.ties, *(bounds or ()), *parsed_ties(ties)}
    said.bounds.update({name: pair for name, pair in ranges.items() if name not in spoken})


def _check_held(
    held: Mapping[str, Any], values: Mapping[str, Any], parameters: Iterable[str]
) -> None:
    """Refuse fixed values of what starts in another form, of parts of parameters, and of layers."""
    for name, value in held.items():
        if any(p.startswith(f"{name}.") for p in parameters):
            raise UsageError(
                f"fixed gives {name} the value {value!r}, and it is a layer of several parameters",
                remedy=f'write fixed=["{name}"] to keep them where they start',
            )
        owner = next((p for p in values if p != name and name.startswith((f"{p}.", f"{p}["))), None)
        if name not in values and owner is not None:
            raise UsageError(
                f"fixed gives {name} the value {value!r}, and it is a part of {owner}",
                remedy=f'give the value in start, and write fixed=["{name}"]',
            )
        if name in values and _form(name, value) != _form(name, values[name]):
            raise UsageError(
                f"fixed gives {name} as {value!r}, and its start is of another form",
                remedy=f'give the value in start, and write fixed=["{name}"]',
            )


def _form(name: str, value: Any) -> dict[str, tuple[int, ...]]:
    return {leaf: array.shape for leaf, array in leaves_of({name: value})[0].items()}


def _join(said: Declared, given: Declared) -> None:
    """What is declared with the start goes before what the model's defaults declare."""
    said.fixed = [*dict.fromkeys([*said.fixed, *given.fixed])]
    for own, other in (
        (said.bounds, given.bounds), (said.ties, given.ties), (said.scales, given.scales),
    ):  # fmt: skip
        own.update(other)  # type: ignore[arg-type]


def _with_ties(start: Start, space: Space, given: Mapping[str, Any]) -> Start:
    """The start with the tied parameters worked out, as far as the others are known."""
    if not space.ties:
        return start
    missing = tuple(n for n in start.missing if n not in space.ties)
    known = {**{name: np.ones(()) for name in missing}, **start.arrays}
    try:
        whole = space.completed({n: a for n, a in known.items() if n not in space.ties})
    except (ValueError, DescendError) as error:
        ties = ", ".join(f"{name} = {formula.text}" for name, formula in space.ties.items())
        raise UsageError(f"the ties ({ties}) do not work out: {error}") from error
    arrays = {**start.arrays, **{name: whole[name] for name in space.ties}}
    for name, formula in space.ties.items():
        if not missing and not np.isfinite(arrays[name]).all():
            raise UsageError(
                f"the tie {name} = {formula.text} gives {arrays[name]} at the start",
                remedy="begin where it is a finite number",
            )
        if name in given and not missing:
            _check_same(name, formula.text, given[name], arrays[name])
    names = {n: start.names[n] for n in start.names}
    return start._replace(arrays=arrays, names=names, missing=missing)


def _check_same(name: str, text: str, given: Any, tied: Array) -> None:
    """Refuse a start of a tied parameter that contradicts its tie."""
    own = next(iter(leaves_of({name: given})[0].values()))
    if own.shape != tied.shape or not np.allclose(own, tied, rtol=1e-9, atol=0):
        raise UsageError(
            f"{name} starts at {given!r}, and its tie {name} = {text} gives {_short(tied)}",
            remedy=f"leave out the start of {name}",
        )


def _check_fixed(start: Start, space: Space, wishes: Wishes) -> None:
    for name in start.missing:
        if name in space.fixed:
            raise UsageError(
                f"{name} is fixed and has no value",
                remedy=f'write fixed={{"{name}": 1.0}}, or give it a start',
            )


def check_inside(space: Space, leaf: str, array: Array) -> None:
    """Refuse a start that is outside of its bounds, or off its scale.

    >>> space = Space(lower={"a": np.array(0.0)}, upper={"a": np.array(3.0)})
    >>> check_inside(space, "a", np.array(5.0))
    Traceback (most recent call last):
    descend.errors.UsageError: a starts at 5, outside its bounds 0 to 3
      do: start it between them, or widen the bounds
    """
    verb = "is fixed at" if leaf in space.fixed else "starts at"
    scale = space.scales.get(leaf)
    if leaf in space.lower:
        low, high = space.lower[leaf], space.upper[leaf]
        k = _first(~((low <= array) & (array <= high)))
        if k is not None:
            name, value = number_names(leaf, array.shape)[k], array.flat[k]
            raise UsageError(
                f"{name} {verb} {value:g}, {_outside(value, low.flat[k], high.flat[k])}",
                remedy="start it between them, or widen the bounds",
            )
        k = _first(~((low < array) & (array < high)))
        if scale == "logit" and k is not None:
            name = number_names(leaf, array.shape)[k]
            raise UsageError(
                f"{name} {verb} {array.flat[k]:g}, on its bound, which a logit scale cannot reach",
                remedy="start it between the bounds",
            )
    k = _first(~(array > 0)) if scale == "log" else None
    if k is not None:
        raise UsageError(
            f"{number_names(leaf, array.shape)[k]} {verb} {array.flat[k]:g}, and a log scale "
            "holds positive numbers",
            remedy='start it above 0, or leave out scale="log"',
        )


def _first(wrong: Array) -> int | None:
    found = np.flatnonzero(wrong)
    return int(found[0]) if found.size else None


def _outside(value: float, low: float, high: float) -> str:
    if np.isinf(low) or np.isinf(high):
        return f"below its bound {low:g}" if value < low else f"above its bound {high:g}"
    return f"outside its bounds {low:g} to {high:g}"


def _short(array: Array) -> str:
    return f"{float(array):g}" if array.ndim == 0 else str(array)


def fixed_names(space: Space, leaves: Mapping[str, Array]) -> tuple[str, ...]:
    """The parameters that are fixed, and the single numbers of arrays that are."""
    found: list[str] = []
    for leaf, array in leaves.items():
        if leaf in space.fixed:
            found.append(leaf)
        elif leaf in space.lower:
            held = np.ravel(space.held(leaf))
            found += [n for n, h in zip(number_names(leaf, array.shape), held, strict=True) if h]
    return tuple(found)


def bound_pairs(space: Space, leaves: Iterable[str]) -> dict[str, tuple[float, float]]:
    """The bounds number by number, for the record."""
    return {
        name: (float(low), float(high))
        for leaf in leaves
        if leaf in space.lower
        for name, low, high in zip(
            number_names(leaf, space.lower[leaf].shape),
            space.lower[leaf].flat, space.upper[leaf].flat, strict=True,
        )
        if np.isfinite(low) or np.isfinite(high)
    }  # fmt: skip
