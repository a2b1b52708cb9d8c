"""A call taken apart: the task, which is all that decides its program, and the values of this call.

Read is only what is plain: arrays of float64, numbers and bonds by name. For any other call there
is no task here; what it says is read in full each time.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from types import FunctionType
from typing import Any

import numpy as np

from descend.errors import UsageError
from descend.task.bonds import Bonds, taken_apart

__all__ = ["BONDS", "FLOAT", "Values", "values_of", "values_of_function"]

BONDS = ("fixed", "bounds", "ties")
FLOAT = np.dtype(np.float64)

Array = np.ndarray[Any, np.dtype[Any]]


class Values:
    """What one call gives.

    Attributes:
        model: the user's function, or the text of a formula.
        task: equal for calls that differ in nothing but the values of arrays, start and bounds.
        arrays: the data, in the order of the call.
        start: the values that parameters begin with, as they were given.
        bonds: what binds the parameters, where anything does.
    """

    __slots__ = ("arrays", "bonds", "model", "start", "task")

    def __init__(
        self, model: Any, task: Hashable, arrays: list[Array], start: Any,
        bonds: Bonds | None = None,
    ) -> None:  # fmt: skip
        self.model, self.task, self.arrays = model, task, arrays
        self.start, self.bonds = start, bonds


def _name_of(model: Any) -> Hashable:
    """What stands for a model in a task: of a function its number, so that it is not kept alive."""
    return id(model) if type(model) is FunctionType else model


def values_of(given: Mapping[str, Any]) -> Values | None:
    """The values of a call of `fit`; None where it says something that is not read here.

    Args:
        given: the arguments by name, in the order of the signature.
    """
    try:
        return _values_of(given)
    except (TypeError, ValueError, UsageError):
        return None


def _values_of(given: Mapping[str, Any]) -> Values:
    model, x, y, start, *options = given.values()
    if options.pop():
        raise TypeError("unknown options")
    bonds = taken_apart(start, *[given[name] for name in BONDS])
    bound: Any = None
    if bonds is not None:
        bound, names = bonds.form, [*given][4:-1]
        options = [o for name, o in zip(names, options, strict=True) if name not in BONDS]
    kind = type(x)
    form: Any = None
    if kind is np.ndarray:
        arrays = [x]
    elif kind is tuple:
        arrays = [*x]
    elif kind is dict:
        arrays, form = [*x.values()], tuple(x)
    else:
        raise TypeError("x")
    if type(y) is np.ndarray:
        arrays.append(y)
        y = None
    elif form is None:
        raise TypeError("y")
    for i, option in enumerate(options):
        if type(option) is np.ndarray:
            arrays.append(option)
            options[i] = np.ndarray
    shapes = [a.shape for a in arrays if type(a) is np.ndarray and a.dtype is FLOAT]
    if len(shapes) < len(arrays):
        raise TypeError("arrays")
    task = (
        _name_of(model), kind, form, bound, y, _form_of(start), *shapes, *options,
        *map(type, options),
    )  # fmt: skip
    hash(task)
    return Values(model, task, arrays, start, bonds)


def values_of_function(function: Any, given: Mapping[str, Any], sign: int) -> Values | None:
    """The values of a call of `minimize` (sign 1) or `maximize` (-1), as `values_of`."""
    options = [item for item in given.items() if item[0] != "start"]
    kinds = [type(value) for _, value in options]
    task = (_name_of(function), sign, _form_of(given["start"]), *options, *kinds)
    try:
        hash(task)
    except TypeError:
        return None
    return Values(function, task, [], given["start"])


def _form_of(start: Any) -> Hashable:
    """What of a start decides the program: the names it gives, and the shapes of its arrays."""
    if type(start) is not dict:
        return type(start), np.shape(start) if type(start) in (list, np.ndarray) else ()
    shapes = [np.shape(v) for v in start.values() if type(v) in (list, np.ndarray)]
    return *start, *shapes
