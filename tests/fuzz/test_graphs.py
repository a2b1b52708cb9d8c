"""Random graphs: compiled, simplified and differentiated, against the interpreter and NumPy."""

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis.strategies import DataObject, data, lists, sampled_from

from descend.compile.function import compile_graph
from descend.differentiate.forward import forward
from descend.differentiate.reverse import reverse
from descend.graph.check import check_graph
from descend.graph.elementwise import call, cast, full_like
from descend.graph.evaluate import Again, Prepared, evaluate
from descend.graph.linear import reduce_sum
from descend.graph.node import Node
from descend.graph.source import iota
from descend.graph.text import graph_text
from descend.simplify.driver import simplify
from fuzz.complex_step import slopes
from fuzz.graphs import Graph, graphs
from fuzz.last import remember
from fuzz.rounding import Expected, check_close, expect, mismatch
from whole import WHOLE

pytestmark = pytest.mark.fuzz


def shown(graph: Graph) -> str:
    return "\n" + graph_text(graph.outputs) + f"\nat {graph.values}"


def fewer(parts: int) -> settings:
    """A part of the examples that other tests have."""
    return settings(max_examples=max(settings.default.max_examples // parts, 1))


@given(graphs())
def test_compiled_graphs_equal_interpreted_ones(graph: Graph) -> None:
    remember(shown(graph))
    check_graph(graph.outputs)
    want = expect(graph.outputs, graph.bindings)
    check_close(compile_graph(graph.outputs, graph.inputs)(graph.values), want)


@given(graphs(finite=True))
def test_simplified_graphs_mean_the_same(graph: Graph) -> None:
    simple = simplify(graph.outputs)
    assert check_graph(simple) > 0
    assert simplify(simple) == simple
    want = expect(graph.outputs, graph.bindings, also=[simple])
    check_close(evaluate(simple, graph.bindings), want)


@given(graphs(), data())
def test_what_stays_the_same_is_evaluated_once_and_nothing_changes(graph: Graph, d: DataObject):
    stays = d.draw(lists(sampled_from(graph.inputs), unique=True)) if graph.inputs else []
    known = {node: graph.bindings[node] for node in stays}
    others = {node: a for node, a in graph.bindings.items() if node not in known}
    again = Again(Prepared(graph.outputs, graph.bindings), known, {})
    want = evaluate(graph.outputs, graph.bindings)
    for _ in range(3):
        for found, value in zip(again(others), want, strict=True):
            np.testing.assert_array_equal(found, value)


# --- derivatives --------------------------------------------------------------------------------


def pattern(x: Node, number: int) -> Node:
    """Numbers between −1 and 1 that differ from element to element (of exact products)."""
    total = full_like(x, number + 1.0)
    for axis in range(x.ndim):
        count = cast(iota(x.shape, axis), x.dtype)
        total = call("add", total, call("mul", count, 0.75 + 1.25 * axis))
    return call("cos", total)


def inner(a: Sequence[Node], b: Sequence[Node]) -> list[Node]:
    return [reduce_sum(call("mul", x, y), tuple(range(x.ndim))) for x, y in zip(a, b, strict=True)]


def by_steps(expected: Expected, step: tuple[np.ndarray, np.ndarray]) -> Expected:
    """The complex step in place of a value, judged where both are finite."""
    value, error = step
    judged = expected.decided & np.isfinite(expected.value) & np.isfinite(value)
    with np.errstate(over="ignore"):
        allowed = 8 * expected.allowed + 16 * np.nan_to_num(error) + 1e-13 * np.abs(value) + 1e-300
    return Expected(value, np.nan_to_num(allowed), judged)


@given(graphs(smooth=True))
def test_derivatives_of_smooth_graphs(graph: Graph) -> None:
    """Forward mode equals the complex step; reverse mode is its transpose."""
    outputs, inputs = graph.outputs, graph.inputs
    tangents = [pattern(x, i) for i, x in enumerate(inputs)]
    cotangents = [pattern(o, i) for i, o in enumerate(outputs)]
    ahead = forward(outputs, inputs, tangents)
    back = reverse(outputs, cotangents, inputs)
    check_graph([*ahead, *back])
    sums = [*inner(cotangents, ahead), *inner(back, tangents)]
    bindings = graph.bindings
    want = expect([*ahead, *sums], bindings)
    along = dict(zip(inputs, evaluate(tangents, bindings), strict=True))
    steps = slopes(outputs, bindings, along)
    for got, expected, step in zip(want, want, steps, strict=False):
        text = mismatch(np.asarray(got.value), by_steps(expected, step))
        assert not text, text + shown(graph)
    by_outputs, by_inputs = want[len(ahead) :][: len(outputs)], want[-len(inputs) :]
    if not all(np.isfinite(w.value) and w.decided for w in (*by_outputs, *by_inputs)):
        return
    gap = abs(sum(w.value for w in by_outputs) - sum(w.value for w in by_inputs))
    allowed = sum(w.allowed + 1e-13 * abs(w.value) for w in (*by_outputs, *by_inputs))
    assert gap <= allowed, f"{gap} of {allowed}" + shown(graph)


@fewer(1 if WHOLE else 3)
@given(graphs(smooth=True))
def test_compiled_derivatives(graph: Graph) -> None:
    """First and second derivatives: simplified and compiled, against the interpreter."""
    remember(shown(graph))
    outputs, inputs = graph.outputs, graph.inputs
    back = reverse(outputs, [pattern(o, i) for i, o in enumerate(outputs)], inputs)
    twice = forward(back, inputs, [pattern(x, i) for i, x in enumerate(inputs)])
    raw = [*outputs, *back, *twice]
    simple = simplify(raw, final=True)
    check_graph(simple)
    bindings = graph.bindings
    want = expect(raw, bindings, also=[simple])
    finite = [Expected(w.value, w.allowed, w.decided & np.isfinite(w.value)) for w in want]
    check_close(evaluate(simple, bindings), finite)
    check_close(compile_graph(simple, inputs)(graph.values), finite)


@fewer(4)
@given(graphs(smooth=True))
def test_second_derivatives(graph: Graph) -> None:
    """Forward over reverse, and reverse over reverse, equal the complex step of the gradient."""
    outputs, inputs = graph.outputs, graph.inputs
    back = reverse(outputs, [pattern(o, i) for i, o in enumerate(outputs)], inputs)
    directions = [pattern(x, i + 3) for i, x in enumerate(inputs)]
    twice = forward(back, inputs, directions)
    bindings = graph.bindings
    want = expect(twice, bindings)
    along = dict(zip(inputs, evaluate(directions, bindings), strict=True))
    for expected, step in zip(want, slopes(back, bindings, along), strict=True):
        text = mismatch(expected.value, by_steps(expected, step))
        assert not text, text + shown(graph)
