"""The shape of simplified graphs: what is gone, what must stay."""

import numpy as np
import pytest

from descend.differentiate.reverse import reverse
from descend.graph.check import check_graph
from descend.graph.elementwise import call
from descend.graph.evaluate import evaluate
from descend.graph.linear import broadcast_like, reduce_sum
from descend.graph.node import Dim, Node, postorder
from descend.graph.source import const, input_node, row_count
from descend.simplify.driver import simplify


def parabola(rows: int | Dim) -> tuple[list[Node], Node]:
    x, y = input_node("x", (rows,)), input_node("y", (rows,))
    weights = [input_node(f"w{i}") for i in range(3)]
    a, b, c = (broadcast_like(w, x) for w in weights)
    curve = call("add", call("add", call("mul", a, call("pow", x, 2.0)), call("mul", b, x)), c)
    squares = call("pow", call("sub", curve, y), 2.0)
    return [x, y, *weights], call("div", reduce_sum(squares, (0,)), row_count(rows))


@pytest.mark.parametrize("rows", [1, 100, Dim()])
def test_parabola_gradient_is_small_and_right(rows: int | Dim) -> None:
    inputs, loss = parabola(rows)
    raw = [loss, *reverse([loss], [const(1.0)], inputs[2:])]
    outputs = simplify(raw)
    check_graph(outputs)
    n = rows if isinstance(rows, int) else 7
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=n), rng.normal(size=n)
    w = rng.normal(size=3)
    got = evaluate(outputs, dict(zip(inputs, [x, y, *w], strict=True)))
    r = w[0] * x**2 + w[1] * x + w[2] - y
    expected = [np.mean(r**2), *(2 * np.mean(r * p) for p in (x**2, x, np.ones(n)))]
    np.testing.assert_allclose(got, expected, rtol=1e-13)
    names = [node.op.name for node in postorder(outputs)]
    assert not {"pow", "mul0", "neg"} & set(names)
    over_rows = [n.op.name for n in postorder(outputs) if n.shape and rows != 1]
    assert over_rows.count("mul") <= 6  # x², the model's two, r², and r times x² and x
    assert "div" not in over_rows
    assert simplify(outputs) == outputs
