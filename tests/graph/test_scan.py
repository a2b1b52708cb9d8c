"""The loop that stays a loop, against the same loop unrolled."""

from collections.abc import Callable

import numpy as np
import pytest

from descend.differentiate.batch import batch
from descend.differentiate.forward import forward
from descend.differentiate.reverse import reverse
from descend.graph.check import check_graph
from descend.graph.elementwise import call
from descend.graph.evaluate import evaluate
from descend.graph.linear import reshape, slice_
from descend.graph.node import Node
from descend.graph.scan import scan_nodes
from descend.graph.source import input_node
from descend.graph.subgraph import Body
from descend.simplify.driver import simplify

LENGTH = 4
Inputs = tuple[Node, ...]


def step(h: Node, k: Node, x: Node, w: Node) -> tuple[Node, Node, Node]:
    """Two carried values, one output; the second carry depends on the first."""
    new_h = call("tanh", call("add", call("mul", h, w), x))
    new_k = call("add", call("mul", k, new_h), x)
    return new_h, new_k, call("mul", call("sin", new_k), w)


def slice_of(xs: Node, t: int) -> Node:
    return reshape(slice_(xs, (t, 0), (t + 1, 2), (1, 1)), (2,))


def looped(h: Node, k: Node, xs: Node, w: Node, backward: bool) -> list[Node]:
    inputs = tuple(input_node(name, (2,)) for name in ("h", "k", "x", "w"))
    body = Body(inputs, step(*inputs))
    final_h, final_k, ys = scan_nodes(body, [h, k], [xs], [w], LENGTH, backward)
    return [final_h, final_k, *(slice_of(ys, t) for t in range(LENGTH))]


def unrolled(h: Node, k: Node, xs: Node, w: Node, backward: bool) -> list[Node]:
    ys = {}
    for t in reversed(range(LENGTH)) if backward else range(LENGTH):
        h, k, ys[t] = step(h, k, slice_of(xs, t), w)
    return [h, k, *(ys[t] for t in range(LENGTH))]


def fresh() -> list[Node]:
    return [input_node(n, s) for n, s in (("h", (2,)), ("k", (2,)), ("xs", (4, 2)), ("w", (2,)))]


def values(inputs: list[Node], seed: int = 0) -> dict[Node, np.ndarray]:
    rng = np.random.default_rng(seed)
    return {n: rng.normal(size=n.shape) for n in inputs}


Make = Callable[..., list[Node]]


def first_order(make: Make, inputs: list[Node], backward: bool) -> list[Node]:
    outputs = make(*inputs, backward)
    seeds = [call("cos", o) for o in outputs]
    back = reverse(outputs, seeds, inputs)
    ahead = forward(outputs, inputs, [call("sin", n) for n in inputs])
    return [*outputs, *back, *ahead]


def second_order(make: Make, inputs: list[Node], backward: bool) -> list[Node]:
    outputs = make(*inputs, backward)
    back = reverse(outputs, [call("cos", o) for o in outputs], inputs)
    tangents = [call("sin", n) for n in inputs]
    return [*forward(back, inputs, tangents), *reverse(back, tangents, inputs)]


@pytest.mark.parametrize("backward", [False, True])
@pytest.mark.parametrize("order", [first_order, second_order])
def test_derivatives_equal_those_of_the_unrolled_loop(order: Make, backward: bool) -> None:
    inputs = fresh()
    loop, flat = order(looped, inputs, backward), order(unrolled, inputs, backward)
    assert check_graph(loop) > 0
    given = values(inputs)
    expected = evaluate(flat, given)
    for name, graph in (("as built", loop), ("simplified", simplify(loop))):
        got = evaluate(graph, given)
        for g, e in zip(got, expected, strict=True):
            np.testing.assert_allclose(g, e, rtol=1e-12, atol=1e-14, err_msg=name)


@pytest.mark.parametrize("which", range(4))
def test_a_derivative_for_one_argument_alone(which: int) -> None:
    inputs = fresh()
    given = values(inputs)
    got, expected = (
        evaluate(reverse(out, [call("cos", o) for o in out], [inputs[which]]), given)[0]
        for out in (looped(*inputs, False)[2:], unrolled(*inputs, False)[2:])
    )
    np.testing.assert_allclose(got, expected, rtol=1e-12)


@pytest.mark.parametrize("batched", [(0,), (2,), (3,), (1, 2), (0, 1, 2, 3)])
def test_many_loops_at_once(batched: tuple[int, ...]) -> None:
    inputs, cases = fresh(), 3
    given = values(inputs)
    many = {inputs[i]: input_node("many", (cases, *inputs[i].shape)) for i in batched}
    stacked = values(list(many.values()), 1)
    outputs = looped(*inputs, False)
    together = evaluate(batch(outputs, many, cases), given | stacked)
    for case in range(cases):
        alone = evaluate(outputs, given | {n: stacked[many[n]][case] for n in many})
        for got, expected in zip(together, alone, strict=True):
            np.testing.assert_allclose(got[case], expected, rtol=1e-14)


def test_the_loop_goes_back_once_for_all_its_results() -> None:
    inputs = fresh()
    outputs = looped(*inputs, False)
    back = reverse(outputs, [call("cos", o) for o in outputs], inputs)
    seen, stack = set(), list(back)
    while stack:
        node = stack.pop()
        if node not in seen:
            seen.add(node)
            stack += node.args
    loops = {(n.args, n.attrs["body"]) for n in seen if n.op.name == "scan"}
    assert len(loops) == 3  # forward for the cotangents, forward that stores, backward
