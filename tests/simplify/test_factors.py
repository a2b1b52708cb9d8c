"""Factors that leave sums: when they do, that values stay, and that guards do."""

from collections.abc import Callable

import numpy as np
import pytest

from descend.differentiate.reverse import reverse
from descend.graph.check import check_graph
from descend.graph.elementwise import call, full_like
from descend.graph.evaluate import evaluate
from descend.graph.linear import broadcast, broadcast_like, reduce_sum
from descend.graph.multilinear import contract
from descend.graph.node import Dim, Node, postorder
from descend.graph.source import const, input_node, row_count
from descend.graph.text import graph_text
from descend.simplify.driver import simplify

ROWS = Dim()
N = 11
RNG = np.random.default_rng(5)


def over(x: Node, c: Node) -> Node:
    return broadcast_like(c, x)


Build = Callable[[Node, Node, Node], Node]
LEAVING: dict[str, Build] = {
    "c · x": lambda x, y, c: call("mul", over(x, c), x),
    "x · c · y": lambda x, y, c: call("mul", call("mul", x, over(x, c)), y),
    "x / c": lambda x, y, c: call("div", x, over(x, c)),
    "(c · x) / y": lambda x, y, c: call("div", call("mul", over(x, c), x), y),
    "3 · x · c · y · 2": lambda x, y, c: call(
        "mul", call("mul", call("mul", x, 3.0), over(x, c)), call("mul", y, 2.0)
    ),
    "mul0(c · x, exp y)": lambda x, y, c: call(
        "mul0", call("mul", over(x, c), x), call("exp", y)
    ),
    "mul0(x, c)": lambda x, y, c: call("mul0", x, over(x, c)),
}  # fmt: skip


@pytest.mark.parametrize("name", LEAVING)
@pytest.mark.parametrize("rows", [N, ROWS])
def test_a_factor_leaves_the_sum(name: str, rows: int | Dim) -> None:
    x, y, c = input_node("x", (rows,)), input_node("y", (rows,)), input_node("c")
    out = reduce_sum(LEAVING[name](x, y, c), (0,))
    (smaller,) = simplify([out])
    check_graph([smaller])
    over_rows = [n for n in postorder([smaller]) if n.shape]
    assert not any(n.op.name == "broadcast" for n in over_rows), graph_text([smaller])
    given = {x: RNG.normal(size=N), y: RNG.normal(size=N), c: np.array(0.7)}
    np.testing.assert_allclose(
        evaluate([smaller], given), evaluate([out], given), rtol=1e-13, atol=1e-15
    )
    assert simplify([smaller]) == [smaller]


def test_a_factor_of_the_kept_axes_leaves_too() -> None:
    x, c = input_node("x", (ROWS, 3)), input_node("c", (3,))
    out = reduce_sum(call("mul", x, broadcast(c, x.shape, (1,))), (0,))
    (smaller,) = simplify([out])
    assert smaller == call("mul", reduce_sum(x, (0,)), c)
    stays = reduce_sum(call("mul", x, broadcast(c, x.shape, (1,))), (1,))
    assert simplify([stays]) == [stays]


def test_a_contraction_to_few_elements_is_scaled_afterwards() -> None:
    x, r, c = input_node("x", (ROWS, 3)), input_node("r", (ROWS,)), input_node("c")
    scaled = call("mul", r, over(r, c))
    (smaller,) = simplify([contract(x, scaled, (0, 1), (0,), (1,))])
    assert smaller.op.name == "mul"
    assert smaller.shape == (3,)
    given = {x: RNG.normal(size=(N, 3)), r: RNG.normal(size=N), c: np.array(0.7)}
    want = 0.7 * given[x].T @ given[r]
    np.testing.assert_allclose(evaluate([smaller], given)[0], want, rtol=1e-13)
    wide = input_node("wide", (ROWS, 100))
    kept = contract(wide, scaled, (0, 1), (0,), (1,))
    assert simplify([kept]) == [kept]


def test_a_branch_not_taken_stays_guarded() -> None:
    """c = 0 sends nothing back, even where the partial derivative is infinite."""
    x, c = input_node("x", (ROWS,)), input_node("c")
    out = reduce_sum(call("mul0", call("mul", over(x, c), x), call("exp", x)), (0,))
    (smaller,) = simplify([out])
    given = {x: np.array([1.0, 2000.0]), c: np.array(0.0)}
    assert evaluate([out], given)[0] == evaluate([smaller], given)[0] == 0.0


@pytest.mark.parametrize("model", ["parabola", "exponential"])
def test_the_mean_of_squares_leaves_no_factor_to_the_rows(model: str) -> None:
    x, y = input_node("x", (ROWS,)), input_node("y", (ROWS,))
    a, b, c = (input_node(n) for n in "abc")
    if model == "parabola":
        first = call("mul", over(x, a), call("pow", x, 2.0))
        inner = call("add", first, call("mul", over(x, b), x))
    else:
        inner = call("mul", over(x, a), call("exp", call("mul", over(x, call("neg", b)), x)))
    r = call("sub", call("add", inner, over(x, c)), y)
    total = reduce_sum(call("pow", r, 2.0), (0,))
    loss = call("div", total, row_count(ROWS))
    outputs = simplify([loss, *reverse([loss], [const(1.0)], [a, b, c])])
    constants = [
        n for n in postorder(outputs)
        if n.shape and n.op.name == "broadcast" and n.args[0] not in (a, b, c, call("neg", b))
    ]  # fmt: skip
    assert not constants, graph_text(outputs)
    sums = [n.args[0] for n in postorder(outputs) if n.op.name == "sum"]
    assert call("sub", call("add", simplify([inner])[0], over(x, c)), y) in sums
    assert full_like(x, 2.0) not in postorder(outputs)
