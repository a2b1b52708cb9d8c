"""What a stand-in answers when a model asks what it is: `type`, `isinstance`, `hasattr`, …

The answer is that of what it stands for. A stand-in without axes stands for a number, which is
Python's in one call of the model and NumPy's in another: where the two would answer differently,
the question is refused.
"""

from __future__ import annotations

import builtins
import copy
from collections.abc import Callable
from typing import Any

import numpy as np

from descend.errors import TraceError
from descend.trace.context import where
from descend.trace.known import Known, known
from descend.trace.rows import Rows
from descend.trace.table import ORIGINALS, covers
from descend.trace.tables.complex_pairs import Pair
from descend.trace.tensor import Tensor

__all__ = ["class_of", "stands_for"]

REMEDY = (
    "np.ndim(x) == 0 tells a number from an array, and isinstance(x, float) is true of Python's "
    "floats and NumPy's; or decide before the model, and hand the answer over"
)
_PYTHON = {"float64": 0.0, "int64": 0, "bool": False}
_WEAK = {"f": 0.0, "i": 0, "u": 0, "b": False}


def stands_for(value: Any) -> tuple[Any, ...]:
    """Examples of what a stand-in may be in plain Python; none for other values."""
    cls = value.__class__
    if cls is Known:
        return (value._known,)
    if cls is Rows:
        return (0,)
    if cls is Pair:
        return (np.complex128(),)
    if cls is not Tensor:
        return ()
    dtype = value.dtype
    if value.extents:
        return (np.empty((0,) * len(value.extents), dtype),)
    if value._weak:
        return (_WEAK[dtype.kind],)
    number = dtype.type(0)
    return (number, _PYTHON[dtype.name]) if dtype.name in _PYTHON else (number,)


def _answered(value: Any, question: str, ask: Callable[[Any], Any]) -> Any:
    """What all examples answer; refused where they do not agree."""
    answers = [ask(example) for example in stands_for(value)]
    if any(a != answers[0] for a in answers[1:]):
        raise TraceError(
            f"{question} of a number that is not known before the data is: Python's numbers and "
            "NumPy's give different answers, and it may be either",
            where=where(),
            remedy=REMEDY,
        )
    return answers[0]


def class_of(value: Any) -> type:
    """The class of a value, or of what it stands for."""
    if stands_for(value):
        return _answered(value, "the type", builtins.type)  # type: ignore[no-any-return]
    return ORIGINALS.get(builtins.type(value), builtins.type(value))


class _Type(type):
    """`type` in a model: still a class, of which classes can be made and derived."""

    def __new__(mcs, *args: Any, **kwargs: Any) -> Any:
        if mcs is not _Type:
            return super().__new__(mcs, *args, **kwargs)
        if len(args) == 1 and not kwargs:
            return class_of(args[0]) if stands_for(args[0]) else builtins.type(args[0])
        return builtins.type(*args, **kwargs)

    def __init__(cls, *args: Any, **kwargs: Any) -> None:
        if len(args) != 1:
            super().__init__(*args, **kwargs)


covers("type", module="builtins")(_Type)


def _builtin(name: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    return covers(name, module="builtins")


def _original(cls: Any) -> Any:
    if cls is _Type:
        return type
    return ORIGINALS.get(cls, cls) if builtins.isinstance(cls, type) else cls


@_builtin("isinstance")
def _isinstance(value: Any, classes: Any, /) -> bool:
    given = classes if builtins.isinstance(classes, tuple) else (classes,)
    plain = tuple(_original(c) for c in given)
    if not stands_for(value):
        return builtins.isinstance(value, plain)
    names = ", ".join(getattr(c, "__name__", repr(c)) for c in plain)
    answer: bool = _answered(
        value, f"isinstance(…, {names})", lambda v: builtins.isinstance(v, plain)
    )
    return answer


@_builtin("issubclass")
def _issubclass(cls: Any, classes: Any, /) -> bool:
    given = classes if builtins.isinstance(classes, tuple) else (classes,)
    return builtins.issubclass(cls, tuple(_original(c) for c in given))


@_builtin("hasattr")
def _hasattr(value: Any, name: str, /) -> bool:
    if not stands_for(value):
        return builtins.hasattr(value, name)
    answer: bool = _answered(value, f"hasattr(…, {name!r})", lambda v: builtins.hasattr(v, name))
    return answer


@_builtin("getattr")
def _getattr(value: Any, name: str, /, *default: Any) -> Any:
    if default and stands_for(value) and not _hasattr(value, name):
        return default[0]
    return builtins.getattr(value, name, *default)


@_builtin("callable")
def _callable(value: Any, /) -> bool:
    return False if stands_for(value) else builtins.callable(value)


# --- copies ---------------------------------------------------------------------------------------


def _settled(value: Any) -> Any:
    """A copy whose arrays, like those that the model makes, accept traced values later on."""
    if isinstance(value, np.ndarray):
        return known(value)
    if value.__class__ in (list, tuple):
        return value.__class__(_settled(v) for v in value)
    if value.__class__ is dict:
        return {k: _settled(v) for k, v in value.items()}
    return value


@covers("copy", module="copy", always=True)
def _copy(x: Any) -> Any:
    made = copy.copy(x)
    return known(made) if isinstance(made, np.ndarray) else made


@covers("deepcopy", module="copy", always=True)
def _deepcopy(x: Any, memo: Any = None) -> Any:
    return _settled(copy.deepcopy(x, memo))
