"""What the fields of a saved fit may be: each is checked before anything is made of it."""

from __future__ import annotations

import inspect
import types
from collections.abc import Mapping
from dataclasses import fields
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

import numpy as np

from descend.records.datasets import SetRecord
from descend.records.record import FitRecord, History, leaves
from descend.records.statuses import STATUSES
from descend.run.state import SavedState

__all__ = ["check_record", "check_set", "check_state", "is_whole"]

Array = np.ndarray[Any, np.dtype[Any]]
TREES = ("params", "stderr", "start", "scales", "running")
"""Fields that hold numbers by name: plain ones, arrays, or trees of these."""
LARGEST = 1 << 63  # of whole numbers


def check_record(record: Mapping[str, Any]) -> None:
    """Check the fields of a record; the history is a mapping still.

    Raises:
        ValueError: one is of another kind, or they do not fit together.
    """
    _check_fields({n: v for n, v in record.items() if n != "history"}, FitRecord)
    for name in TREES:
        _check_numbers(name, record.get(name, {}))
    _check_history(record["history"])
    if record.get("status") not in STATUSES:
        raise ValueError(f"no status {record.get('status')!r}")
    count = len(record.get("covariance_names", ()))
    for name in ("covariance", "correlation"):
        matrix = record.get(name)
        if matrix is not None and (matrix.shape != (count, count) or matrix.dtype.kind != "f"):
            raise ValueError(f"{name} has the shape {matrix.shape} for {count} names")
    if {*record.get("stderr", record["params"])} != {*record["params"]}:
        raise ValueError("stderr is of other parameters")


def check_set(record: Mapping[str, Any]) -> None:
    """Check the fields of what a global fit says of a dataset.

    Raises:
        ValueError: one is of another kind, or they do not fit together.
    """
    _check_fields(record, SetRecord)
    if record["stderr"].keys() != record["params"].keys():
        raise ValueError("stderr is of other parameters")


def _check_fields(record: Mapping[str, Any], kind: type[Any]) -> None:
    known = {f.name for f in fields(kind) if f.init}
    unknown = [name for name in record if name not in known]
    if unknown:
        raise ValueError(f"no field {', '.join(unknown)}")
    hints = get_type_hints(kind)
    for name, value in record.items():
        _check(name, value, hints[name])


def check_state(state: Mapping[str, Any]) -> None:
    """Check the fields of the state of a run.

    Raises:
        ValueError: one is of another kind.
    """
    hints = get_type_hints(SavedState)
    for name, value in state.items():
        _check(name, value, hints[name])
    for name in ("arrays", "course"):
        _check_numbers(name, state[name])
        if not all(isinstance(array, np.ndarray) for array in state[name].values()):
            raise ValueError(f"{name} holds no arrays")
    if min(state[name] for name in ("epoch", "batch", "steps")) < 0 or state.get("every", 1) < 1:
        raise ValueError("a count is negative")


def _check(name: str, value: Any, hint: Any) -> None:
    if not _is_of(value, hint):
        raise ValueError(f"{name} cannot be {str(value)[:40]!r}")


def _is_of(value: Any, hint: Any) -> bool:
    """Whether a value is of an annotated type, as far as values go in files."""
    # Where NumPy's NDArray is an alias with a name of its own, what it stands for decides.
    hint = getattr(get_origin(hint), "__value__", hint)
    origin, inner = get_origin(hint), get_args(hint)
    if hint is Any:
        return True
    if origin in (Union, types.UnionType):
        return any(_is_of(value, one) for one in inner)
    if origin is Literal:
        return isinstance(value, str) and value in inner
    if inspect.isclass(hint) and issubclass(hint, tuple) and hasattr(hint, "_fields"):
        own = get_type_hints(hint)
        return isinstance(value, tuple) and len(value) == len(own) and all(
            map(_is_of, value, own.values())
        )  # fmt: skip
    if origin is tuple:
        same = inner[-1] is Ellipsis
        kinds = (inner[0],) * len(value) if same and isinstance(value, tuple) else inner
        return isinstance(value, tuple) and len(value) == len(kinds) and all(
            map(_is_of, value, kinds)
        )  # fmt: skip
    if origin is list:
        return isinstance(value, list) and all(_is_of(entry, inner[0]) for entry in value)
    if origin is np.ndarray:
        return isinstance(value, np.ndarray) and value.dtype.kind in "biuf"
    if isinstance(origin, type) and issubclass(origin, Mapping):
        kind = inner[1] if len(inner) > 1 else Any
        return isinstance(value, dict) and all(_is_of(entry, kind) for entry in value.values())
    if hint is float:
        return isinstance(value, float) or _is_of(value, int)
    if hint is int:
        return is_whole(value)
    return isinstance(value, hint)


def is_whole(value: Any) -> bool:
    """Whether a value is a whole number of 64 bits.

    >>> is_whole(3), is_whole(True), is_whole(2**70)
    (True, False, False)
    """
    return isinstance(value, int) and not isinstance(value, bool) and abs(value) < LARGEST


def _check_numbers(name: str, tree: Any) -> None:
    """Check that a tree by names holds nothing but numbers."""
    if not isinstance(tree, Mapping):
        raise ValueError(f"{name} holds no numbers by name")
    for leaf, value in leaves(tree):
        number = isinstance(value, float | np.ndarray) or _is_of(value, int)
        if not number or (isinstance(value, np.ndarray) and value.dtype.kind not in "biuf"):
            raise ValueError(f"{name} holds no number in {leaf}")


def _check_history(history: Any) -> None:
    names = {f.name for f in fields(History)}
    if not isinstance(history, Mapping) or not {"loss"} <= history.keys() <= names:
        raise ValueError("the history has other columns")
    for name, column in history.items():
        if name in ("params", "metrics"):
            _check_numbers("the history", column)
        elif not _is_of(column, np.ndarray[Any, Any]) or column.ndim != 1:
            raise ValueError(f"the history has no column in {name}")
