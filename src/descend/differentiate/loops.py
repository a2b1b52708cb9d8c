"""`scan` on functions: the body is traced once, whatever the number of iterations."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from descend.differentiate.arguments import name_of
from descend.errors import UsageError
from descend.graph.elementwise import cast
from descend.graph.node import Dim, Node
from descend.graph.scan import scan_nodes
from descend.graph.source import input_node, iota
from descend.graph.subgraph import close_over
from descend.trace.context import current
from descend.trace.effects import Looping, looping
from descend.trace.tensor import as_node, wrap
from descend.trace.trace import trace_function
from descend.trace.tree import Tree, flatten, unflatten

__all__ = ["looped", "traced_scan"]

Body = Callable[[Any, Any], tuple[Any, Any]]


def traced_scan(
    function: Body, init: Any, xs: Any, length: int | None, backward: bool
) -> tuple[Any, Any]:
    """A loop as a node of the trace under way."""
    start, form = flatten(init)
    slices, xs_form = flatten(xs)
    carry, rows = [as_node(v) for v in start], [as_node(v) for v in slices]
    count = _length([r.shape[0] if r.shape else None for r in rows], length)
    with looping() as loop:
        carry, inputs, made, y_form = _traced(function, carry, form, rows, xs_form, loop)
    if loop.used:
        inputs.append(loop.counter)
        rows.append(iota((count,), 0, loop.counter.dtype))
    body, captured = close_over(inputs, made)
    results = [wrap(n) for n in scan_nodes(body, carry, rows, captured, count, backward)]
    return unflatten(form, results[: len(carry)]), unflatten(y_form, results[len(carry) :])


def _traced(
    function: Body, carry: list[Node], form: Tree, rows: list[Node], xs_form: Tree, loop: Looping
) -> tuple[list[Node], list[Node], list[Node], Tree]:
    """The body as a graph; an initial carry of a smaller dtype is cast to what the body makes."""
    for _ in range(3):
        loop.again()
        inner = [input_node(f"carry{i}", n.shape, n.dtype) for i, n in enumerate(carry)]
        parts = [input_node(f"slice{i}", r.shape[1:], r.dtype) for i, r in enumerate(rows)]
        traced = trace_function(function, [unflatten(form, inner), unflatten(xs_form, parts)])
        outer = current()
        if outer is not None:
            outer.captures.include(traced.trace.captures)
        state, made, y_form = _pair(function, traced.result, form)
        if all(s.dtype == n.dtype for s, n in zip(state, carry, strict=True)):
            for s, n in zip(state, carry, strict=True):
                _same_shape(function, s.shape, n.shape)
            return carry, [*inner, *parts], [*state, *made], y_form
        carry = [
            cast(n, np.promote_types(s.dtype, n.dtype)) for s, n in zip(state, carry, strict=True)
        ]
    raise UsageError(f"scan: {name_of(function)} changes the dtype of its carry in every iteration")


def _same_shape(function: Body, new: Any, old: Any) -> None:
    if new != old:
        raise UsageError(
            f"scan: {name_of(function)} turns a carry of shape {old} into one of shape {new}",
            remedy="every iteration must return a carry like the one that it was given",
        )


def _pair(function: Body, result: Any, form: Tree | None) -> tuple[list[Any], list[Any], Tree]:
    if not isinstance(result, tuple) or len(result) != 2:
        raise UsageError(
            f"scan: {name_of(function)} must return a pair (new carry, output of the iteration)",
            remedy="return carry, None where there is no output",
        )
    state, state_form = flatten(result[0])
    if form is not None and state_form != form:
        raise UsageError(
            f"scan: {name_of(function)} returns a carry of another form than it was given",
            remedy="every iteration must return a carry like the one that it was given",
        )
    made, y_form = flatten(result[1])
    return state, made, y_form


def _length(extents: Sequence[Any], length: int | None) -> Any:
    known: list[int | Dim] = [] if length is None else [length]
    for extent in extents:
        if extent is None:
            raise UsageError(
                "scan: xs must have the iterations on their first axis, not be numbers"
            )
        if extent not in known:
            known.append(extent)
    if len(known) != 1:
        what = "neither xs nor length is given" if not known else f"lengths {known} differ"
        raise UsageError(f"scan: {what}", remedy="the number of iterations must be known and one")
    return known[0]


def looped(
    function: Body, init: Any, xs: Any, length: int | None, backward: bool
) -> tuple[Any, Any]:
    """The same loop on plain numbers, run as it stands."""
    slices, xs_form = flatten(xs)
    arrays = [np.asarray(v) for v in slices]
    count = _length([a.shape[0] if a.ndim else None for a in arrays], length)
    carry, rows, y_form = init, {}, flatten(None)[1]
    for t in reversed(range(count)) if backward else range(count):
        result = function(carry, unflatten(xs_form, [a[t] for a in arrays]))
        _, rows[t], y_form = _pair(function, result, None)
        carry = result[0]
    columns = zip(*(rows[t] for t in range(count)), strict=True)
    return carry, unflatten(y_form, [np.stack(column) for column in columns])
