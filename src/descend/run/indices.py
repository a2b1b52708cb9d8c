"""Indices of a model that lie outside of their array: told before the run, not computed with.

Compiled code reads and writes nothing out of bounds, but it cannot raise. Indices are nearly always
made of data, so their smallest and largest are known before the run; those that are made of
parameters are judged at the start, and again at the end.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from descend.differentiate.indices import Check, index_checks
from descend.errors import warn
from descend.graph.evaluate import evaluate
from descend.graph.node import Dim, Node, postorder
from descend.run.build import Built
from descend.task.datasets import ManyData
from descend.task.starts import ManyStart
from descend.trace.indexing import TraceIndexError
from descend.trace.model import Model

__all__ = ["check_indices", "check_many", "has_checks", "warn_of_indices", "warn_of_many"]

Array = np.ndarray[Any, np.dtype[Any]]


class _Extremes(NamedTuple):
    """Graphs of the smallest and largest index of each access, and who judges them."""

    nodes: Sequence[Node]
    checks: Sequence[Check]
    of_parameters: bool


def check_indices(
    built: Built, columns: Mapping[str, Array], leaves: Mapping[str, Array]
) -> None:
    """Judge every index of a model at these data and parameters.

    Raises:
        TraceIndexError: the model indexes outside of an array, with the user's line.
    """
    extremes = _extremes(built)
    if not extremes.checks:
        return
    _judge(extremes, built.model, columns, leaves)


def check_many(model: Model, data: ManyData, start: ManyStart) -> None:
    """Judge every index of a model of many fits at their starts; missing values are left out.

    Raises:
        TraceIndexError: the model indexes outside of an array, with the user's line.
    """
    extremes, leaves = _made(model), start.leaves()
    if not extremes.checks:
        return
    if isinstance(model.rows, Dim) and not extremes.of_parameters:
        _judge(extremes, model, _whole_rows(data.joined()), leaves)
        return
    for fit, columns in _whole_fits(data):
        own = {name: array[fit] for name, array in start.each.items()}
        _judge(extremes, model, columns, leaves | own)


def warn_of_many(model: Model, data: ManyData, params: Mapping[str, Array]) -> None:
    """After many fits, judge indices that are made of parameters: a warning where any is outside.

    Args:
        params: leaf → (fits, …).
    """
    extremes = _made(model)
    outside: dict[int, str] = {}
    for fit, columns in _whole_fits(data) if extremes.of_parameters else ():
        leaves = {name: array[fit] for name, array in params.items()}
        if all(np.isfinite(a).all() for a in leaves.values()):
            try:
                _judge(extremes, model, columns, leaves)
            except IndexError as error:
                outside[fit] = str(error)
    if outside:
        (first, told), more = next(iter(outside.items())), len(outside) - 1
        others = f" and {more} other{'s' * (more > 1)}" if more else ""
        warn(f"at the parameters found in fit {first}{others}, {told}")


def _whole_fits(data: ManyData) -> Iterator[tuple[int, Mapping[str, Array]]]:
    """The fits in which nothing is missing."""
    for fit in range(data.n_fits):
        columns = data.one(fit).columns
        if all(np.isfinite(a).all() for a in columns.values()):
            yield fit, columns


def _whole_rows(columns: Mapping[str, Array]) -> dict[str, Array]:
    """The rows in which nothing is missing."""
    whole = [np.isfinite(a).reshape(len(a), -1).all(axis=1) for a in columns.values()]
    kept = np.logical_and.reduce(whole)
    return {name: a[kept] for name, a in columns.items()}


def _judge(
    extremes: _Extremes, model: Model, columns: Mapping[str, Array], leaves: Mapping[str, Array]
) -> None:
    bound: dict[Node, Any] = {model.data[name]: a for name, a in columns.items()}
    bound |= {model.leaves[name]: a for name, a in leaves.items()}
    bound |= dict(model.trace.captured)
    n_rows = len(next(iter(columns.values()))) if columns else 1
    extents = {model.rows: n_rows} if isinstance(model.rows, Dim) else {}
    results = evaluate(extremes.nodes, bound, extents)
    for check in extremes.checks:
        check(results)


def warn_of_indices(
    built: Built, columns: Mapping[str, Array], leaves: Mapping[str, Array]
) -> None:
    """After the run, judge indices that are made of parameters: a warning where one is outside."""
    if not _extremes(built).of_parameters:
        return
    try:
        check_indices(built, columns, leaves)
    except (TraceIndexError, IndexError) as error:
        warn(f"at the parameters found, {error}")


def has_checks(built: Built) -> bool:
    """Whether a model has indices that must be judged at its data and parameters."""
    return bool(_extremes(built).checks)


def _extremes(built: Built) -> _Extremes:
    found: _Extremes | None = built.extras.get("indices")
    if found is None:
        found = built.extras["indices"] = _made(built.model)
    return found


def _made(model: Model) -> _Extremes:
    nodes, checks = index_checks(model.nodes, model.origin, 0)
    inner = set(postorder(nodes)) if nodes else set()
    return _Extremes(nodes, checks, any(leaf in inner for leaf in model.leaves.values()))
