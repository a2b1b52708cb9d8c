"""The walks themselves: what is recorded for `explain`, joined pieces, long chains, open rows."""

import sys

import numpy as np
import pytest

from descend.differentiate.batch import batch
from descend.differentiate.forward import forward
from descend.differentiate.reverse import Step, reverse
from descend.errors import InternalError
from descend.graph.check import check_graph
from descend.graph.elementwise import call
from descend.graph.evaluate import evaluate
from descend.graph.linear import reduce_sum, reshape, slice_
from descend.graph.node import Dim, Node, RowsAsked, postorder
from descend.graph.source import const, input_node
from descend.simplify.driver import simplify


def test_every_step_of_the_backward_pass_is_recorded() -> None:
    """y = (x · x) · sin x at x = 2: x is used three times."""
    x = input_node("x")
    square, sine = call("mul", x, x), call("sin", x)
    y = call("mul", square, sine)
    record: list[Step] = []
    (g,) = reverse([y], [const(1.0)], [x], record)
    assert record[0].node is y
    assert record[-1].node is x
    assert {step.node for step in record} == {y, square, sine, x}
    by_node = {step.node: step for step in record}
    at = {x: np.array(2.0)}
    (last,) = (step for step in record if step.node is x)
    assert len(last.summands) == 3
    assert last.incoming is g
    assert last.contributions == ()
    values = evaluate([*last.summands, g], at)
    assert values[-1] == pytest.approx(2 * 2 * np.sin(2.0) + 4 * np.cos(2.0), rel=1e-15)
    assert sum(values[:-1]) == pytest.approx(values[-1], rel=1e-15)
    first, second = by_node[y].contributions
    assert (first.argument, first.position) == (square, 0)
    assert (second.argument, second.position) == (sine, 1)
    assert first.local is not None and second.local is not None
    local, sent = evaluate([first.local, first.sent], at)
    assert local == sent == np.sin(2.0)
    assert evaluate([second.local], at)[0] == 4.0


def test_nodes_that_do_not_matter_are_not_visited() -> None:
    x, z = input_node("x"), input_node("z")
    record: list[Step] = []
    out = call("mul", call("exp", z), call("sin", x))
    gx, gz = reverse([out], [const(1.0)], [x, z])
    reverse([out], [const(1.0)], [x], record)
    assert all(step.node.op.name not in ("exp",) for step in record)
    assert evaluate([gx, gz], {x: np.array(0.0), z: np.array(0.0)}) == [1.0, 0.0]


def test_without_dependence_the_gradient_is_zero() -> None:
    x, z = input_node("x", (2, 3)), input_node("z")
    (g,) = reverse([z], [const(1.0)], [x])
    (t,) = forward([z], [x], [x])
    assert g.shape == (2, 3)
    assert not evaluate([g, t], {})[0].any()


def test_inner_nodes_can_be_differentiated_for() -> None:
    x = input_node("x")
    middle = call("exp", x)
    (g,) = reverse([call("mul", middle, call("sin", middle))], [const(1.0)], [middle])
    (value,) = evaluate([g], {x: np.array(0.0)})
    assert value == pytest.approx(np.sin(1.0) + np.cos(1.0), rel=1e-15)


def test_elements_read_one_by_one_are_joined() -> None:
    n = 400
    x = input_node("x", (n,))
    parts = [reshape(slice_(x, (i,), (i + 1,), (1,)), ()) for i in range(n) if i != 7]
    loss = parts[0]
    for i, part in enumerate(parts[1:]):
        loss = call("add", loss, call("sin", part) if i % 2 else call("mul", part, part))
    (g,) = reverse([loss], [const(1.0)], [x])
    vectors = [m for m in postorder([g]) if m.shape == (n,) and m is not x]
    assert [m.op.name for m in vectors] == ["concatenate"]
    values = np.linspace(-1.0, 1.0, n)
    (got,) = evaluate([g], {x: values})
    left = [i for i in range(n) if i != 7]
    expected = np.zeros(n)
    expected[0] = 1.0
    for k, i in enumerate(left[1:]):
        expected[i] = np.cos(values[i]) if k % 2 else 2 * values[i]
    np.testing.assert_allclose(got, expected, rtol=1e-15)


@pytest.mark.parametrize("overlap", [0, 1])
def test_windows_that_overlap_are_added(overlap: int) -> None:
    x = input_node("x", (6,))
    first, second = slice_(x, (0,), (3,), (1,)), slice_(x, (3 - overlap,), (6 - overlap,), (1,))
    loss = reduce_sum(call("mul", call("sin", first), second), (0,))
    (g,) = reverse([loss], [const(1.0)], [x])
    v = np.arange(6.0)
    a, b = v[:3], v[3 - overlap : 6 - overlap]
    expected = np.zeros(6)
    expected[:3] += np.cos(a) * b
    expected[3 - overlap : 6 - overlap] += np.sin(a)
    np.testing.assert_allclose(evaluate([g], {x: v})[0], expected, rtol=1e-15)


def test_mismatched_cotangents_are_refused() -> None:
    x = input_node("x", (3,))
    with pytest.raises(InternalError, match="cotangent"):
        reverse([x], [const(1.0)], [x])
    with pytest.raises(InternalError, match="tangent"):
        forward([x], [x], [const(1.0)])
    with pytest.raises(InternalError, match="does not hold 4 cases"):
        batch([x], {x: input_node("many", (5, 3))}, 4)


def chain(length: int) -> list[Node]:
    x = input_node("x")
    node = x
    for i in range(length):
        node = call("sin" if i % 3 else "exp", node)
    return [node, *reverse([node], [const(1.0)], [x]), *forward([node], [x], [const(1.0)])]


def calls_made(outputs: list[Node]) -> int:
    """How many functions are called while a graph is simplified: the same on every machine."""
    calls = 0

    def count(_frame: object, event: str, _arg: object) -> None:
        nonlocal calls
        calls += event in ("call", "c_call")

    sys.setprofile(count)
    try:
        simplify(outputs)
    finally:
        sys.setprofile(None)
    return calls


def test_work_is_linear_in_the_length_and_no_recursion_happens() -> None:
    short, long = chain(1_000), chain(8_000)
    simplify(short)
    assert len(postorder(simplify(long))) > 8_000
    assert calls_made(long) < 8 * 1.1 * calls_made(short)


def folded(length: int) -> list[Node]:
    """Branches that meet again and again: as many ways through them as 2 to the length."""
    x = input_node("x")
    node = x
    for _ in range(length):
        node = call("add", call("abs", node), call("sqrt", call("max", node, x)))
    gradient = reverse([node], [const(1.0)], [x])
    return [node, *gradient, *forward([node], [x], [const(1.0)])]


def test_conditions_of_branches_are_made_once_and_without_recursion() -> None:
    short, long = (postorder(folded(length)) for length in (200, 2000))
    assert len(long) < 10 * 1.2 * len(short)


def test_a_new_axis_of_unknown_extent() -> None:
    rows = Dim()
    x, w = input_node("x", (3,)), input_node("w", (3,))
    out = reduce_sum(call("mul", call("tanh", x), w), (0,))
    many = input_node("many", (rows, 3))
    outputs = batch([out, *reverse([out], [const(1.0)], [w])], {x: many}, rows)
    check_graph(outputs)
    values, weights = np.random.default_rng(0).normal(size=(5, 3)), np.array([1.0, 2.0, 3.0])
    got = evaluate(simplify(outputs), {many: values, w: weights})
    np.testing.assert_allclose(got[0], np.tanh(values) @ weights, rtol=1e-14)
    np.testing.assert_allclose(got[1], np.tanh(values), rtol=1e-15)
    joined = slice_(x, (0,), (2,), (1,))
    assert batch([joined], {x: many}, rows)[0].shape == (rows, 2)
    flat = reshape(input_node("m", (2, 3)), (6,))
    assert batch([flat], {flat.args[0]: input_node("ms", (rows, 2, 3))}, rows)[0].shape == (rows, 6)
    with pytest.raises(RowsAsked, match="needs the number of rows"):
        reshape(many, (3, 5))
