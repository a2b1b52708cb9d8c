"""A call taken apart: the task, which is all that decides its program, and the values of this call.

Read is only what is plain: arrays of float64, numbers and bonds by name. For any other call there
is no task here; what it says is read in full each time.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from operator import is_
from types import FunctionType
from typing import Any, NamedTuple

import numpy as np

from descend.errors import UsageError
from descend.task.bonds import NUMBERS, Bonds, taken_apart
from descend.task.option_table import default_of

__all__ = ["BARE", "BONDS", "FLOAT", "Values", "values_of", "values_of_function"]

BONDS = ("fixed", "bounds", "ties")
FLOAT = np.dtype(np.float64)
PLAIN = frozenset(NUMBERS)
BARE = ""  # stands for the only argument of a function, whose start is given without its name
OPTIONS = frozenset((type(None), str, bool, int, float, tuple, type, np.float64, np.int64))
METHODS = "descend.methods."
EPOCHS, SEED = 5, 6  # where they stand behind start in the signature of `fit`
MOST_EPOCHS = default_of("fit", "epochs")
COUNTED = ("max_iter", "seed")  # of `minimize`
DEFAULTS = [default_of("minimize", name) for name in COUNTED]
MOST_OPTIONS = 1024  # sets of them that are remembered

Array = np.ndarray[Any, np.dtype[Any]]


class Values(NamedTuple):
    """What one call gives.

    Attributes:
        model: the user's function, or the text of a formula.
        task: equal for calls that differ in nothing but the values of arrays, start and bounds.
        arrays: the data, in the order of the call.
        start: the values that parameters begin with, as they were given.
        epochs, seed: how many at most, and what is drawn by; as they were given.
        bonds: what binds the parameters, where anything does.
    """

    model: Any
    task: Hashable
    arrays: list[Array]
    start: Any
    epochs: Any
    seed: Any
    bonds: Bonds | None = None

    @property
    def is_known(self) -> bool:
        """Whether the task can be looked up: all that it is made of can be compared."""
        try:
            hash(self.task)
        except TypeError:
            return False
        return True


class _Options:
    """Options that stand for themselves in a task: equal ones are one object."""

    __slots__ = ("options",)

    def __init__(self, options: Sequence[Any]) -> None:
        self.options = options

    def are(self, options: Sequence[Any]) -> bool:
        """Whether these are the very same objects."""
        own = self.options
        return len(options) == len(own) and all(map(is_, options, own))


class _Kept:
    """The options that were met, so that those of the last call are known by their objects."""

    def __init__(self) -> None:
        self.last = _Options(())
        self._known: dict[Hashable, _Options] = {}

    def key_of(self, options: list[Any]) -> _Options:
        """What stands for these options; raises `TypeError` where they are not plain."""
        key = (*options, *map(type, options))
        for option in options:
            if type(option) not in OPTIONS and not type(option).__module__.startswith(METHODS):
                raise TypeError("options")  # it might keep anything alive
        found = self._known.get(key)
        if found is None:
            if len(self._known) >= MOST_OPTIONS:
                self._known.clear()
            found = self._known.setdefault(key, _Options(options))
        return found


_kept = _Kept()


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
    epochs, seed = options[EPOCHS], options[SEED]
    epochs = MOST_EPOCHS if epochs is None else epochs
    options[EPOCHS], options[SEED] = type(epochs), type(seed)
    asked = _kept.last
    if not asked.are(options):
        arrays += [o for o in options if type(o) is np.ndarray]
        options = [np.ndarray if type(o) is np.ndarray else o for o in options]
        if not asked.are(options):
            asked = _kept.last = _kept.key_of(options)
    shapes = [a.shape for a in arrays if type(a) is np.ndarray and a.dtype is FLOAT]
    if len(shapes) < len(arrays):
        raise TypeError("arrays")
    task = (
        _name_of(model), kind, form, bound, y, _form_of(start), asked, *shapes,
    )  # fmt: skip
    return Values(model, task, arrays, start, epochs, seed, bonds)


def values_of_function(function: Any, given: Mapping[str, Any], sign: int) -> Values | None:
    """The values of a call of `minimize` (sign 1) or `maximize` (-1), as `values_of`."""
    options = {**given}
    start, epochs, seed = options.pop("start"), *map(options.pop, COUNTED, DEFAULTS)
    fixed, bounds, ties = map(options.pop, BONDS, (None, None, None))
    bonds = None
    if type(start) is dict or not (fixed is bounds is ties is None):
        try:
            named = start if type(start) is dict else {BARE: start}
            bonds = taken_apart(named, fixed, bounds, ties)
        except (TypeError, ValueError, UsageError):
            return None
    bound = None if bonds is None else bonds.form
    values = options.values()
    task = (
        _name_of(function), sign, bound, _form_of(start), *options, *values, *map(type, values)
    )  # fmt: skip
    return Values(function, task, [], start, epochs, seed, bonds)


def _form_of(start: Any) -> Hashable:
    """What of a start decides the program: the names it gives, and the sizes of its arrays."""
    if type(start) is dict:
        if PLAIN.issuperset(map(type, start.values())):
            return tuple(start)
        return *start, *map(_size_of, start.values())
    return type(start), _size_of(start)


def _size_of(value: Any) -> Hashable:
    return value.shape if type(value) is np.ndarray else len(value) if type(value) is list else None
