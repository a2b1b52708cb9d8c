"""Ready models in formulas: guesses for their parameters, and the terms of their sums."""

from __future__ import annotations

import operator
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import numpy as np

from descend.models.guess import guess_parts
from descend.models.kind import Array, Given, Values
from descend.models.parts import Known, Leaf, Product, Sum, Unknown
from descend.models.table import KINDS
from descend.models.tree import Single, labels_of
from descend.trace.formula import Formula, Step
from descend.trace.formula_functions import Ready, apply

__all__ = ["addends", "guess_formula"]


# --- guesses


class _Reading(NamedTuple):
    """A formula on its way to parts: columns of data found so far, and the stack."""

    columns: list[Array]
    stack: list[Any]


_OPAQUE = object()


def guess_formula(
    formula: Formula, data: Mapping[str, Any], y: Any, given: Mapping[str, float]
) -> Values:
    """Values for the parameters of the ready models in a formula and of what is linear beside them.

    Args:
        data: the columns that the formula names.
        given: parameters that are known already.

    What no ready model and no sum or product explains, such as `exp(-k*x)` with k unknown, is
    taken as a level, and its parameters are left out.

    >>> from descend.models.reading import parse_formula
    >>> x = np.linspace(0.0, 10.0, 100)
    >>> formula = parse_formula("y = sine(x) + a*x")
    >>> values = guess_formula(formula, {"x": x}, np.sin(3 * x) + 2 * x, {})
    >>> round(values["frequency"], 2), round(values["a"], 2)
    (3.0, 2.0)
    """
    columns, terms = _read(formula, data, np.shape(y))
    fixed = [term for term in terms if isinstance(term, Known)]
    parts = tuple(term for term in terms if term is not _OPAQUE and not isinstance(term, Known))
    if not parts:
        return {}
    rest = np.asarray(y, np.float64) - sum(columns[term.at] for term in fixed)
    names = [name for part in parts for name in part.names]
    ties = given.ties if isinstance(given, Given) else None
    known = Given({name: value for name, value in given.items() if name in names}, ties)
    if len(parts) + len(fixed) < len(terms):
        parts += (Unknown("the others' level"),)
    found = guess_parts(parts, columns, rest, known)
    return {name: found[name] for name in names}


def _read(formula: Formula, data: Mapping[str, Any], shape: Any) -> tuple[list[Array], list[Any]]:
    """The columns, and the addends: parts, or opaque ones."""
    reading = _Reading([], [])
    stack = reading.stack
    for step in formula.steps:
        if step.kind == "number":
            stack.append(float(step.value))
        elif step.kind == "name":
            own = step.value in data
            stack.append(np.asarray(data[step.value], np.float64) if own else Unknown(step.value))
        else:
            operands = stack[-step.arity :]
            del stack[-step.arity :]
            stack.append(_applied(step, operands, reading, shape))
    whole = _part(stack[0], reading, shape)
    return reading.columns, list(whole.parts) if isinstance(whole, Sum) else [whole]


def _applied(step: Step, operands: list[Any], reading: _Reading, shape: Any) -> Any:
    if all(isinstance(value, float | np.ndarray) for value in operands):
        return apply(step.value, operands)
    if isinstance(step.value, Ready):
        return _leaf(step.value, operands, reading, shape)
    if step.value in (operator.add, operator.sub, operator.mul, operator.neg):
        return _combined(step.value, operands, reading, shape)
    if step.value is operator.truediv and isinstance(operands[1], float | np.ndarray):
        inverse = apply(operator.truediv, [1.0, operands[1]])
        return _combined(operator.mul, [operands[0], inverse], reading, shape)
    return _OPAQUE


def _leaf(call: Ready, operands: list[Any], reading: _Reading, shape: Any) -> Any:
    inputs = operands[: call.data]
    if not all(isinstance(value, float | np.ndarray) for value in inputs):
        return _OPAQUE
    first = next(iter(call.parameters))
    own = next(iter(KINDS[call.name].parameters))
    single = Single(KINDS[call.name])
    at = tuple(_column(value, reading, shape) for value in inputs)
    return Leaf(single, first[: len(first) - len(own)], at)


def _combined(function: Any, operands: list[Any], reading: _Reading, shape: Any) -> Any:
    if any(value is _OPAQUE for value in operands) and function is operator.mul:
        return _OPAQUE
    parts = [_part(value, reading, shape) for value in operands]
    if function is operator.neg:
        return _negative(parts[0], reading, shape)
    if function is operator.sub:
        parts[1] = _negative(parts[1], reading, shape)
    if function is operator.mul:
        return _product(parts)
    flat = [one for part in parts for one in (part.parts if isinstance(part, Sum) else (part,))]
    return Sum(tuple(flat))


def _product(parts: list[Any]) -> Any:
    """The factors in one row, what has parameters first."""
    flat = [f for part in parts for f in (part.factors if isinstance(part, Product) else (part,))]
    return Product(tuple(sorted(flat, key=lambda factor: not factor.names)))


def _negative(part: Any, reading: _Reading, shape: Any) -> Any:
    if part is _OPAQUE:
        return part
    minus = Known(_column(-1.0, reading, shape))
    if isinstance(part, Sum):
        return Sum(tuple(_negative(one, reading, shape) for one in part.parts))
    return _product([part, minus])


def _part(value: Any, reading: _Reading, shape: Any) -> Any:
    if isinstance(value, float | np.ndarray):
        return Known(_column(value, reading, shape))
    return value


def _column(value: Any, reading: _Reading, shape: Any) -> int:
    """Where a column stands; equal ones stand once."""
    array = np.broadcast_to(np.asarray(value, np.float64), shape)
    for k, known in enumerate(reading.columns):
        if np.array_equal(known, array):
            return k
    reading.columns.append(array)
    return len(reading.columns) - 1


# --- components


def addends(formula: Formula) -> dict[str, Formula]:
    """The terms of a formula's sum, each a formula of the same names; those without a ready model
    are one.

    >>> from descend.models.reading import parse_formula
    >>> list(addends(parse_formula("y = gaussian(x) - gaussian(x) + a*x + b")))
    ['gaussian1', 'gaussian2', 'a*x + b']
    """
    terms = _terms(formula.steps)
    found: dict[str, list[tuple[int, tuple[Step, ...]]]] = {}
    texts: list[str] = []
    labels = _labels(formula)
    for sign, steps in terms:
        calls = [labels[step] for step in steps if isinstance(step.value, Ready)]
        if calls:
            found.setdefault(" * ".join(calls), []).append((sign, steps))
        else:
            written = formula.text[min(s.start for s in steps) : max(s.end for s in steps)]
            texts.append((" - " if sign < 0 else " + ") + written)
            found.setdefault("", []).append((sign, steps))
    others = "".join(texts).removeprefix(" + ").strip()
    return {label or others: _sum_of(formula, own) for label, own in found.items()}


def _terms(steps: Iterable[Step]) -> list[tuple[int, tuple[Step, ...]]]:
    """Sign and steps of every addend of the outermost sum."""
    stack: list[list[tuple[int, tuple[Step, ...]]]] = []
    for step in steps:
        if step.kind != "apply":
            stack.append([(1, (step,))])
            continue
        operands = stack[-step.arity :]
        del stack[-step.arity :]
        if step.value in (operator.add, operator.sub):
            turn = -1 if step.value is operator.sub else 1
            stack.append(operands[0] + [(turn * sign, own) for sign, own in operands[1]])
        elif step.value is operator.neg:
            stack.append([(-sign, own) for sign, own in operands[0]])
        else:
            inside = [s for operand in operands for s in _joined(operand)]
            stack.append([(1, (*inside, step))])
    return stack[0]


def _joined(terms: list[tuple[int, tuple[Step, ...]]]) -> list[Step]:
    """The steps that compute a sum again."""
    found: list[Step] = []
    for k, (sign, steps) in enumerate(terms):
        found += steps
        if k:
            last = operator.add if sign > 0 else operator.sub
            found.append(Step("apply", last, 2, steps[0].start, steps[-1].end))
        elif sign < 0:
            found.append(Step("apply", operator.neg, 1, steps[0].start, steps[-1].end))
    return found


def _labels(formula: Formula) -> dict[Step, str]:
    calls = [step for step in formula.steps if isinstance(step.value, Ready)]
    singles = []
    for step in calls:
        kind = KINDS[step.value.name]
        first, own = step.value.parameters[0], next(iter(kind.parameters))
        singles.append(Single(kind, first[: len(first) - len(own)] or None))
    return dict(zip(calls, labels_of(tuple(singles)), strict=True))


def _sum_of(formula: Formula, terms: list[tuple[int, tuple[Step, ...]]]) -> Formula:
    steps = tuple(_joined(terms))
    names = {step.value for step in steps if step.kind == "name"}
    own = tuple(name for name in formula.names if name in names)
    return Formula(
        formula.text, formula.target, own, steps, formula.places, formula.quoted, formula.own,
        formula.ready,
    )  # fmt: skip
