"""Loops after simplification: one where there were two, and nothing in them that nobody reads."""

import numpy as np

from descend.differentiate.reverse import reverse
from descend.graph.check import check_graph
from descend.graph.elementwise import call
from descend.graph.evaluate import evaluate
from descend.graph.node import Node, postorder
from descend.graph.scan import scan_nodes
from descend.graph.source import const, input_node
from descend.graph.subgraph import Body, group_key
from descend.simplify.driver import simplify


def loops(outputs: list[Node]) -> list[Body]:
    found = {group_key(n): n.attrs["body"] for n in postorder(outputs) if n.op.name == "scan"}
    return list(found.values())


def three_carries() -> tuple[list[Node], list[Node]]:
    """a → a · w, b → b + a, c → c + 1: b needs a, nobody needs c."""
    a, b, c, x, w = (input_node(n) for n in "abcxw")
    outputs = (call("mul", a, w), call("add", b, a), call("add", c, 1.0), call("mul", b, x))
    body = Body((a, b, c, x, w), outputs)
    init = [input_node(n) for n in ("a0", "b0", "c0")]
    xs, fixed = input_node("xs", (5,)), input_node("w0")
    return [*init, xs, fixed], scan_nodes(body, init, [xs], [fixed], 5)


def test_unread_results_and_their_carries_go() -> None:
    inputs, results = three_carries()
    given = dict(zip(inputs, [1.0, 2.0, 3.0, np.arange(5.0), 1.1], strict=True))
    given = {n: np.asarray(v) for n, v in given.items()}
    for read, inputs_left in (([1], 3), ([0], 2), ([3], 4), ([2], 1), ([0, 1, 2, 3], 5)):
        outputs = [results[i] for i in read]
        smaller = simplify(outputs)
        check_graph(smaller)
        (body,) = loops(smaller)
        assert len(body.inputs) == inputs_left
        for got, want in zip(evaluate(smaller, given), evaluate(outputs, given), strict=True):
            np.testing.assert_array_equal(got, want)
        assert simplify(smaller) == smaller


def test_value_and_gradient_run_the_loop_once_forward_and_once_back() -> None:
    inputs, results = three_carries()
    back = reverse([results[1]], [const(1.0)], inputs)
    outputs = [results[1], *back]
    assert len(loops(outputs)) == 3
    smaller = simplify(outputs)
    check_graph(smaller)
    assert len(loops(smaller)) == 2
    given = dict(zip(inputs, [1.0, 2.0, 3.0, np.arange(5.0), 1.1], strict=True))
    given = {n: np.asarray(v) for n, v in given.items()}
    for got, want in zip(evaluate(smaller, given), evaluate(outputs, given), strict=True):
        np.testing.assert_allclose(got, want, rtol=1e-14)


def test_loops_on_top_of_one_another() -> None:
    inputs, results = three_carries()
    a, x, w = (input_node(n) for n in "axw")
    second = scan_nodes(
        Body((a, x, w), (call("add", call("mul", a, x), w), a)), [results[0]], [results[3]],
        [results[1]], 5,
    )  # fmt: skip
    outputs = [second[0], *reverse([second[0]], [const(1.0)], inputs)]
    smaller = simplify(outputs)
    check_graph(smaller)
    given = dict(zip(inputs, [1.0, 2.0, 3.0, np.arange(5.0), 1.1], strict=True))
    given = {n: np.asarray(v) for n, v in given.items()}
    for got, want in zip(evaluate(smaller, given), evaluate(outputs, given), strict=True):
        np.testing.assert_allclose(got, want, rtol=1e-13)
    assert len(loops(smaller)) == 4
