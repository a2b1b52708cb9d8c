"""Derivatives of functions, as graphs: what is computed from a function traced at a point.

Each derivative here takes the point, and vectors where it is a product with vectors. What it
returns is run by others. Inside a trace nothing is run (`within`): the derivative becomes part of
the outer graph, so derivatives nest to any order.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from descend.differentiate.arguments import Point, like
from descend.differentiate.batch import batch
from descend.differentiate.forward import forward
from descend.differentiate.overflow import doubted
from descend.differentiate.reverse import reverse
from descend.errors import UsageError
from descend.graph.elementwise import call, cast, select
from descend.graph.linear import reduce_sum, reshape, slice_, transpose
from descend.graph.node import Node, substitute
from descend.graph.source import const, input_node, iota
from descend.lean import dataclass
from descend.trace.context import Trace, current
from descend.trace.tensor import Tensor, as_node, wrap
from descend.trace.tree import flatten, unflatten

__all__ = [
    "Derivative",
    "Derived",
    "gradient",
    "hessian_vector",
    "jacobian",
    "pullback",
    "pushforward",
    "stopped",
    "value",
    "value_and_gradient",
    "within",
]


@dataclass(frozen=True)
class Derived:
    """A derivative at a point, not yet run.

    Attributes:
        outputs: what must be computed.
        assemble: the outputs' values → what the caller is given.
        seeds: further inputs beside the point's: tangents or cotangents.
        values: what the caller gave for them.
    """

    outputs: list[Node]
    assemble: Callable[[Sequence[Any]], Any]
    seeds: Sequence[Node] = ()
    values: Sequence[Any] = ()


Derivative = Callable[[Point, Sequence[Any]], Derived]


def within(derived: Derived, point: Point) -> Any:
    """The result as part of the trace under way."""
    inputs, values = [*point.inputs, *derived.seeds], [*point.values, *derived.values]
    return derived.assemble(_delivered(derived.outputs, inputs, values, point.trace))


def _delivered(
    outputs: Sequence[Node], inputs: Sequence[Node], values: Sequence[Any], trace: Trace
) -> list[Any]:
    outer = current()
    assert outer is not None
    outer.captures.include(trace.captures)
    actual = [as_node(v, n.dtype) for v, n in zip(values, inputs, strict=True)]
    return [wrap(o) for o in substitute(outputs, dict(zip(inputs, actual, strict=True)))]


def value(point: Point, _vectors: Sequence[Any] = ()) -> Derived:
    """What the function returns."""
    tree = point.tree
    return Derived(_float_output(point), lambda results: unflatten(tree, results))


def gradient(point: Point, _vectors: Sequence[Any] = ()) -> Derived:
    """The gradient of a function that returns one float, with its other results if it has any."""
    form, aux, others = point.form, *_others(point)
    gradients = _gradients(point)
    count = len(gradients)

    def assemble(results: Sequence[Any]) -> Any:
        found = form(results[:count])
        return found if others is None else (found, unflatten(others, results[count:]))

    return Derived([*gradients, *aux], assemble)


def value_and_gradient(point: Point, _vectors: Sequence[Any] = ()) -> Derived:
    """The same after the function's value."""
    form, aux, others = point.form, *_others(point)
    gradients = _gradients(point)
    count = 1 + len(gradients)

    def assemble(results: Sequence[Any]) -> Any:
        found = form(results[1:count])
        if others is None:
            return results[0], found
        return (results[0], unflatten(others, results[count:])), found

    return Derived([*point.outputs, *gradients, *aux], assemble)


def _others(point: Point) -> tuple[list[Node], Any]:
    return ([], None) if point.aux is None else point.aux


def _gradients(point: Point) -> list[Node]:
    loss = _scalar_output(point)
    found = reverse([loss], [const(1.0, loss.dtype)], point.inputs)
    return doubted(found, loss, [loss])


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


def _moved(outputs: Sequence[Node], inputs: Sequence[Node], seeds: Sequence[Node]) -> list[Node]:
    """Forward mode, undefined where an output is not finite."""
    moved = forward(outputs, inputs, seeds)
    return [doubted([t], o, [o])[0] for t, o in zip(moved, outputs, strict=True)]


def _sent(outputs: Sequence[Node], seeds: Sequence[Node], inputs: Sequence[Node]) -> list[Node]:
    """Reverse mode, undefined where an output that was asked for is not finite."""
    sent = reverse(outputs, seeds, inputs)
    for o, s in zip(outputs, seeds, strict=True):
        asked = reduce_sum(select(call("ne", s, 0.0), o, 0.0), tuple(range(o.ndim)))
        sent = doubted(sent, asked, [o])
    return sent


# --- jacobians ----------------------------------------------------------------------------------


def jacobian(point: Point, _vectors: Sequence[Any] = (), mode: str | None = None) -> Derived:
    """All derivatives of all outputs, by the mode that needs fewer passes unless one is named."""
    outputs = _float_output(point)
    n, m = sum(i.size for i in point.inputs), sum(o.size for o in outputs)
    ahead = n <= m if mode is None else mode == "forward"
    blocks = _by_columns(outputs, point.inputs) if ahead else _by_rows(outputs, point.inputs)
    width, form, tree = len(point.inputs), point.form, point.tree
    starts = [i * width for i in range(len(outputs))]

    def assemble(results: Sequence[Any]) -> Any:
        return unflatten(tree, [form(results[i : i + width]) for i in starts])

    return Derived([b for row in blocks for b in row], assemble)


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
    moved = _moved(outputs, inputs, seeds)
    stacked, _ = _many(moved, seeds, inputs)
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
    stacked, _ = _many(_sent(outputs, seeds, inputs), seeds, outputs)
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


def _seeds(
    given: Any, models: Sequence[Node], what: str, function: str
) -> tuple[list[Node], list[Any]]:
    """Fresh inputs for given tangents or cotangents, and their values; shapes must agree."""
    leaves, _ = flatten(given)
    if len(leaves) != len(models):
        raise UsageError(f"{function}: {len(leaves)} {what} given for {len(models)} arrays")
    values = []
    for leaf, model in zip(leaves, models, strict=True):
        held = leaf if isinstance(leaf, Tensor) else np.asarray(leaf, model.dtype)
        shape = held.node.shape if isinstance(held, Tensor) else held.shape
        if shape != model.shape:
            raise UsageError(
                f"{function}: one of the {what} has shape {shape}, its array {model.shape}",
                remedy=f"give the {what} the shapes of the arrays that they belong to",
            )
        values.append(held)
    return [input_node(what, n.shape, n.dtype) for n in models], values


def pushforward(point: Point, tangents: Sequence[Any]) -> Derived:
    """The value of a function and its derivative along the tangents."""
    seeds, values = _seeds(list(tangents), point.inputs, "tangents", point.name)
    moved = _moved(_float_output(point), point.inputs, seeds)
    half, tree = len(moved), point.tree

    def assemble(results: Sequence[Any]) -> Any:
        return unflatten(tree, results[:half]), unflatten(tree, results[half:])

    return Derived([*point.outputs, *moved], assemble, seeds, values)


def pullback(point: Point, cotangent: Any) -> Derived:
    """What a cotangent of the value becomes on its way back: one cotangent per argument."""
    outputs, form = _float_output(point), point.form
    seeds, values = _seeds(like(point.tree, cotangent), outputs, "cotangents", point.name)
    sent = _sent(outputs, seeds, point.inputs)
    return Derived(sent, lambda results: tuple(form(results)), seeds, values)


def hessian_vector(point: Point, tangents: Sequence[Any]) -> Derived:
    """The Hessian of a function times a vector: forward mode over reverse mode."""
    gradients, form = _gradients(point), point.form
    seeds, values = _seeds(list(tangents), point.inputs, "tangents", point.name)
    moved = _moved(gradients, point.inputs, seeds)
    alone = len(form.trees) == 1

    def assemble(results: Sequence[Any]) -> Any:
        made = form(results)
        return made[0] if alone else made

    return Derived(moved, assemble, seeds, values)


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
