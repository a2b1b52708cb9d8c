"""The judges themselves: what must pass them passes, and planted errors do not."""

import numpy as np
import pytest

from descend.graph.elementwise import call, cast
from descend.graph.linear import reduce_sum, transpose
from descend.graph.node import Node
from descend.graph.source import input_node
from fuzz.complex_step import slopes
from fuzz.graphs import build_graph
from fuzz.rounding import expect, mismatch

X = np.linspace(0.3, 2.0, 40)
EPS = np.finfo(float).eps


def judged(out: Node, x: Node, got: np.ndarray, given: np.ndarray = X) -> str:
    return mismatch(np.asarray(got), expect([out], {x: given})[0])


def test_exact_graphs_have_no_room() -> None:
    x = input_node("x", (40,))
    out = call("sub", call("add", x, 0.1), call("sqrt", x))
    right = X + 0.1 - np.sqrt(X)
    assert not judged(out, x, right)
    wrong = right.copy()
    wrong[7] = np.nextafter(wrong[7], 9)
    assert "at (7,)" in judged(out, x, wrong)


def test_products_may_be_fused_and_sums_reordered() -> None:
    x = input_node("x", (40,))
    out = call("add", call("mul", x, x), 0.1)
    fused = (X.astype(np.longdouble) ** 2 + 0.1).astype(float)
    assert not judged(out, x, fused)
    assert judged(out, x, fused * (1 + 40 * EPS))
    total = reduce_sum(call("mul", x, x), (0,))
    assert not judged(total, x, sum((X**2)[::-1].tolist()))
    assert judged(total, x, np.sum(X**2) * (1 + 200 * EPS))
    assert judged(total, x, np.sum(X[:-1] ** 2))


def test_condition_counts() -> None:
    """What cancellation has lost is not asked for, and no more than that."""
    x = input_node("x", (40,))
    lost = call("sub", call("exp", x), call("exp", call("add", x, 1e-9)))
    right = np.exp(X) - np.exp(X + 1e-9)
    assert not judged(lost, x, right * (1 + 1e-8))
    assert judged(lost, x, right * (1 + 1e-4))
    assert judged(call("exp", x), x, np.exp(X) * (1 + 100 * EPS))


def test_kinds_of_values_and_forms_are_told_apart() -> None:
    x = input_node("x", (2, 2))
    given = np.array([[1.0, np.inf], [np.nan, 0.0]])
    assert not judged(call("neg", x), x, -given, given)
    for at, value in (((0, 1), np.inf), ((1, 0), 0.0), ((0, 0), np.nan), ((1, 1), np.inf)):
        wrong = -given
        wrong[at] = value
        assert f"at {at}" in judged(call("neg", x), x, wrong, given)
    assert "float32" in judged(call("neg", x), x, -given.astype("f4"), given)
    assert "(4,)" in judged(call("neg", x), x, -given.ravel(), given)
    assert judged(transpose(x, (1, 0)), x, given, np.arange(4.0).reshape(2, 2))


def test_a_tie_that_rounding_decides_is_not_judged() -> None:
    x = input_node("x", (40,))
    tie = call("lt", call("exp", call("log", x)), x)
    assert not judged(cast(tie, np.float64), x, 1 - (np.exp(np.log(X)) < X).astype(float))
    clear = call("lt", call("exp", call("log", x)), call("mul", x, 1.5))
    assert judged(cast(clear, np.float64), x, np.zeros(40))


def test_most_of_what_is_drawn_is_judged() -> None:
    decided = total = exact = 0
    for seed in range(60):
        rng = np.random.default_rng(seed)
        graph = build_graph(lambda n, rng=rng: int(rng.integers(n)))
        for want in expect(graph.outputs, graph.bindings):
            total += want.value.size
            decided += int(np.sum(want.decided))
            exact += int(np.sum(want.decided & (want.allowed == 0)))
    assert decided > 0.9 * total
    assert exact > 0.4 * total


@pytest.mark.parametrize("name", ["sin", "exp", "tanh", "log", "cbrt", "erf", "gammaln", "expit"])
def test_the_complex_step_is_a_derivative(name: str) -> None:
    x = input_node("x", (40,))
    out = call(name, x)
    ((slope, error),) = slopes([out], {x: X}, {x: np.full(40, 2.0)})
    h = 1e-6
    ahead, behind = (expect([out], {x: X + s * h})[0].value for s in (1, -1))
    np.testing.assert_allclose(slope, (ahead - behind) / h, rtol=1e-8, atol=1e-9)
    assert np.all(error <= 1e-13 * np.abs(slope) + 1e-15)
