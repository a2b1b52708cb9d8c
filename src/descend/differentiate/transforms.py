"""Derivatives of functions: trace, differentiate the graph, put the actual values in.

Each function here takes `run`, which computes outputs from bindings. Inside a trace nothing is
run: the derivative becomes part of the outer graph, so derivatives nest to any order.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from descend.differentiate.arguments import Argnums, Point, name_of, trace_at
from descend.differentiate.batch import batch
from descend.differentiate.forward import forward
from descend.differentiate.reverse import reverse
from descend.errors import UsageError
from descend.graph.elementwise import call, cast
from descend.graph.linear import reshape, slice_, transpose
from descend.graph.node import Node, substitute
from descend.graph.source import const, input_node, iota
from descend.trace.context import Trace, current
from descend.trace.tensor import Tensor, as_node, wrap
from descend.trace.tree import flatten, unflatten

__all__ = ["Run", "delivered", "gradient", "hessian_vector", "jacobian", "pullback", "pushforward"]

Run = Callable[[Sequence[Node], Mapping[Node, Any]], Sequence[Any]]
Call = tuple[Sequence[Any], Mapping[str, Any]]


def delivered(
    outputs: Sequence[Node], inputs: Sequence[Node], values: Sequence[Any], trace: Trace, run: Run
) -> list[Any]:
    """The outputs for these values of the inputs: stand-ins in a trace, else numbers."""
    outer = current()
    if outer is None:
        bound = dict(zip(inputs, values, strict=True)) | dict(trace.captured)
        return [np.asarray(v)[()] for v in run(outputs, bound)]
    outer.bindings += trace.bindings
    outer.is_pure_capture = outer.is_pure_capture and trace.is_pure_capture
    actual = [as_node(v, n.dtype) for v, n in zip(values, inputs, strict=True)]
    return [wrap(o) for o in substitute(outputs, dict(zip(inputs, actual, strict=True)))]


def _finished(point: Point, outputs: Sequence[Node], run: Run) -> list[Any]:
    return delivered(outputs, point.inputs, point.values, point.trace, run)


def gradient(
    function: Callable[..., Any], argnums: Argnums, has_aux: bool, given: Call, run: Run
) -> tuple[Any, Any, Any]:
    """Value, gradient and other results of a function that returns one float."""
    point = trace_at(function, argnums, *given, has_aux)
    loss = _scalar_output(point)
    aux, form = point.aux or ([], None)
    gradients = reverse([loss], [const(1.0, loss.dtype)], point.inputs)
    results = _finished(point, [loss, *gradients, *aux], run)
    count = 1 + len(gradients)
    rest = None if form is None else unflatten(form, results[count:])
    return results[0], point.in_form(results[1:count]), rest


def _scalar_output(point: Point) -> Node:
    shapes = [o.shape for o in point.outputs]
    if shapes != [()]:
        what = f"an array of shape {shapes[0]}" if len(shapes) == 1 else f"{len(shapes)} arrays"
        raise UsageError(
            f"grad needs a function that returns one number; {point.name} returns {what}",
            remedy="reduce it (np.sum, np.mean), or use descend.jacobian",
        )
    return _float_output(point)[0]


def _float_output(point: Point) -> list[Node]:
    for output in point.outputs:
        if output.dtype.kind != "f":
            kind = "truth values" if output.dtype.kind == "b" else "integers"
            raise UsageError(
                f"{point.name} returns {kind}, which have no derivative",
                remedy="return floats; comparisons and rounding are constant almost everywhere",
            )
    return point.outputs


# --- jacobians ----------------------------------------------------------------------------------


def jacobian(
    function: Callable[..., Any],
    argnums: Argnums,
    given: Call,
    run: Run,
    mode: str | None = None,
) -> Any:
    """All derivatives of all outputs, by the mode that needs fewer passes unless one is named."""
    point = trace_at(function, argnums, *given)
    outputs = _float_output(point)
    n, m = sum(i.size for i in point.inputs), sum(o.size for o in outputs)
    ahead = n <= m if mode is None else mode == "forward"
    blocks = _by_columns(outputs, point.inputs) if ahead else _by_rows(outputs, point.inputs)
    results = _finished(point, [b for row in blocks for b in row], run)
    width = len(point.inputs)
    rows = [results[i * width : (i + 1) * width] for i in range(len(outputs))]
    return unflatten(point.tree, [point.in_form(row) for row in rows])


def _basis(leaves: Sequence[Node]) -> list[Node]:
    """For each leaf, its part of all unit vectors: shape (total, *leaf.shape)."""
    total, at, parts = sum(n.size for n in leaves), 0, []
    for leaf in leaves:
        shape = (total, leaf.size)
        column = call("add", iota(shape, 1), at)
        hot = cast(call("eq", iota(shape, 0), column), leaf.dtype)
        parts.append(reshape(hot, (total, *leaf.shape)))
        at += leaf.size
    return parts


def _many(
    made: Sequence[Node], seeds: Sequence[Node], leaves: Sequence[Node]
) -> tuple[list[Node], int]:
    basis = _basis(leaves)
    total = sum(n.size for n in leaves)
    many = [input_node("many", b.shape, b.dtype) for b in basis]
    stacked = batch(made, dict(zip(seeds, many, strict=True)), total)
    return substitute(stacked, dict(zip(many, basis, strict=True))), total


def _cut(stacked: Node, at: int, size: int) -> Node:
    starts = (at, *(0,) * (stacked.ndim - 1))
    stops = (at + size, *stacked.shape[1:])
    return slice_(stacked, starts, stops, (1,) * stacked.ndim)


def _by_columns(outputs: Sequence[Node], inputs: Sequence[Node]) -> list[list[Node]]:
    seeds = [input_node("tangent", n.shape, n.dtype) for n in inputs]
    stacked, _ = _many(forward(outputs, inputs, seeds), seeds, inputs)
    blocks = []
    for output, columns in zip(outputs, stacked, strict=True):
        row, at = [], 0
        for leaf in inputs:
            block = transpose(_cut(columns, at, leaf.size), (*range(1, columns.ndim), 0))
            row.append(reshape(block, (*output.shape, *leaf.shape)))
            at += leaf.size
        blocks.append(row)
    return blocks


def _by_rows(outputs: Sequence[Node], inputs: Sequence[Node]) -> list[list[Node]]:
    seeds = [input_node("cotangent", n.shape, n.dtype) for n in outputs]
    stacked, _ = _many(reverse(outputs, seeds, inputs), seeds, outputs)
    blocks, at = [], 0
    for output in outputs:
        blocks.append(
            [
                reshape(_cut(rows, at, output.size), (*output.shape, *leaf.shape))
                for rows, leaf in zip(stacked, inputs, strict=True)
            ]
        )
        at += output.size
    return blocks


# --- products with vectors ----------------------------------------------------------------------


def _vectors(
    given: Any, models: Sequence[Node], what: str, function: str
) -> tuple[list[Node], list[Any]]:
    """Fresh inputs for given tangents or cotangents, and their values; shapes must agree."""
    leaves, _ = flatten(given)
    if len(leaves) != len(models):
        raise UsageError(f"{function}: {len(leaves)} {what} given for {len(models)} arrays")
    values = []
    for leaf, model in zip(leaves, models, strict=True):
        value = leaf if isinstance(leaf, Tensor) else np.asarray(leaf, model.dtype)
        shape = value.node.shape if isinstance(value, Tensor) else value.shape
        if shape != model.shape:
            raise UsageError(
                f"{function}: one of the {what} has shape {shape}, its array {model.shape}",
                remedy=f"give the {what} the shapes of the arrays that they belong to",
            )
        values.append(value)
    return [input_node(what, n.shape, n.dtype) for n in models], values


def pushforward(
    function: Callable[..., Any], primals: Sequence[Any], tangents: Sequence[Any], run: Run
) -> tuple[Any, Any]:
    """The value of a function and its derivative along the tangents."""
    point = trace_at(function, range(len(primals)), primals, {})
    seeds, values = _vectors(list(tangents), point.inputs, "tangents", name_of(function))
    moved = forward(_float_output(point), point.inputs, seeds)
    results = delivered(
        [*point.outputs, *moved], [*point.inputs, *seeds], [*point.values, *values],
        point.trace, run,
    )  # fmt: skip
    half = len(point.outputs)
    return unflatten(point.tree, results[:half]), unflatten(point.tree, results[half:])


def pullback(
    function: Callable[..., Any], primals: Sequence[Any], run: Run
) -> tuple[Any, Callable[[Any], tuple[Any, ...]]]:
    """The value of a function, and the function that sends a cotangent of it back."""
    point = trace_at(function, range(len(primals)), primals, {})
    outputs = _float_output(point)

    def back(cotangent: Any) -> tuple[Any, ...]:
        seeds, values = _vectors(cotangent, outputs, "cotangents", name_of(function))
        sent = reverse(outputs, seeds, point.inputs)
        results = delivered(
            sent, [*point.inputs, *seeds], [*point.values, *values], point.trace, run
        )
        return tuple(point.in_form(results))

    return unflatten(point.tree, _finished(point, outputs, run)), back


def hessian_vector(
    function: Callable[..., Any], primals: Sequence[Any], tangents: Sequence[Any], run: Run
) -> Any:
    """The Hessian of a function times a vector: forward mode over reverse mode."""
    point = trace_at(function, range(len(primals)), primals, {})
    loss = _scalar_output(point)
    seeds, values = _vectors(list(tangents), point.inputs, "tangents", name_of(function))
    gradients = reverse([loss], [const(1.0, loss.dtype)], point.inputs)
    moved = forward(gradients, point.inputs, seeds)
    results = delivered(moved, [*point.inputs, *seeds], [*point.values, *values], point.trace, run)
    made = point.in_form(results)
    return made[0] if len(primals) == 1 else made


def stopped(tree: Any) -> Any:
    """The same values, as constants to every derivative."""
    leaves, form = flatten(tree)
    if not any(isinstance(leaf, Tensor) for leaf in leaves):
        return tree
    held = [
        wrap(call("stop_gradient", leaf.node)) if isinstance(leaf, Tensor) else leaf
        for leaf in leaves
    ]
    return unflatten(form, held)
